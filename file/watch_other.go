//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package file

import (
	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/fswatch"
)

func watchFile(w *fswatch.Watcher, f *flock.File, notify func(fswatch.Event)) (*fswatch.Watch, error) {
	return w.Add(-1, f.Path(), notify)
}
