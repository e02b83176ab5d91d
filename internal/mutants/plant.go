package mutants

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// An Edit is a defect that a person has thought of: a line of a source file, of
// any language that is embedded or compiled, that is replaced by another.
type Edit struct {
	File     string // relative to the directory of the workspace
	Old, New string // Old must be in the file once
}

// Build builds a package, in dir, into a program that has the defects. The
// sources on disk are not touched.
func Build(ctx context.Context, dir, out, pkg string, defects ...Edit) error {
	tmp, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	overlay, err := plant(dir, tmp, defects)
	if err != nil {
		return err
	}
	text, err := goCommand(ctx, dir, []string{"build", "-overlay", overlay, "-o", out, pkg}).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	return nil
}

// plant writes the defective files into tmp, and the list of them for the go
// command, and returns the path of that.
func plant(dir, tmp string, defects []Edit) (overlay string, err error) {
	sources := make(map[string]string)
	for _, e := range defects {
		path, err := filepath.Abs(filepath.Join(dir, e.File))
		if err != nil {
			return "", err
		}
		if _, seen := sources[path]; !seen {
			src, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			sources[path] = string(src)
		}
		if n := strings.Count(sources[path], e.Old); n != 1 {
			return "", fmt.Errorf("%s has %q %d times; plant the defect elsewhere", e.File, e.Old, n)
		}
		sources[path] = strings.Replace(sources[path], e.Old, e.New, 1)
	}
	replace := make(map[string]string)
	for path, src := range sources {
		file := filepath.Join(tmp, fmt.Sprint(len(replace))+filepath.Ext(path))
		replace[path] = file
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(tmp, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}
