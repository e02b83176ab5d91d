package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// An Outcome is what became of a mutant.
type Outcome string

// The outcomes.
const (
	Killed    Outcome = "killed"    // a test failed
	Endless   Outcome = "endless"   // the tests did not end in time
	Stillborn Outcome = "stillborn" // it does not compile
	Survived  Outcome = "survived"  // no test noticed
)

// errRed is what the tests say of sources without a mutant, if they fail.
var errRed = errors.New("the tests fail without any mutant, so no mutant can be judged")

// baseline builds and tests the packages as they are. Only if that is green does
// a failure with a mutant mean that the mutant was noticed.
func (s *Search) baseline(ctx context.Context) error {
	if out, err := s.goCommand(ctx, append([]string{"build"}, s.Packages...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("the packages do not build without any mutant: %w\n%s", err, out)
	}
	if out, err := s.test(ctx, "", s.Packages); err != nil {
		return fmt.Errorf("%w: %w\n%s", errRed, err, out)
	}
	return nil
}

// try runs the tests against a mutant: those of its own package first, and if they
// notice nothing those of the others. The source on disk is not touched: the go
// command is given the mutant by -overlay.
func (s *Search) try(ctx context.Context, m Mutant) (Outcome, error) {
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
	if err := os.WriteFile(mutant, m.Source, 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: mutant}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	if out, err := s.goCommand(ctx, "build", "-overlay", list, m.Package).CombinedOutput(); err != nil {
		if ctx.Err() != nil || !bytes.HasPrefix(out, []byte("# ")) { // The compiler's words follow "# package".
			return "", errors.Join(ctx.Err(), fmt.Errorf("%s: go build: %w\n%s", m, err, out))
		}
		return Stillborn, nil
	}
	for _, packages := range [][]string{{m.Package}, s.Packages} {
		out, err := s.test(ctx, list, packages)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return "", ctx.Err()
		case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
			return "", fmt.Errorf("%s: the tests do not build: %w\n%s", m, err, out)
		case bytes.Contains(out, []byte("panic: test timed out after")):
			return Endless, nil
		default:
			return Killed, nil
		}
	}
	return Survived, nil
}

// test runs the tests of packages; overlay may be empty.
func (s *Search) test(ctx context.Context, overlay string, packages []string) ([]byte, error) {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	args := []string{"test", "-count=1", "-short", "-failfast", "-vet=off", "-timeout", timeout.String()}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	return s.goCommand(ctx, append(args, packages...)...).CombinedOutput()
}

func (s *Search) goCommand(ctx context.Context, args ...string) *exec.Cmd {
	return goCommand(ctx, s.Dir, args)
}

func goCommand(ctx context.Context, dir string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	return cmd
}
