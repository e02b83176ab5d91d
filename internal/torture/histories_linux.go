package torture

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/distlock/distlock-go/internal/history"
)

// noteKill writes into the history of a process that it was killed.
func (d *director) noteKill(a *actor, at int64) error {
	if unwritten(a.record) {
		return nil
	}
	return history.MarkKilled(a.record, at)
}

// unwritten reports whether a process was killed before it could begin.
func unwritten(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

// check has the histories of all objects checked, and those of the resources that
// they guard: whether any locks that keep their promises, and any resources that
// check tokens, could have let their users see what these saw.
func (d *director) check() error {
	ops, err := history.Read(slices.DeleteFunc(d.records, unwritten)...)
	if err != nil {
		return err
	}
	d.report.Operations = len(ops)
	for i, ops := range history.ByObject(ops) {
		object := d.Objects[i%len(d.Objects)].rules()
		if d.place.name == "redlock" && object.Kind == history.Semaphore {
			object.Tokens = history.Following // See the documentation of redis.RedLock.
		}
		if i >= len(d.Objects) {
			object = history.Object{Name: "what is guarded by " + object.Name, Kind: history.Resource}
		}
		if err := history.Check(object, ops, time.Minute); err != nil {
			d.report.Histories = append(d.report.Histories, err.Error())
		}
	}
	return nil
}
