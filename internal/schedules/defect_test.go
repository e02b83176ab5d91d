package schedules

import (
	"slices"
	"strings"
	"testing"

	"github.com/distlock/distlock-go/internal/history"
)

// TestDefects plants a mistake in the backend and demands that it is noticed,
// for the right reason: a checker that has never complained says nothing.
func TestDefects(t *testing.T) {
	if raceDetector {
		t.Skip("takes minutes with the race detector; make schedules runs it without")
	}
	const rules = "breaks its rules"
	all := []history.Kind{history.Lock, history.RWLock, history.Semaphore}
	for _, c := range []struct {
		defect   Defect
		backends []Backend
		kinds    []history.Kind
		says     []string // one of them
	}{
		{ReleaseUnchecked, []Backend{Events, Polling, Queue}, all, []string{rules}},
		{ValidityFromTheEnd, []Backend{Events, Queue}, all[:1], []string{rules}},
		{LongerThanTheServer, []Backend{Events, Queue}, all[:1], []string{rules}},
		{FastServerClock, []Backend{Events, Queue, Redis, RedLock}, all[:1], []string{rules}},
		{NoGiveBack, []Backend{Queue}, all, []string{"nobody has given back"}},
		{TokenRepeated, []Backend{Events, Queue}, all, []string{rules}},
		{TokenReset, []Backend{Events, Queue, RedLock}, all, []string{rules}},
		{OneTooMany, []Backend{Events, Polling, Queue}, all, []string{rules}},
		{OneTooMany, []Backend{Redis, RedLock}, all[2:], []string{rules}},
		{DeafRenewal, []Backend{Events, Queue}, all[:1], []string{rules}},
		{NoQuarantine, []Backend{Events, Polling, Queue, RedLock}, all, []string{rules}},
		{NoBackstop, []Backend{Events, Queue}, all[:1], []string{"is not served", "not free", "after the release"}},
		{UncheckedResource, []Backend{Events, Memory, RedLock}, all[:1], []string{`"resource" ` + rules}},
	} {
		t.Run(strings.ReplaceAll(string(c.defect), " ", "-"), func(t *testing.T) {
			t.Parallel()
			for _, backend := range c.backends {
				for _, kind := range c.kinds {
					caught(t, Schedule{Backend: backend, Kind: kind, Defect: c.defect}, c.says)
				}
			}
		})
	}
}

// caught runs seeds until the defect is noticed.
func caught(t *testing.T, s Schedule, says []string) {
	t.Helper()
	const seeds = 3000
	for s.Seed = 1; s.Seed <= seeds; s.Seed++ {
		err := run(t, s)
		if err != nil && slices.ContainsFunc(says, func(text string) bool { return strings.Contains(err.Error(), text) }) {
			t.Logf("%s, kind %d: seed %d", s.Backend, s.Kind, s.Seed)
			return
		}
	}
	t.Errorf("%s, kind %d: %d schedules have not noticed it", s.Backend, s.Kind, seeds)
}
