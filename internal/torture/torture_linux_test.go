package torture

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	return 8 * time.Second
}

func TestTorture(t *testing.T) {
	worker := build(t, nil)
	for _, backend := range Places() {
		t.Run(backend, func(t *testing.T) {
			rep, err := Torture(t.Context(), backend, Config{
				Worker: worker, Dir: t.TempDir(), For: lasts(t), Calm: 2 * time.Second,
				KillEvery: 40 * time.Millisecond, StopEvery: 250 * time.Millisecond, HarmEvery: 300 * time.Millisecond,
			})
			t.Log(rep)
			if err != nil {
				t.Fatal(err)
			}
			if err := rep.Err(); err != nil {
				t.Error(err)
			}
			if rep.Holds < 100 || rep.CalmHolds < 50 || rep.Kills < 10 || rep.Stops == 0 {
				t.Error("nothing much has happened")
			}
		})
	}
}

// A judge who never finds anything proves nothing: defects are planted, and must
// be found.
func TestPlantedDefectsAreFound(t *testing.T) {
	violation := func(r Report) bool { return r.Violations > 0 }
	for name, defect := range map[string]struct {
		backend string
		file    string
		edits   []string // what to replace, by what
		found   func(Report) bool
	}{
		"a lease that has run out is not noticed on waking": {
			"redis", "core/driver/hold.go",
			[]string{"if !leases.Passed(entry) {", "if leases != nil || !leases.Passed(entry) {"},
			func(r Report) bool { return r.Misled > 0 },
		},
		"a release that does not look whose the lock is": {
			"redis", "redis/script/lock_release.lua",
			[]string{"if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n", "", "if holder == ARGV[1] then", "if holder then"},
			violation,
		},
		"one permit too many": {
			"redis", "redis/script/shared_queue.lua",
			[]string{"'+inf') < limit\n", "'+inf') <= limit\n"},
			violation,
		},
		"tokens that begin anew": {
			"redis", "redis/script/lock_acquire.lua",
			[]string{"    return clock\n", "    return {1, 1000000 - at[2], now}\n"},
			func(r Report) bool { return r.Regressions > 0 },
		},
		"a session's death is told to nobody": {
			"postgres", "postgres/session.go",
			[]string{"\t\tlost(cause)\n", "\t\t_, _ = lost, cause\n"},
			violation,
		},
		"half of the servers are a majority": {
			"redlock", "redis/redlock.go",
			[]string{"quorum: len(clients)/2 + 1}", "quorum: len(clients) / 2}"},
			violation,
		},
	} {
		t.Run(name, func(t *testing.T) {
			worker := build(t, func(root string) (string, string) {
				return plant(t, filepath.Join(root, defect.file), defect.edits)
			})
			for range 20 { // One does nearly always.
				rep, err := Torture(t.Context(), defect.backend, Config{
					Worker: worker, Dir: t.TempDir(), For: 2 * time.Second,
					KillEvery: 200 * time.Millisecond, StopEvery: 50 * time.Millisecond, HarmEvery: 50 * time.Millisecond,
				})
				if defect.found(rep) {
					return
				}
				t.Log(rep, err)
			}
			t.Error("the defect was not found")
		})
	}
}

// plant returns a source with a defect.
func plant(t *testing.T, path string, edits []string) (file, text string) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = string(src)
	for i := 0; i < len(edits); i += 2 {
		if strings.Count(text, edits[i]) != 1 {
			t.Fatalf("%s does not have %q once; plant the defect elsewhere", path, edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	return path, text
}

// build builds a worker, with one file replaced if mutate is given.
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
		mutant, overlay := filepath.Join(dir, "mutant"+filepath.Ext(path)), filepath.Join(dir, "overlay.json")
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
	out, err := exec.CommandContext(t.Context(), "go", append(args, "./cmd/torture")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return worker
}
