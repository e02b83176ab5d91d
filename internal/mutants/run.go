package mutants

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// An Outcome is what became of a mutant.
type Outcome string

// The outcomes.
const (
	Killed    Outcome = "killed"    // a test failed, or never ended
	Stillborn Outcome = "stillborn" // it does not compile
	Survived  Outcome = "survived"  // no test noticed
)

// Try runs the tests of the packages, in dir, against a mutant. The source on
// disk is not touched: the go command is given the mutant by -overlay.
func Try(ctx context.Context, m Mutant, dir string, packages []string, timeout time.Duration) (Outcome, error) {
	tmp, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	file, err := filepath.Abs(m.File)
	if err != nil {
		return "", err
	}
	mutant := filepath.Join(tmp, filepath.Base(file))
	if err := os.WriteFile(mutant, m.Source, 0o644); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: mutant}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		return "", err
	}
	if err := goCommand(ctx, dir, append([]string{"build", "-overlay", list}, packages...)).Run(); err != nil {
		return Stillborn, ctx.Err()
	}
	args := append([]string{"test", "-short", "-failfast", "-vet=off", "-timeout", timeout.String(), "-overlay", list}, packages...)
	if err := goCommand(ctx, dir, args).Run(); err != nil {
		return Killed, ctx.Err()
	}
	return Survived, nil
}

func goCommand(ctx context.Context, dir string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	return cmd
}
