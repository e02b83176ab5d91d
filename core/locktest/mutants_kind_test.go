package locktest_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

// kindMutants err about one primitive, about names, or about Close.
var kindMutants = []mutant{
	{
		name:   "reader-passes-a-waiting-writer",
		open:   readersJoin,
		caught: []string{"Readers/waiting-writer-stops-later-readers", "Readers/waiting-writer-stops-readers-of-other-providers", "Readers/writer-gets-in-among-overlapping-readers"},
	},
	{
		name: "readers-exclude-each-other",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, object: func(p core.Provider, o object) core.Lock {
				if o.shared {
					return core.Writer(p.NewRWLock(o.Name()))
				}
				return o.Lock
			}}
		},
		caught: []string{"Readers/readers-share", "Readers/readers-behind-a-writer-enter-together"},
	},
	{
		name: "writer-ignores-readers",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, object: func(p core.Provider, o object) core.Lock {
				if o.kind == core.KindRWLock && !o.shared {
					return p.NewLock(o.Name())
				}
				return o.Lock
			}}
		},
		caught: []string{"Readers/readers-and-writer-exclude-each-other", "Readers/writer-waits-for-the-last-reader", "Readers/no-upgrade", "Readers/readers-and-writers-under-stress"},
	},
	{
		name: "one-permit-too-many",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, limit: func(n int) int { return n + 1 }}
		},
		caught: []string{"Semaphore1/excludes", "Semaphore5/excludes", "Permits/admits-up-to-the-limit", "Permits/every-permit-is-used", "Permits/limit-must-be-positive", "Permits/huge-limit"},
	},
	{
		name: "one-permit-too-few",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, limit: func(n int) int { return max(n-1, min(n, 1)) }}
		},
		caught: []string{"Permits/admits-up-to-the-limit", "Permits/every-permit-is-used", "Semaphore5/free-after-release"},
	},
	{
		name:   "names-ignore-case",
		open:   func(p core.Provider) core.Provider { return &faulty{Provider: p, name: strings.ToLower} },
		caught: []string{"Names/names-that-differ-are-different"},
	},
	{
		name:   "names-are-trimmed",
		open:   func(p core.Provider) core.Provider { return &faulty{Provider: p, name: strings.TrimSpace} },
		caught: []string{"Names/names-that-differ-are-different"},
	},
	{
		name: "names-are-cut-off",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, name: func(s string) string { return strings.ToValidUTF8(s[:min(len(s), 255)], "") }}
		},
		caught: []string{"Names/names-that-differ-are-different", "Names/bad-names-are-refused"},
	},
	{
		name: "names-are-paths",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, name: func(s string) string { return strings.TrimRight(s, "/") }}
		},
		caught: []string{"Names/names-that-differ-are-different"},
	},
	{
		name: "empty-name-is-a-name",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, name: func(s string) string {
				if s == "" {
					return "default"
				}
				return s
			}}
		},
		caught: []string{"Names/bad-names-are-refused"},
	},
	{
		name: "kinds-are-one",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, object: func(p core.Provider, o object) core.Lock {
				if o.kind == core.KindRWLock && o.shared {
					return o.Lock
				}
				return p.NewLock(o.Name())
			}}
		},
		caught: []string{"Names/kinds-are-different"},
	},
	{
		name:   "what-cannot-be-is-free",
		open:   func(p core.Provider) core.Provider { return lenient{p.(*memory.Provider)} },
		caught: []string{"Inspector/inspect-refuses-bad-names", "Inspector/break-refuses-bad-names-and-kinds"},
	},
	{
		name:   "close-does-nothing",
		open:   func(p core.Provider) core.Provider { return &faulty{Provider: p, close: func() error { return nil }} },
		caught: []string{"Close/close-ends-waiters", "Close/close-ends-holds", "Close/close-frees-what-it-held", "Close/nothing-after-close", "Close/close-amid-traffic", "Lock/tokens-grow-over-providers"},
	},
	{
		name: "close-fails-the-second-time",
		open: func(p core.Provider) core.Provider {
			var closed atomic.Bool
			return &faulty{Provider: p, close: func() error {
				if closed.Swap(true) {
					return core.ErrClosed
				}
				return p.Close()
			}}
		},
		caught: []string{"Close/close-again"},
	},
	{
		name: "close-leaves-a-goroutine",
		open: func(p core.Provider) core.Provider {
			go func() { select {} }()
			return p
		},
		caught: []string{"Lock/free-after-release", "Close/close-again"},
	},
	{
		name: "close-hangs",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, close: func() error { select {} }}
		},
		caught: []string{"Close/close-again", "Lock/free-after-release"},
	},
	{
		name:   "a-hold-is-left-behind",
		open:   leavesAHold,
		caught: []string{"Lock/free-after-release", "Lock/excludes"},
	},
}

// A lenient provider takes what cannot be for what nobody holds.
type lenient struct{ *memory.Provider }

func (l lenient) Inspect(ctx context.Context, name string) ([]core.Status, error) {
	all, err := l.Provider.Inspect(ctx, name)
	return all, unlessInvalid(err)
}

func (l lenient) Break(ctx context.Context, kind core.Kind, name string) (int, error) {
	n, err := l.Provider.Break(ctx, kind, name)
	return n, unlessInvalid(err)
}

func unlessInvalid(err error) error {
	if errors.Is(err, core.ErrInvalid) {
		return nil
	}
	return err
}
