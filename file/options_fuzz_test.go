package file

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// FuzzOptions holds that a directory and options are refused, by an error that
// matches ErrInvalid, or make a provider that its own process and every other one
// to which the mode gives the files can use. Nothing is opened.
func FuzzOptions(f *testing.F) {
	f.Add("locks", uint32(0), int64(0), int64(0), 0, 0, int64(0), "")
	f.Add("", uint32(0o644), int64(-1), int64(-1), -1, -1, int64(-1), "x\x00y")
	f.Add("a\x00b", uint32(0o666), int64(1), int64(1<<62), 1, 1, int64(1), strings.Repeat("é", 300))
	f.Add("a/../b", uint32(0o660), int64(1e6), int64(1e6), 1<<30, 1, int64(0), "p")
	f.Fuzz(func(t *testing.T, dir string, mode uint32, poll, check int64, idle, count int, handoff int64, program string) {
		o := Options{
			Mode: fs.FileMode(mode), PollInterval: time.Duration(poll), CheckInterval: time.Duration(check), IdleFiles: idle,
			LocalHandoff: driver.Handoff{Count: count, For: time.Duration(handoff)}, Owner: core.Owner{Program: program},
		}
		p, err := New(dir, &o)
		if err != nil {
			if !errors.Is(err, core.ErrInvalid) {
				t.Fatalf("%q, %+v: %v", dir, o, err)
			}
			return
		}
		full := p.opts
		if full.Mode&^0o666 != 0 || full.Mode&0o600 != 0o600 || full.Mode>>1&0o222 != full.Mode&0o222 {
			t.Errorf("the mode %v is taken", full.Mode)
		}
		if full.CheckInterval <= 0 || full.PollInterval < 0 || full.IdleFiles <= 0 || full.LocalHandoff.Count > 0 && full.LocalHandoff.For <= 0 {
			t.Errorf("%+v is taken", full)
		}
		if err := p.Close(); err != nil {
			t.Errorf("Close of what was never used: %v", err)
		}
	})
}
