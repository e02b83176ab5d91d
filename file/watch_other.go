//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package file

import "github.com/distlock/distlock-go/file/internal/fswatch"

func (lf *lockfile) watchBy(w *fswatch.Watcher) (*fswatch.Watch, error) {
	return w.Add(-1, lf.f.Path(), lf.event)
}
