package release

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// Verify returns an error unless the tags of a release are all there, name one
// commit, and give modules that require each other at the version of the release
// and replace nothing.
func Verify(root, version string) error {
	if err := CheckVersion(version); err != nil {
		return err
	}
	modules, err := Modules(root)
	if err != nil {
		return err
	}
	first := ""
	for _, m := range modules {
		tag := m.Tag(version)
		commit, err := git(root, "rev-parse", "--quiet", "--verify", "refs/tags/"+tag+"^{commit}")
		if err != nil {
			return fmt.Errorf("the tag %s is missing", tag)
		}
		if first == "" {
			first = commit
		}
		if commit != first {
			return fmt.Errorf("the tag %s is on commit %s, and %s on %s; a release is one commit", tag, commit, modules[0].Tag(version), first)
		}
		if err := m.verify(root, version, modules); err != nil {
			return fmt.Errorf("%s: %w", tag, err)
		}
	}
	return nil
}

// verify checks the go.mod of the module as it was tagged.
func (m Module) verify(root, version string, modules []Module) error {
	data, err := git(root, "show", m.Tag(version)+":"+m.Dir+"/go.mod")
	if err != nil {
		return err
	}
	mod, err := modfile.Parse("go.mod", []byte(data), nil)
	if err != nil {
		return err
	}
	if len(mod.Replace) > 0 {
		return fmt.Errorf("go.mod replaces %s; go install refuses that", mod.Replace[0].Old.Path)
	}
	for _, r := range mod.Require {
		for _, sibling := range modules {
			if r.Mod.Path == sibling.Path && r.Mod.Version != version {
				return fmt.Errorf("go.mod requires %s %s, want %s", r.Mod.Path, r.Mod.Version, version)
			}
		}
	}
	return nil
}

// Notes returns what CHANGELOG.md says of a version.
func Notes(root, version string) (string, error) {
	if err := CheckVersion(version); err != nil {
		return "", err
	}
	data, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	heading := "## [" + strings.TrimPrefix(version, "v") + "]"
	_, section, found := strings.Cut("\n"+string(data), "\n"+heading)
	if !found {
		return "", fmt.Errorf("CHANGELOG.md has no section %q", heading)
	}
	_, section, _ = strings.Cut(section, "\n")
	section, _, _ = strings.Cut("\n"+section, "\n## ")
	section = strings.TrimSpace(section)
	if section == "" {
		return "", fmt.Errorf("the section %q of CHANGELOG.md is empty", heading)
	}
	return section, nil
}
