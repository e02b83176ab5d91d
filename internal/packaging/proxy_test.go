package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/distlock/distlock-go/internal/release"
)

// A published repository is a clone on which releases were made, and a module
// proxy on disk that serves them, as a stranger would get them.
type published struct {
	root    string // of the clone
	proxy   string // a folder in the layout of the GOPROXY protocol
	modules []release.Module
	home    string // module cache and GOPATH of the consumers
}

// publish clones the repository as it stands in the work tree, and makes and
// serves the releases.
func publish(t *testing.T, versions ...string) *published {
	t.Helper()
	top := strings.TrimSpace(run(t, ".", nil, "git", "rev-parse", "--show-toplevel"))
	p := &published{root: filepath.Join(t.TempDir(), "clone"), proxy: t.TempDir(), home: t.TempDir()}
	t.Cleanup(func() { // The module cache is read-only.
		_ = exec.Command("chmod", "-R", "u+w", p.home).Run()
	})
	run(t, top, nil, "git", "clone", "--quiet", "--no-hardlinks", ".", p.root)
	overlay(t, top, p.root)
	for _, version := range versions {
		if _, err := release.Commit(p.root, version); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if p.modules, err = release.Modules(p.root); err != nil {
		t.Fatal(err)
	}
	for _, m := range p.modules {
		p.serve(t, m, versions)
	}
	return p
}

// overlay commits to the clone what the work tree has and HEAD has not.
func overlay(t *testing.T, top, clone string) {
	t.Helper()
	run(t, clone, nil, "git", "config", "user.name", "packaging test")
	run(t, clone, nil, "git", "config", "user.email", "packaging@example.com")
	for file := range strings.SplitSeq(run(t, top, nil, "git", "ls-files", "-z", "--deleted"), "\x00") {
		if file != "" {
			_ = os.Remove(filepath.Join(clone, file))
		}
	}
	for file := range strings.SplitSeq(run(t, top, nil, "git", "ls-files", "-z", "--modified", "--others", "--exclude-standard"), "\x00") {
		data, err := os.ReadFile(filepath.Join(top, file))
		if file == "" || err != nil {
			continue // Deleted, or gone since it was listed.
		}
		to := filepath.Join(clone, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, clone, nil, "git", "add", "--all")
	run(t, clone, nil, "git", "commit", "--quiet", "--allow-empty", "-m", "the work tree")
}

// serve writes what a module proxy answers about the versions of a module, from
// their tags, as the go command would make it.
func (p *published) serve(t *testing.T, m release.Module, versions []string) {
	t.Helper()
	escaped, err := module.EscapePath(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(p.proxy, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("list", []byte(strings.Join(versions, "\n")+"\n"))
	for _, v := range versions {
		info, err := json.Marshal(map[string]any{"Version": v, "Time": time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		write(v+".info", info)
		write(v+".mod", []byte(run(t, p.root, nil, "git", "show", m.Tag(v)+":"+m.Dir+"/go.mod")))
		file, err := os.Create(filepath.Join(dir, v+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		err = zip.CreateFromVCS(file, module.Version{Path: m.Path, Version: v}, p.root, m.Tag(v), m.Dir)
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			t.Fatalf("%s %s cannot be packed: %v", m.Path, v, err)
		}
	}
}

// env is the environment of a consumer who has nothing but the go command: no
// workspace, an empty module cache, and the releases in front of the world's
// modules.
func (p *published) env(t *testing.T) []string {
	world := strings.TrimSpace(run(t, ".", nil, "go", "env", "GOPROXY"))
	return append(os.Environ(),
		"GOWORK=off",
		"GOFLAGS=-trimpath", // so that the build cache serves from any module cache
		"GOTOOLCHAIN=local",
		"GOPROXY=file://"+filepath.ToSlash(p.proxy)+","+world,
		"GONOSUMDB=github.com/distlock/*",
		"GOPATH="+p.home,
		"GOMODCACHE="+filepath.Join(p.home, "mod"),
		"GOBIN="+filepath.Join(p.home, "bin"),
	)
}

// run runs a command and returns what it prints; a failure ends the test.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, err := try(dir, env, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func try(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	return string(out), err
}
