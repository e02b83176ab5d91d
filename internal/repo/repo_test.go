// Package repo_test checks the repository itself: what no compiler sees and no
// reviewer should have to look for.
package repo_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

const modulePath = "github.com/distlock/distlock-go/"

// unpublished are the modules that nobody but we import.
var unpublished = []string{"examples", "internal"}

// run returns what a command prints in the repository's root.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return out
}

// workspace returns the directories of the modules in go.work.
func workspace(t *testing.T) []string {
	t.Helper()
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal(run(t, "go", "work", "edit", "-json"), &work); err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, use := range work.Use {
		modules = append(modules, strings.TrimPrefix(use.DiskPath, "./"))
	}
	return modules
}

func published(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(workspace(t), func(m string) bool { return slices.Contains(unpublished, m) })
}

// files returns the files of the repository that are not ignored, committed or
// not yet.
func files(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("no git repository here")
	}
	return strings.Split(strings.TrimSuffix(string(run(t, "git", "ls-files", "-z", "-co", "--exclude-standard")), "\x00"), "\x00")
}

// A module's zip holds only what is below its go.mod, and a symbolic link is not
// packed, so each published module has copies of both licences.
func TestLicencesAreCopied(t *testing.T) {
	for _, licence := range []string{"LICENSE-APACHE", "LICENSE-MIT"} {
		want, err := os.ReadFile(filepath.Join(root, licence))
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range published(t) {
			path := filepath.Join(root, module, licence)
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s/%s is no regular file: copy %s there (%v)", module, licence, licence, err)
				continue
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s/%s differs from %s: copy it again (%v)", module, licence, licence, err)
			}
		}
	}
}

// mod is what go mod edit -json tells.
type mod struct {
	Module  struct{ Path string }
	Go      string
	Require []struct{ Path, Version string }
	Replace []struct{ Old, New struct{ Path string } }
}

func readMod(t *testing.T, module string) mod {
	t.Helper()
	var m mod
	if err := json.Unmarshal(run(t, "go", "mod", "edit", "-json", filepath.Join(module, "go.mod")), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModules(t *testing.T) {
	for _, module := range workspace(t) {
		m := readMod(t, module)
		if m.Module.Path != modulePath+module {
			t.Errorf("%s/go.mod: module %s, want %s", module, m.Module.Path, modulePath+module)
		}
		if m.Go != "1.26" && m.Go != "1.26.0" {
			t.Errorf("%s/go.mod: go %s, want 1.26", module, m.Go)
		}
		replaced := make(map[string]string)
		for _, r := range m.Replace {
			replaced[r.Old.Path] = r.New.Path
			sibling, ok := strings.CutPrefix(r.Old.Path, modulePath)
			if !ok {
				t.Errorf("%s/go.mod replaces %s: a user of the module would not get what was tested", module, r.Old.Path)
				continue
			}
			if filepath.Join(module, r.New.Path) != sibling {
				t.Errorf("%s/go.mod replaces %s by %s, which is not its folder", module, sibling, r.New.Path)
			}
		}
		for _, r := range m.Require {
			sibling, ok := strings.CutPrefix(r.Path, modulePath)
			if !ok {
				continue
			}
			if r.Version != "v0.0.0" {
				t.Errorf("%s/go.mod requires %s %s, want v0.0.0 until the release tool sets it", module, sibling, r.Version)
			}
			if replaced[r.Path] == "" {
				t.Errorf("%s/go.mod requires %s and does not replace it by its folder", module, sibling)
			}
		}
	}
}

// What a published module requires, its users download: also for its tests.
func TestPublishedModulesRequireNothingOfDevelopment(t *testing.T) {
	for _, module := range published(t) {
		for _, r := range readMod(t, module).Require {
			sibling := strings.TrimPrefix(r.Path, modulePath)
			if slices.Contains(unpublished, sibling) || strings.HasPrefix(r.Path, "github.com/stretchr/") {
				t.Errorf("%s/go.mod requires %s", module, r.Path)
			}
		}
	}
	if got := readMod(t, "core").Require; len(got) != 0 {
		t.Errorf("core requires %v; it must require nothing", got)
	}
}

func TestEveryModuleIsInTheWorkspace(t *testing.T) {
	// The linters must not decide the versions of what they check.
	outside := []string{"internal/lint"}
	modules := workspace(t)
	for _, file := range files(t) {
		dir, ok := strings.CutSuffix(file, "/go.mod")
		if ok && !strings.Contains(dir, "testdata") && !slices.Contains(modules, dir) && !slices.Contains(outside, dir) {
			t.Errorf("%s is not in go.work: go work use ./%s", dir, dir)
		}
	}
}

func TestNoPathOfAnybodysMachine(t *testing.T) {
	home := regexp.MustCompile(`(^|[\s"'=(:\x60])/(home|Users|root|work)/[\w.-]+`)
	for _, file := range files(t) {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil || bytes.IndexByte(content, 0) >= 0 {
			continue // Deleted, a link to nowhere, or no text.
		}
		for i, line := range strings.Split(string(content), "\n") {
			if found := home.FindString(line); found != "" {
				t.Errorf("%s:%d names a path of somebody's machine: %s", file, i+1, strings.TrimSpace(found))
			}
		}
	}
}
