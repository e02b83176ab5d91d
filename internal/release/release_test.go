package release

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository makes a small one, of two modules and the examples.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.work":         "go 1.26\n\nuse (\n\t./core\n\t./file\n\t./examples\n)\n",
		"core/go.mod":     "module example.com/x/core\n\ngo 1.26\n",
		"file/go.mod":     "module example.com/x/file\n\ngo 1.26\n\nrequire example.com/x/core v0.0.0\n\nreplace example.com/x/core => ../core\n",
		"examples/go.mod": "module example.com/x/examples\n\ngo 1.26\n",
		"CHANGELOG.md":    "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [0.2.0] - 2026-11-23\n\n### Added\n\n- locks\n\n## [0.1.0]\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", "-b", "main"},
		{"config", "user.name", "release test"},
		{"config", "user.email", "release@example.com"},
		{"add", "--all"},
		{"commit", "--quiet", "-m", "first"},
	} {
		must(t, root, args...)
	}
	return root
}

func must(t *testing.T, root string, args ...string) string {
	t.Helper()
	out, err := git(root, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCommitAndVerify(t *testing.T) {
	root := repository(t)
	if err := Verify(root, "v0.2.0"); err == nil || !strings.Contains(err.Error(), "core/v0.2.0 is missing") {
		t.Errorf("before the release: %v", err)
	}
	tags, err := Commit(root, "v0.2.0")
	if err != nil || strings.Join(tags, " ") != "core/v0.2.0 file/v0.2.0" {
		t.Fatalf("Commit returned %v, %v", tags, err)
	}
	if err := Verify(root, "v0.2.0"); err != nil {
		t.Error(err)
	}
	if mod := must(t, root, "show", "file/v0.2.0:file/go.mod"); strings.Contains(mod, "replace") || !strings.Contains(mod, "core v0.2.0") {
		t.Errorf("the release has the go.mod\n%s", mod)
	}
	// The branch and the work tree are as before.
	if got := must(t, root, "status", "--porcelain", "--branch"); got != "## main" {
		t.Errorf("git status says %q", got)
	}
	if got := must(t, root, "log", "--format=%s"); got != "first" {
		t.Errorf("git log says %q", got)
	}
}

func TestPushOrder(t *testing.T) {
	first, last := PushOrder([]string{"core/v0.2.0", "distlock/v0.2.0", "distlock/cmd/distlock/v0.2.0", "file/v0.2.0"})
	if want := []string{"distlock/v0.2.0", "distlock/cmd/distlock/v0.2.0", "file/v0.2.0"}; !slices.Equal(first, want) || last != "core/v0.2.0" {
		t.Errorf("push %v and then %s, want %v and then core/v0.2.0", first, last, want)
	}
}

func TestVerifyFinds(t *testing.T) {
	for _, test := range []struct {
		name, want string
		spoil      func(t *testing.T, root string)
	}{
		{"a tag on another commit", "a release is one commit", func(t *testing.T, root string) {
			must(t, root, "tag", "--force", "file/v0.2.0", "main")
		}},
		{"replace lines", "go.mod replaces", func(t *testing.T, root string) {
			must(t, root, "tag", "--force", "file/v0.2.0", "main")
			must(t, root, "tag", "--force", "core/v0.2.0", "main")
		}},
		{"a missing tag", "file/v0.2.0 is missing", func(t *testing.T, root string) {
			must(t, root, "tag", "--delete", "file/v0.2.0")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := repository(t)
			if _, err := Commit(root, "v0.2.0"); err != nil {
				t.Fatal(err)
			}
			test.spoil(t, root)
			if err := Verify(root, "v0.2.0"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestCommitRefuses(t *testing.T) {
	root := repository(t)
	for _, version := range []string{"", "0.2.0", "v0.2", "v2.0.0"} {
		if _, err := Commit(root, version); err == nil {
			t.Errorf("version %q was accepted", version)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Commit(root, "v0.2.0"); err == nil || !strings.Contains(err.Error(), "not clean") {
		t.Errorf("a work tree that is not clean: %v", err)
	}
}

func TestNotes(t *testing.T) {
	root := repository(t)
	if got, err := Notes(root, "v0.2.0"); got != "### Added\n\n- locks" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for version, want := range map[string]string{"v0.1.0": "empty", "v0.3.0": "no section"} {
		if _, err := Notes(root, version); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", version, err, want)
		}
	}
}
