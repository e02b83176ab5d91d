package locktest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

// racy looks whether a lock is free, and takes it a moment later.
func racy(p core.Provider) core.Provider {
	return locks(func(p core.Provider, o object) core.Lock {
		if o.shared {
			return o.Lock
		}
		try := func(ctx context.Context) (core.Handle, error) {
			// What guards the name is looked at, and what is taken is another one:
			// a hold that nobody but the look knows of.
			look, err := o.TryAcquire(ctx)
			if err != nil {
				return nil, err
			}
			_ = look.Release(ctx)
			time.Sleep(100 * time.Microsecond)
			if h, err := o.TryAcquire(ctx); err == nil {
				return h, nil
			}
			h, err := p.NewLock(fmt.Sprint(o.Name(), look.Token())).TryAcquire(ctx)
			return namedHandle{h, o.Name()}, err
		}
		return faultyLock{Lock: o.Lock, try: try, acquire: func(ctx context.Context) (core.Handle, error) {
			return poll(ctx, try)
		}}
	})(p)
}

// poll tries until it succeeds.
func poll(ctx context.Context, try func(context.Context) (core.Handle, error)) (core.Handle, error) {
	for {
		h, err := try(ctx)
		if !errors.Is(err, core.ErrNotAcquired) {
			return h, err
		}
		select {
		case <-time.After(100 * time.Microsecond):
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

// lastInFirstOut serves the waiter that came last.
func lastInFirstOut(p core.Provider) core.Provider {
	return locks(func(_ core.Provider, o object) core.Lock {
		return faultyLock{Lock: o.Lock, acquire: func(ctx context.Context) (core.Handle, error) {
			mine := stacks.push(o)
			defer stacks.remove(o, mine)
			return poll(ctx, func(ctx context.Context) (core.Handle, error) {
				if !stacks.top(o, mine) {
					return nil, &core.Error{Op: "acquire", Name: o.Name(), Err: core.ErrNotAcquired}
				}
				return o.TryAcquire(ctx)
			})
		}}
	})(p)
}

// stacks are the waiters of all providers, by kind and name.
var stacks waiterStacks

type waiterStacks struct {
	mu sync.Mutex
	of map[string][]*int
}

func (s *waiterStacks) push(o object) *int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[string][]*int)
	}
	mine := new(int)
	s.of[string(o.kind)+o.Name()] = append(s.of[string(o.kind)+o.Name()], mine)
	return mine
}

func (s *waiterStacks) top(o object, mine *int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	stack := s.of[string(o.kind)+o.Name()]
	return stack[len(stack)-1] == mine
}

func (s *waiterStacks) remove(o object, mine *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []*int
	for _, w := range s.of[string(o.kind)+o.Name()] {
		if w != mine {
			kept = append(kept, w)
		}
	}
	s.of[string(o.kind)+o.Name()] = kept
}

// missedWakeUp makes a waiter look whether the lock is free, and begin to listen
// for its release a moment later: a release in between is not heard.
func missedWakeUp(p core.Provider) core.Provider {
	return locks(func(_ core.Provider, o object) core.Lock {
		l := faultyLock{Lock: o.Lock}
		l.acquire = func(ctx context.Context) (core.Handle, error) {
			for {
				h, err := o.TryAcquire(ctx)
				if !errors.Is(err, core.ErrNotAcquired) {
					return h, err
				}
				time.Sleep(500 * time.Microsecond)
				select {
				case <-bells.listen(o.Name()):
				case <-ctx.Done():
					return nil, errors.Join(err, ctx.Err())
				}
			}
		}
		l.handle = func(h core.Handle) core.Handle {
			return &faultyHandle{Handle: h, release: func(ctx context.Context) error {
				defer bells.ring(o.Name())
				return h.Release(ctx)
			}}
		}
		return l
	})(p)
}

// bells tell of releases, by name.
var bells bellTower

type bellTower struct {
	mu sync.Mutex
	of map[string]chan struct{}
}

func (b *bellTower) listen(name string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = make(map[string]chan struct{})
	}
	if b.of[name] == nil {
		b.of[name] = make(chan struct{})
	}
	return b.of[name]
}

func (b *bellTower) ring(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.of[name]; c != nil {
		close(c)
		delete(b.of, name)
	}
}

// ghostly makes a lock whose waiters go on waiting when they have been
// cancelled, and hold what they get.
func ghostly(l core.Lock) core.Lock {
	type result struct {
		h   core.Handle
		err error
	}
	return faultyLock{Lock: l, acquire: func(ctx context.Context) (core.Handle, error) {
		if ctx.Err() != nil {
			return l.Acquire(ctx)
		}
		got := make(chan result, 1)
		go func() {
			h, err := l.Acquire(context.WithoutCancel(ctx))
			got <- result{h, err}
		}()
		select {
		case r := <-got:
			return r.h, r.err
		case <-ctx.Done():
			kept.Store(got, true) // What arrives is held for good.
			return nil, &core.Error{Op: "acquire", Name: l.Name(), Err: errors.Join(core.ErrNotAcquired, ctx.Err())}
		}
	}}
}

// readersJoin lets a reader in whenever another one is, as a lock does that only
// counts readers.
func readersJoin(p core.Provider) core.Provider {
	return locks(func(_ core.Provider, o object) core.Lock {
		if !o.shared {
			return o.Lock
		}
		join := func(sound func(context.Context) (core.Handle, error)) func(context.Context) (core.Handle, error) {
			return func(ctx context.Context) (core.Handle, error) {
				if h := crowds.join(o.Name()); h != nil {
					return h, nil
				}
				h, err := sound(ctx)
				if err != nil {
					return nil, err
				}
				return crowds.lead(o.Name(), h), nil
			}
		}
		return faultyLock{Lock: o.Lock, acquire: join(o.Acquire), try: join(o.TryAcquire)}
	})(p)
}

// crowds are the readers that are inside, by name.
var crowds crowdControl

type crowdControl struct {
	mu sync.Mutex
	of map[string]*crowd
}

type crowd struct {
	h core.Handle
	n int
}

func (c *crowdControl) join(name string) core.Handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	if in := c.of[name]; in != nil && in.n > 0 {
		in.n++
		return c.member(in)
	}
	return nil
}

func (c *crowdControl) lead(name string, h core.Handle) core.Handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = make(map[string]*crowd)
	}
	c.of[name] = &crowd{h: h, n: 1}
	return c.member(c.of[name])
}

func (c *crowdControl) member(in *crowd) core.Handle {
	var once sync.Once
	return &faultyHandle{Handle: in.h, release: func(ctx context.Context) (err error) {
		once.Do(func() {
			c.mu.Lock()
			in.n--
			last := in.n == 0
			c.mu.Unlock()
			if last {
				err = in.h.Release(ctx)
			}
		})
		return err
	}}
}

// An inspected provider can be asked what is held, unlike one that is faulty.
type inspected struct {
	core.Provider
	core.Inspector
}

// leavesAHold takes a permit of some semaphore with every lock, and never gives
// it back.
func leavesAHold(p core.Provider) core.Provider {
	f := locks(func(p core.Provider, o object) core.Lock {
		return faultyLock{Lock: o.Lock, handle: func(h core.Handle) core.Handle {
			left, err := p.NewSemaphore(o.Name(), 1000).TryAcquire(context.Background())
			if err == nil {
				kept.Store(left, true)
			}
			return h
		}}
	})(p)
	return inspected{f, p.(core.Inspector)}
}
