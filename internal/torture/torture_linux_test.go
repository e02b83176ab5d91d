package torture

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/mutants"
	"github.com/distlock/distlock-go/internal/testenv"
)

// forVar says how long each torture of TestTorture lasts.
const forVar = "DISTLOCK_TORTURE"

func lasts(t *testing.T) time.Duration {
	t.Helper()
	if s := os.Getenv(forVar); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("%s: %v", forVar, err)
		}
		return d
	}
	return 5 * time.Second
}

func TestTorture(t *testing.T) {
	worker := build(t)
	for _, backend := range Places() {
		t.Run(backend, func(t *testing.T) {
			if backend == "file" {
				t.Parallel() // The others have enough to do to meet leases that short.
			}
			rep, err := Torture(t.Context(), backend, Config{
				Worker: worker, For: lasts(t), Round: time.Minute, Calm: time.Second,
				KillEvery: 100 * time.Millisecond, StopEvery: 200 * time.Millisecond, HarmEvery: 200 * time.Millisecond,
			})
			t.Log(rep)
			skipContained(t, err)
			if err != nil {
				t.Fatal(err)
			}
			if err := rep.Err(); err != nil {
				t.Errorf("%v\nwhat the processes have seen is in %s", err, rep.Dir)
			}
			if rep.Kills == 0 || rep.Stops == 0 {
				t.Error("nothing much has happened")
			}
		})
	}
	// Without anybody who meddles with the files, nothing is lost and nothing overlaps.
	t.Run("file, kills alone", func(t *testing.T) {
		t.Parallel()
		rep, err := Torture(t.Context(), "file", Config{Worker: worker, For: 2 * time.Second, KillEvery: 50 * time.Millisecond})
		t.Log(rep)
		if err = errors.Join(err, rep.Err()); err != nil {
			t.Fatal(err)
		}
		if rep.Losses > 0 || rep.Explained > 0 || rep.Refused > 0 {
			t.Error("somebody has lost what nobody took away")
		}
	})
}

// skipContained skips what needs servers that are installed, because their clocks are
// set, where they are in containers or are not to be had: see [testenv.Unavailable].
// On GitHub, the job "torture" has them installed.
func skipContained(t *testing.T, err error) {
	t.Helper()
	if testenv.Unavailable(err) {
		t.Skip(err)
	}
}

// build builds a worker, with the defects.
func build(t *testing.T, defects ...mutants.Edit) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	worker := filepath.Join(t.TempDir(), "worker")
	if err := mutants.Build(t.Context(), root, worker, "./internal/torture/cmd/torture", defects...); err != nil {
		t.Fatal(err)
	}
	return worker
}
