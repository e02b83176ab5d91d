//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// origin is where a server program is: in a directory of this machine, or, if
// dir is empty, in a container image.
type origin struct {
	dir        string
	image      string
	entrypoint []string
	server     string // the program's name
}

// chooser decides between the ways to get at programs. Its fields are what it
// asks the machine, for tests to answer instead.
type chooser struct {
	find       func(family) (origin, error)
	docker     func(context.Context) error // nil if a daemon answers
	canInstall func() error                // nil if packages can and may be installed
	install    func(context.Context, family) error
}

// choose prefers what was asked for by name to all else, what is there to what
// must be fetched, and what leaves the machine as it was to what does not.
func (c chooser) choose(ctx context.Context, f family) (origin, error) {
	if image := os.Getenv(f.imageVar); image != "" {
		if err := c.docker(ctx); err != nil {
			return origin{}, fmt.Errorf("testenv: %s=%s: %w", f.imageVar, image, err)
		}
		return f.boxed(image), nil
	}
	here, err := c.find(f)
	if here.dir != "" || err != nil {
		return here, err
	}
	dockerErr := c.docker(ctx)
	if dockerErr == nil {
		return f.boxed(f.image), nil
	}
	if err := c.canInstall(); err != nil {
		return origin{}, missing(f, dockerErr, err)
	}
	if err := c.install(ctx, f); err != nil {
		return origin{}, missing(f, dockerErr, err)
	}
	here, err = c.find(f)
	if err == nil && here.dir == "" {
		err = fmt.Errorf("installed %s, but found no %s", strings.Join(f.packages, ", "), f.servers[0])
	}
	if err != nil {
		return origin{}, missing(f, dockerErr, err)
	}
	return here, nil
}

// ErrMissing matches the error of a server whose programs are not to be had.
var ErrMissing = fmt.Errorf("testenv: server not installed")

// ErrContained matches the error of what cannot be started in a container, such as a
// standby, which needs the programs beside the server. Tests of it are skipped there
// even if servers are required; the runs on installed servers have them.
var ErrContained = errors.New("testenv: not in a container")

func missing(f family, docker, install error) error {
	return fmt.Errorf("%w: %s is not found on this machine; not from a container: %w; not from a package: %w; "+
		"install it yourself (%s)", ErrMissing, f.name, docker, install, f.advice)
}

// choices remembers where each family was found: the answer costs seconds when
// it is a container or an installation, and tests ask for every server.
var choices = struct {
	sync.Mutex
	of map[string]origin
}{of: make(map[string]origin)}

func choose(ctx context.Context, f family) (origin, error) {
	choices.Lock()
	defer choices.Unlock()
	key := f.name + "\x00" + os.Getenv(f.binVar) + "\x00" + os.Getenv(f.imageVar) + "\x00" + os.Getenv("PATH")
	if o, ok := choices.of[key]; ok {
		return o, nil
	}
	o, err := chooser{family.find, dockerAnswers, canInstall, install}.choose(ctx, f)
	if err == nil {
		choices.of[key] = o
	}
	return o, err
}

// canInstall tells why Debian's packages may not be installed from here, if so.
func canInstall() error {
	if os.Getenv(InstallVar) == "0" {
		return fmt.Errorf("%s is 0", InstallVar)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("not root")
	}
	_, err := exec.LookPath("apt-get")
	return err
}
