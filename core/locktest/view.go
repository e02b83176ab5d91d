package locktest

import (
	"context"

	"github.com/distlock/distlock-go/core"
)

// A view shows an object of some kind as a mutex, so that one set of rules tests
// every primitive.
type view struct {
	name    string
	kind    core.Kind
	several bool // a mutex that is made of two locks
	taken   int  // permits that somebody else holds throughout
	lock    func(p core.Provider, name string) core.Lock
}

var lockView = view{
	name: "Lock",
	kind: core.KindLock,
	lock: func(p core.Provider, name string) core.Lock { return p.NewLock(name) },
}

// semaphoreOf5 makes the semaphore of which 4 permits are taken.
func semaphoreOf5(p core.Provider, name string) core.Semaphore { return p.NewSemaphore(name, 5) }

// views are B22, C31 and D42.
var views = []view{
	lockView,
	{
		name: "Writer",
		kind: core.KindRWLock,
		lock: func(p core.Provider, name string) core.Lock { return core.Writer(p.NewRWLock(name)) },
	},
	{
		name: "Semaphore1",
		kind: core.KindSemaphore,
		lock: func(p core.Provider, name string) core.Lock { return p.NewSemaphore(name, 1) },
	},
	{
		name:  "Semaphore5",
		kind:  core.KindSemaphore,
		taken: 4,
		lock:  func(p core.Provider, name string) core.Lock { return semaphoreOf5(p, name) },
	},
	{
		name:    "AcquireAll",
		kind:    core.KindLock,
		several: true,
		lock: func(p core.Provider, name string) core.Lock {
			return pair{p.NewLock(name), p.NewLock(secondName(name))}
		},
	},
}

// A pair is two locks as one. The first one's name is the pair's.
type pair struct{ first, second core.Lock }

func secondName(name string) string { return name + ", second" }

func (p pair) Name() string { return p.first.Name() }

func (p pair) Acquire(ctx context.Context) (core.Handle, error) {
	return core.AcquireAll(ctx, p.second, p.first)
}

func (p pair) TryAcquire(ctx context.Context) (core.Handle, error) {
	return core.TryAcquireAll(ctx, p.second, p.first)
}
