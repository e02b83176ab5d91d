// Package locktest tests that a backend keeps the contract of distlock's core
// package: one case for each rule, which states the rule when it fails.
//
// A backend's own test is as short as this:
//
//	func TestMain(m *testing.M) {
//		locktest.Main(m, func(dir string, o core.Observer) (core.Provider, error) {
//			return file.New(dir, &file.Options{Observer: o})
//		})
//	}
//
//	func TestConformance(t *testing.T) {
//		dir := t.TempDir()
//		locktest.Run(t, locktest.Harness{
//			Open: func(t testing.TB, o core.Observer) core.Provider {
//				p, err := file.New(dir, &file.Options{Observer: o})
//				if err != nil {
//					t.Fatal(err)
//				}
//				return p
//			},
//			Process: dir,
//			Tokens:  true,
//		})
//	}
//
// Cases run one after the other, because each ends with a look at what it may
// have left behind, goroutines among it; so Run must not be called by a test
// that is parallel to others. [Harness.Parallel] spreads them over processes. All cases use names of their own, so several
// processes may test one backend at a time.
//
// The suite absorbs the scenarios A to D and H of the test suite of
// madelson/DistributedLock; a case that comes from there carries its number,
// such as A5. What has no meaning in this API is left out: bad timeouts (A3,
// B21, H88: a context has none), synchronous and asynchronous twins (A2),
// reading the loss signal after a release as an error (part of A12: Done stays
// closed and Err says why), the count of free permits (C33), deadlock errors of
// a shared session (C34: nothing is reentrant and no session shows), remaining
// time per lock (D40: a context is a point in time), and the forwarding of
// convenience methods (H89: there are none; H90 is what a linter checks).
package locktest

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A Harness says how to reach the backend under test and what it can do. What is
// left out it cannot: the cases that need it are skipped, each with the reason.
type Harness struct {
	// Open returns a new provider that reports to the observer, which may be nil.
	// All calls within one Run must reach the same backend: each provider plays
	// the part of a process of its own. The suite closes it. Required.
	Open func(t testing.TB, o core.Observer) core.Provider

	// Lose makes every hold on one object end without a release, as the trouble
	// does that this backend must live with: a killed session, a deleted key, a
	// removed file. p is a provider that holds it; other holds of p may end too. It
	// is no failure if by then nothing is held.
	Lose func(t testing.TB, p core.Provider, kind core.Kind, name string)

	// Process is what [Main] is given to open, in a second process, the backend
	// that Open reaches. It travels in the environment, so it must not be secret.
	Process string

	// Tokens says that handles carry fencing tokens.
	Tokens bool

	// Fair says that the waiters of several providers are served in order of
	// arrival. For those of one provider that is not optional.
	Fair bool

	// Lease is how long a hold may outlive a process that is killed. 0: the
	// backend frees it at once.
	Lease time.Duration

	// Renewed says that a hold ends after Lease unless its provider renews it.
	Renewed bool

	// Check is called at the end of each case, when its providers are closed, and
	// should fail t if the backend still has anything of them: a key, a
	// connection, a descriptor.
	Check func(t testing.TB)

	// Foreign tells, by its stack, a goroutine of the harness or of a client that
	// its providers share, which may outlive a case.
	Foreign func(stack string) bool

	// Patience is how long a case waits for what must happen. Only a failure
	// spends it. Default 10 s; Lease is added where it matters.
	Patience time.Duration

	// Pause is how long a case watches for what must not happen. Default 25 ms.
	Pause time.Duration

	// Parallel is how many parts of the suite run at a time, for a backend whose
	// cases mostly wait. Each part has a process of its own, because cases look at
	// what their process has left behind: the test binary, which is started again for
	// the test that calls Run, so that what this does before and after Run it does for
	// each part. Default 1: one part after the other, in this process. So it is
	// also if -run names cases.
	Parallel int

	tellsOfWaits *atomic.Bool // the observer has heard of one
}

// Run runs the whole suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("locktest: Harness.Open is nil; it is the one field that is required")
	}
	if h.Patience == 0 {
		h.Patience = 10 * time.Second
	}
	if h.Pause == 0 {
		h.Pause = 25 * time.Millisecond
	}
	h.tellsOfWaits = new(atomic.Bool)
	if inParts(t, h) {
		runParts(t, h.Parallel)
		return
	}
	for _, g := range groups() {
		if !wanted(g) {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			for _, r := range g.rules {
				t.Run(r.name, func(t *testing.T) { check(t, h, g.view, r) })
			}
		})
	}
}

// A group is a part of the suite: rules, and the view in which they are tested.
type group struct {
	name  string
	view  view
	rules []rule
}

// groups lists the suite: the rules of mutual exclusion for everything that can
// be seen as a mutex, and then those that concern one primitive.
func groups() []group {
	mutex := slices.Concat(exclusionRules, waitingRules, cancelRules, releaseRules,
		lossRules, fairnessRules, tokenRules, stressRules)
	var all []group
	for _, v := range views {
		all = append(all, group{v.name, v, mutex})
	}
	return append(all,
		group{"Readers", lockView, readerRules},
		group{"Permits", lockView, semaphoreRules},
		group{"Several", lockView, compositeRules},
		group{"Leases", lockView, leaseRules},
		group{"Names", lockView, nameRules},
		group{"Close", lockView, closeRules},
		group{"Observer", lockView, observerRules},
		group{"Inspector", lockView, inspectorRules},
		group{"Processes", lockView, processRules},
	)
}

// A rule of the contract, and the case that tests it.
type rule struct {
	name  string
	text  string // the rule
	needs []need
	test  func(t *trial)
}

// A need is something that not every backend, or not every view of it, offers.
type need struct {
	missing string // the reason for skipping a case
	met     func(h *Harness, v *view) bool
}

var (
	canLose = need{"Harness.Lose is nil: no hold can be made to be lost",
		func(h *Harness, _ *view) bool { return h.Lose != nil }}
	canStart = need{"Harness.Process is empty: no second process can reach the backend",
		func(h *Harness, _ *view) bool { return h.Process != "" }}
	hasTokens = need{"there are no fencing tokens here",
		func(h *Harness, v *view) bool { return h.Tokens && !v.several }}
	isFair = need{"Harness.Fair is false: no order among the waiters of several providers",
		func(h *Harness, _ *view) bool { return h.Fair }}
	isRenewed = need{"Harness.Renewed is false: holds have no leases",
		func(h *Harness, _ *view) bool { return h.Renewed && h.Lease > 0 }}
	isSingle = need{"several locks are not one object: what holds of one does not of all",
		func(_ *Harness, v *view) bool { return !v.several }}
)

func check(t *testing.T, h Harness, v view, r rule) {
	for _, n := range r.needs {
		if !n.met(&h, &v) {
			t.Skip(n.missing)
		}
	}
	tr := &trial{T: t, h: h, view: v, rule: r}
	tr.before = goroutines()
	defer tr.finish()
	r.test(tr)
}
