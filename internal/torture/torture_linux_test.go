package torture

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
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

// A planted is a mistake that somebody could make, and what must be found then.
type planted struct {
	name  string
	edits []mutants.Edit
	found func(Report) bool
}

// A judge who never finds anything proves nothing: defects are planted, and must
// be found. Those of one program do not disturb each other: they are told apart by
// the backend, or by what is found.
func TestPlantedDefectsAreFound(t *testing.T) {
	const flock = "file/internal/flock/flock_unix.go"
	overlap := func(k core.Kind) func(Report) bool { return func(r Report) bool { return r.Violations[k] > 0 } }
	for name, program := range map[string]map[string][]planted{
		"1": {
			"redis": {
				{"a release that does not look whose the lock is", []mutants.Edit{
					{File: "redis/script/lock_release.lua", Old: "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n", New: ""},
					{File: "redis/script/lock_release.lua", Old: "if holder == ARGV[1] then", New: "if holder then"},
					{File: "redis/script/lock_joint.lua", Old: "elseif holders[i] == args[4 + i] then", New: "elseif holders[i] then"},
				}, overlap(core.KindLock)},
				{"one permit too many", []mutants.Edit{
					{File: "redis/script/shared_queue.lua", Old: "'+inf') < limit\n", New: "'+inf') <= limit\n"},
				}, overlap(core.KindSemaphore)},
			},
			"file": {
				{"a descriptor that is never closed", []mutants.Edit{
					{File: "file/provider.go", Old: "\tp.ledger.close()\n\treturn err\n", New: "\treturn err\n"},
				}, func(r Report) bool { return r.Leaks > 0 }},
				{"a lock that excludes nobody", []mutants.Edit{
					{File: flock, Old: "how := unix.LOCK_EX\n", New: "how := unix.LOCK_SH\n"},
				}, func(r Report) bool { return r.overlaps() > 0 }},
			},
		},
		"2": {
			"file": {
				{"no check of the inode", []mutants.Edit{
					{File: flock, Old: "func (f *File) Stands() error {\n", New: "func (f *File) Stands() error {\n\treturn nil\n"},
					{File: flock, Old: "func (f *File) Named() error {\n", New: "func (f *File) Named() error {\n\treturn nil\n"},
				}, func(r Report) bool { return r.overlaps() > 0 }},
			},
			"redis": {
				{"a lease that has run out is not noticed on waking", []mutants.Edit{
					{File: "core/driver/hold.go", Old: "if !leases.Passed(entry) {", New: "if leases != nil || !leases.Passed(entry) {"},
				}, func(r Report) bool { return r.Misled > 0 }},
			},
			"postgres": {
				{"a session's death is told to nobody", []mutants.Edit{
					{File: "postgres/session.go", Old: "\t\ttell(cause)\n", New: "\t\t_, _ = tell, cause\n"},
				}, func(r Report) bool { return r.overlaps() > 0 }},
			},
		},
		"3": {
			"file": {
				{"tokens of a new file begin anew", []mutants.Edit{
					{File: "file/ledger.go", Old: "base = max(floor, last, clock())\n", New: "base = floor + 0*last\n"},
				}, func(r Report) bool { return r.Regressions > 0 }},
			},
			"redis": {
				{"tokens that begin anew", []mutants.Edit{
					{File: "redis/script/lock_take.lua", Old: "    return clock\n", New: "    return {1, 1000000 - at[2], now}\n"},
					{File: "redis/script/lock_joint.lua", Old: "if (not last[i] or last[i] - clock < 0)", New: "if false"},
				}, func(r Report) bool { return r.Regressions > 0 }},
			},
			"redlock": {
				{"half of the servers are a majority", []mutants.Edit{
					{File: "redis/redlock.go", Old: "quorum: len(clients)/2 + 1}", New: "quorum: len(clients) / 2}"},
				}, func(r Report) bool { return r.overlaps() > 0 }},
			},
		},
		"4": {
			"file": {
				{"Err waits for the system to tell", []mutants.Edit{
					{File: "file/claim.go", Old: "\t_ = lf.stands()\n\tgone := lf.gone\n", New: "\tgone := lf.gone\n"},
				}, func(r Report) bool { return r.overlaps() > 0 }},
			},
			"redis": {
				{"a resource that does not look at tokens", []mutants.Edit{
					{File: "internal/judge/register_linux.go", Old: "if token < seen {", New: "if false {"},
					{File: "internal/judge/register_linux.go", Old: "if token == seen || ", New: "if "},
				}, func(r Report) bool { return r.Stale > 0 && len(r.Histories) > 0 }},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var edits []mutants.Edit
			for _, defects := range program {
				for _, d := range defects {
					edits = append(edits, d.edits...)
				}
			}
			worker := build(t, edits...)
			for backend, defects := range program {
				t.Run(backend, func(t *testing.T) { find(t, worker, backend, defects) })
			}
		})
	}
}

// find tortures until all defects are found, which takes a moment.
func find(t *testing.T, worker, backend string, defects []planted) {
	t.Helper()
	missing := func(r Report) (names []string) {
		for _, d := range defects {
			if !d.found(r) {
				names = append(names, d.name)
			}
		}
		return names
	}
	var rep Report
	var err error
	for range 20 {
		rep, err = Torture(t.Context(), backend, Config{
			Worker: worker, For: 3 * time.Second,
			KillEvery: 400 * time.Millisecond, StopEvery: 50 * time.Millisecond, HarmEvery: 20 * time.Millisecond,
			Found: func(r Report) bool { return len(missing(r)) == 0 },
		})
		skipContained(t, err)
		if len(missing(rep)) == 0 {
			return
		}
		t.Log(rep, err)
	}
	t.Errorf("not found: %q; the last torture ended with the error %v", missing(rep), err)
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
