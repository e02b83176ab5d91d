// Package release makes a release of all published modules, which carry one
// version in common.
//
// On main every module requires its siblings at v0.0.0 and replaces them by
// their folders, so that any commit builds without anything being published. A
// release is one commit beside main, on which the siblings are required at the
// version of the release and no replace line is left, because go install refuses
// a module with replace lines; it gets one tag for each module. Nothing on main
// changes, and nothing is pushed.
package release

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// unpublished are the modules of the workspace that nobody else may require.
var unpublished = []string{"examples", "internal"}

// A Module is a published module.
type Module struct {
	Dir  string // in the repository, with slashes: "core"
	Path string // its import path
}

// Tag returns the tag that publishes the module at a version.
func (m Module) Tag(version string) string { return m.Dir + "/" + version }

// PushOrder divides the tags of a release into those to push together and the one
// to push after them, alone: that of core, at which the workflow "release" starts.
// GitHub starts none for a push of more than three tags.
// https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows#push
func PushOrder(tags []string) (first []string, last string) {
	for _, tag := range tags {
		if strings.HasPrefix(tag, "core/") {
			last = tag
		} else {
			first = append(first, tag)
		}
	}
	return first, last
}

// Modules returns the published modules of the repository at root, as its
// go.work lists them.
func Modules(root string) ([]Module, error) {
	file := filepath.Join(root, "go.work")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork(file, data, nil)
	if err != nil {
		return nil, err
	}
	var all []Module
	for _, use := range work.Use {
		dir := path.Clean(use.Path)
		if slices.Contains(unpublished, dir) {
			continue
		}
		mod, err := read(root, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, Module{Dir: dir, Path: mod.Module.Mod.Path})
	}
	return all, nil
}

// CheckVersion returns an error unless version can be the next one of modules
// whose paths have no major-version suffix.
func CheckVersion(version string) error {
	switch {
	case !semver.IsValid(version) || semver.Canonical(version) != version:
		return fmt.Errorf("version %q is not of the form v1.2.3", version)
	case semver.Major(version) != "v0" && semver.Major(version) != "v1":
		return fmt.Errorf("version %s needs import paths that end in /%s", version, semver.Major(version))
	}
	return nil
}

// Commit makes the release commit on top of the HEAD of the repository at root,
// whose work tree must be clean, tags it once for each module, and leaves the
// work tree and the branch as they were. It returns the tags.
func Commit(root, version string) ([]string, error) {
	if err := CheckVersion(version); err != nil {
		return nil, err
	}
	modules, err := Modules(root)
	if err != nil {
		return nil, err
	}
	if dirty, err := git(root, "status", "--porcelain"); err != nil {
		return nil, err
	} else if dirty != "" {
		return nil, fmt.Errorf("the work tree is not clean; commit or remove this first:\n%s", dirty)
	}
	branch, err := git(root, "rev-parse", "--abbrev-ref", "HEAD")
	if err != nil {
		return nil, err
	}
	if _, err := git(root, "checkout", "--quiet", "--detach"); err != nil {
		return nil, err
	}
	tags, err := commit(root, version, modules)
	if _, back := git(root, "checkout", "--quiet", "--force", branch); err == nil {
		err = back
	}
	return tags, err
}

func commit(root, version string, modules []Module) ([]string, error) {
	for _, m := range modules {
		if err := m.prepare(root, version, modules); err != nil {
			return nil, err
		}
	}
	// A module without siblings is the same as on main, so there may be nothing
	// to commit for it; the tag is what counts.
	if _, err := git(root, "commit", "--quiet", "--all", "--allow-empty", "-m", "Release "+version); err != nil {
		return nil, err
	}
	var tags []string
	for _, m := range modules {
		tag := m.Tag(version)
		if _, err := git(root, "tag", "-a", "-m", "Release "+version, tag); err != nil {
			return tags, err
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// prepare writes the go.mod of the release.
func (m Module) prepare(root, version string, modules []Module) error {
	mod, err := read(root, m.Dir)
	if err != nil {
		return err
	}
	for _, sibling := range modules {
		if err := mod.DropReplace(sibling.Path, ""); err != nil {
			return err
		}
		if requires(mod, sibling.Path) {
			if err := mod.AddRequire(sibling.Path, version); err != nil {
				return err
			}
		}
	}
	mod.Cleanup()
	if len(mod.Replace) > 0 {
		return fmt.Errorf("%s: go.mod replaces %s, which is no sibling; a release cannot", m.Dir, mod.Replace[0].Old.Path)
	}
	data, err := mod.Format()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, filepath.FromSlash(m.Dir), "go.mod"), data, 0o644)
}

func requires(mod *modfile.File, path string) bool {
	return slices.ContainsFunc(mod.Require, func(r *modfile.Require) bool { return r.Mod.Path == path })
}

func read(root, dir string) (*modfile.File, error) {
	file := filepath.Join(root, filepath.FromSlash(dir), "go.mod")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(file, data, nil)
}

// git runs git in root and returns what it prints.
func git(root string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = root
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(bad.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
