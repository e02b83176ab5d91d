package torture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/distlock/distlock-go/internal/history"
)

// noteKill writes into the history of a process that it was killed. It may have been
// stopped, or cut off, for a while before, and not have noticed yet.
func (d *director) noteKill(a *actor, at int64) error {
	if unwritten(a.job.History) {
		return nil
	}
	unaware := max(4*d.place.lease, d.place.bound)
	return history.MarkKilled(a.job.History, at-int64(unaware))
}

// unwritten reports whether a process was killed before it could begin.
func unwritten(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

// check has the histories of all objects checked: whether any locks that keep
// their promises could have let their users see what these saw.
func (d *director) check() error {
	ops, err := history.Read(slices.DeleteFunc(d.records, unwritten)...)
	if err != nil {
		return err
	}
	d.report.Operations = len(ops)
	for i, ops := range history.ByObject(ops) {
		o := d.Objects[i]
		err := history.Check(history.Object{Name: o.Name, Kind: o.rules(), Limit: o.Limit, Tokens: history.Fencing}, ops, time.Minute)
		if err != nil {
			d.report.Histories = append(d.report.Histories, fmt.Sprintf("%s %s: %v", o.Kind, o.Name, err))
		}
	}
	return nil
}
