package filetorture

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// span returns how long a torture takes: DISTLOCK_TORTURE, or a few seconds.
func span(t *testing.T) time.Duration {
	t.Helper()
	if s := os.Getenv("DISTLOCK_TORTURE"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("DISTLOCK_TORTURE: %v", err)
		}
		return d
	}
	return 4 * time.Second
}

func TestNobodyIsMisled(t *testing.T) {
	worker := build(t, nil)
	for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
		t.Run(string(kind), func(t *testing.T) {
			cfg := config(t, worker, kind)
			cfg.For = span(t)
			rep, err := Run(t.Context(), cfg)
			t.Log(rep)
			if err != nil {
				t.Fatal(err)
			}
			if rep.Violations > 0 || rep.Regressions > 0 || rep.Failures > 0 {
				t.Error("somebody was misled")
			}
			if rep.Holds < 100 || rep.Kills == 0 || rep.Meddlings == 0 || rep.Losses == 0 {
				t.Error("nothing much has happened")
			}
		})
	}
}

// Without anybody who meddles with the files, nothing is lost and nothing overlaps.
func TestKillsAloneLoseNothing(t *testing.T) {
	cfg := config(t, build(t, nil), core.KindLock)
	cfg.For, cfg.Meddle = span(t)/2, 0
	rep, err := Run(t.Context(), cfg)
	t.Log(rep)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Violations+rep.Explained > 0 || rep.Losses > 0 || rep.Regressions > 0 || rep.Failures > 0 {
		t.Error("somebody was misled")
	}
}

// A detector that never fires proves nothing: defects are planted, and must be
// found.
func TestPlantedDefectsAreFound(t *testing.T) {
	for name, defect := range map[string]struct {
		file  string
		edits []string // what to replace, by what
		found func(Report) bool
	}{
		"no check of the inode": {
			file: "file/internal/flock/flock_unix.go",
			edits: []string{
				"func (f *File) Stands() error {\n", "func (f *File) Stands() error {\n\treturn nil\n",
				"func (f *File) Named() error {\n", "func (f *File) Named() error {\n\treturn nil\n",
			},
			found: func(r Report) bool { return r.Violations > 0 },
		},
		"a lock that excludes nobody": {
			file:  "file/internal/flock/flock_unix.go",
			edits: []string{"how := unix.LOCK_EX\n", "how := unix.LOCK_SH\n"},
			found: func(r Report) bool { return r.Violations > 0 },
		},
		"tokens of a new file begin anew": {
			file:  "file/ledger.go",
			edits: []string{"base = max(floor, last, clock())\n", "base = floor + 0*last\n"},
			found: func(r Report) bool { return r.Regressions > 0 },
		},
		"Err waits for the system to tell": {
			file:  "file/claim.go",
			edits: []string{"\t_ = lf.stands()\n\tgone := lf.gone\n", "\tgone := lf.gone\n"},
			found: func(r Report) bool { return r.Violations > 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			worker := build(t, func(root string) (string, string) {
				path := filepath.Join(root, defect.file)
				src, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				text := string(src)
				for i := 0; i < len(defect.edits); i += 2 {
					if strings.Count(text, defect.edits[i]) != 1 {
						t.Fatalf("%s does not have %q once; plant the defect elsewhere", defect.file, defect.edits[i])
					}
					text = strings.Replace(text, defect.edits[i], defect.edits[i+1], 1)
				}
				return path, text
			})
			for range 60 { // seconds; one does nearly always
				cfg := config(t, worker, core.KindLock)
				cfg.For, cfg.KillEvery, cfg.Meddle = time.Second, 0, time.Millisecond
				rep, err := Run(t.Context(), cfg)
				t.Log(rep)
				if err != nil {
					t.Fatal(err)
				}
				if defect.found(rep) {
					return
				}
			}
			t.Error("the defect was not found")
		})
	}
}

func config(t *testing.T, worker string, kind core.Kind) Config {
	t.Helper()
	cfg := Config{
		Worker: worker, Dir: t.TempDir(), Kind: kind,
		Processes: 8, Seats: 8, KillEvery: 20 * time.Millisecond, Meddle: 20 * time.Millisecond,
	}
	if kind == core.KindSemaphore {
		cfg.Limit = 3
	}
	return cfg
}

// build builds the worker, with one file replaced if mutate is given.
func build(t *testing.T, mutate func(root string) (path, src string)) string {
	t.Helper()
	dir := t.TempDir()
	worker := filepath.Join(dir, "worker")
	args := []string{"build", "-o", worker}
	if mutate != nil {
		root, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		path, src := mutate(root)
		mutant, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
		b, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutant}})
		if err != nil {
			t.Fatal(err)
		}
		for file, b := range map[string][]byte{mutant: []byte(src), overlay: b} {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		args = append(args, "-overlay", overlay)
	}
	out, err := exec.CommandContext(t.Context(), "go", append(args, "./worker")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return worker
}
