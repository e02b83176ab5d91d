//go:build unix

package testenv

import (
	"context"
	"syscall"
)

// program is what a server runs: one command that stays in the foreground.
type program struct {
	args  func(dir string) []string
	env   map[string]string
	files map[string]string // written to the server's directory before its first start
}

// launcher starts a program, again and again, in the same directory: as a process
// of this machine or in a container.
type launcher interface {
	launch(ctx context.Context) (running, error)
	log(ctx context.Context) string   // what the program has said, the end of it
	remove(ctx context.Context) error // forget the directory, after the program has ended
}

// running is a program that was started.
type running interface {
	done() <-chan struct{} // closed when the program has ended
	signal(syscall.Signal) error
	kill() error   // end all its processes without warning
	pause() error  // freeze all its processes
	resume() error // and let them go on
}

// launcherFor returns what launches a program that is there.
func launcherFor(where origin, p program) (launcher, error) {
	if where.dir == "" {
		return &boxed{origin: where, program: p}, nil
	}
	return newLocal(p, where)
}
