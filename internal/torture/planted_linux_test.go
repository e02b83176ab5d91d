package torture

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/mutants"
)

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
	impossible := func(r Report, what string) bool {
		return slices.ContainsFunc(r.Histories, func(s string) bool { return strings.Contains(s, what) })
	}
	guarded := func(r Report) bool { return impossible(r, "what is guarded by") }
	overlap := func(k core.Kind) func(Report) bool { return func(r Report) bool { return r.Violations[k] > 0 } }
	for name, program := range map[string]program{
		"1": {
			"redis": {
				{"readers beside a writer", []mutants.Edit{
					{File: "redis/script/shared_queue.lua", Old: "if mode == 'w' or string.sub(other, 1, 1) == 'w' then", New: "if mode == 'w' then"},
				}, overlap(core.KindRWLock)},
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
				{"a loss is told late", []mutants.Edit{
					{
						File: "core/driver/hold.go", Old: "\tif h.done != nil {\n\t\tclose(h.done)\n\t}\n\treturn h.lease, true\n",
						New: "\tif done := h.done; done != nil && releasing {\n\t\tclose(done)\n\t} else if done != nil {\n" +
							"\t\ttime.AfterFunc(300*time.Millisecond, func() { close(done) })\n\t}\n\treturn h.lease, true\n",
					},
				}, func(r Report) bool { return r.Waking > promptly }},
			},
			"redlock": {
				{"half of the servers are a majority", []mutants.Edit{
					{File: "redis/redlock.go", Old: "quorum: len(clients)/2 + 1}", New: "quorum: len(clients) / 2}"},
				}, func(r Report) bool { return r.overlaps() > 0 }},
			},
		},
		"4": {
			"file": {
				{name: "the same resource", found: guarded}, // With servers but redis, late writes take minutes to come.
				{"Err waits for the system to tell", []mutants.Edit{
					{File: "file/claim.go", Old: "\t_ = lf.stands()\n\tgone := lf.gone\n", New: "\tgone := lf.gone\n"},
				}, func(r Report) bool { return r.overlaps() > 0 }},
			},
			"redis": {
				{"a resource that does not look at tokens", []mutants.Edit{
					{File: "internal/judge/register_linux.go", Old: "if token < seen {", New: "if false {"},
					{File: "internal/judge/register_linux.go", Old: "if token == seen || ", New: "if "},
				}, func(r Report) bool { return r.Stale > 0 && guarded(r) }},
				{"permits with the same token", []mutants.Edit{
					{File: "redis/script/shared_queue.lua", Old: "if last and tonumber(last) >= fence then fence = last + 1 end", New: "if last then fence = tonumber(last) end"},
				}, func(r Report) bool { return impossible(r, `"semaphore`) }},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program.find(t, Config{
				For: 3 * time.Second, KillEvery: 400 * time.Millisecond, StopEvery: 50 * time.Millisecond, HarmEvery: 20 * time.Millisecond,
			})
		})
	}
}

// What is left behind, and who is never woken, is found in the calm alone.
func TestPlantedDefectsAreFoundInTheCalm(t *testing.T) {
	t.Parallel()
	program{
		"redis": {
			{"a key that stays", []mutants.Edit{
				{File: "redis/script/queue.lua", Old: "if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('DEL', KEYS[4]) end", New: ""},
				{File: "redis/script/queue.lua", Old: "  redis.call('PEXPIRE', KEYS[4], ms)\n", New: ""},
			}, func(r Report) bool { return len(r.Left) > 0 }},
			{"a grant that nobody is told of", []mutants.Edit{
				{File: "redis/script/queue.lua", Old: "local function tell(inst, seq, fence)\n", New: "local function tell(inst, seq, fence)\n  if true then return end\n"},
				{File: "redis/script/lock_poll.lua", Old: "elseif holder and holder == string.match", New: "elseif false and holder == string.match"},
			}, func(r Report) bool { return r.Failures > 0 }},
		},
	}.find(t, Config{For: time.Second, Calm: 2 * time.Second, Patience: 2 * time.Second})
}

// A program has defects, by the backend that is to find them.
type program map[string][]planted

func (p program) find(t *testing.T, cfg Config) {
	t.Helper()
	var edits []mutants.Edit
	for _, defects := range p {
		for _, d := range defects {
			edits = append(edits, d.edits...)
		}
	}
	cfg.Worker = build(t, edits...)
	for backend, defects := range p {
		t.Run(backend, func(t *testing.T) { find(t, backend, cfg, defects) })
	}
}

// find tortures until all defects are found, which takes a moment.
func find(t *testing.T, backend string, cfg Config, defects []planted) {
	t.Helper()
	missing := func(r Report) (names []string) {
		for _, d := range defects {
			if !d.found(r) {
				names = append(names, d.name)
			}
		}
		return names
	}
	cfg.Found = func(r Report) bool { return len(missing(r)) == 0 }
	var rep Report
	var err error
	for range 20 {
		rep, err = Torture(t.Context(), backend, cfg)
		skipContained(t, err)
		if len(missing(rep)) == 0 {
			return
		}
		t.Log(rep, err)
	}
	t.Errorf("not found: %q; the last torture ended with the error %v", missing(rep), err)
}
