package driver

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/lease"
)

const term = 10 * time.Second // the lease of the fake backend

// trusted is for how much of a term the client believes in it.
const trusted = term - term/100 - 2*time.Millisecond

// A fake is a backend with leases and one object a name, whose requests can be
// delayed, refused and lost.
type fake struct {
	term    time.Duration // instead of the usual one, if not 0
	mu      sync.Mutex
	owners  map[string]*fakeClaim
	last    uint64
	renewed []renewal // calls of Renew
	freed   int       // calls of Release

	onClaim   func(ctx context.Context) error // before a claim; an error ends it
	onRenew   func(ctx context.Context, n int) error
	onRelease func(ctx context.Context) error
}

type renewal struct {
	at    time.Time
	batch int
}

type fakeClaim struct {
	fake  *fake
	name  string
	token uint64
	from  time.Time
	until time.Time // by the server's clock
	spare int       // tokens for local hand-over
	lost  func(error)
}

func (f *fake) lease() time.Duration { return cmp.Or(f.term, term) }

type fakeClaimer struct {
	*fake
	name string
}

func (c fakeClaimer) Claim(ctx context.Context) (Claim, error) {
	from := time.Now()
	if c.onClaim != nil {
		if err := c.onClaim(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.owners[c.name]; o != nil && time.Now().Before(o.until) {
		return nil, core.ErrNotAcquired
	}
	c.last += 10
	claim := &fakeClaim{fake: c.fake, name: c.name, token: c.last, from: from, until: time.Now().Add(c.lease()), spare: 5}
	if c.owners == nil {
		c.owners = map[string]*fakeClaim{}
	}
	c.owners[c.name] = claim
	return claim, nil
}

func (c *fakeClaim) Token() uint64                     { return c.token }
func (c *fakeClaim) Lease() (time.Time, time.Duration) { return c.from, c.fake.lease() }
func (c *fakeClaim) Watch(lost func(error))            { c.fake.mu.Lock(); c.lost = lost; c.fake.mu.Unlock() }

func (c *fakeClaim) Succeed() (Claim, bool) {
	c.fake.mu.Lock()
	defer c.fake.mu.Unlock()
	if c.spare == 0 {
		return nil, false
	}
	next := *c
	next.spare--
	next.token++
	c.fake.owners[c.name] = &next
	return &next, true
}

func (c *fakeClaim) Release(ctx context.Context) error {
	f := c.fake
	f.mu.Lock()
	f.freed++
	f.mu.Unlock()
	if f.onRelease != nil {
		if err := f.onRelease(ctx); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.owners[c.name] != c || !time.Now().Before(c.until) {
		return core.ErrLost
	}
	delete(f.owners, c.name)
	return nil
}

func (f *fake) Renew(ctx context.Context, claims []Claim) []error {
	f.mu.Lock()
	f.renewed = append(f.renewed, renewal{time.Now(), len(claims)})
	n := len(f.renewed)
	f.mu.Unlock()
	var fail error
	if f.onRenew != nil {
		fail = f.onRenew(ctx, n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := make([]error, len(claims))
	for i, claim := range claims {
		c := claim.(*fakeClaim)
		switch {
		case fail != nil:
			errs[i] = fail
		case f.owners[c.name] != c || !time.Now().Before(c.until):
			errs[i] = core.ErrLost
		default:
			c.until = time.Now().Add(f.lease())
		}
	}
	return errs
}

// held reports whether the server has an owner for the name.
func (f *fake) held(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.owners[name]
	return o != nil && time.Now().Before(o.until)
}

func (f *fake) lock(e *Engine, name string) core.Lock { return e.NewLock(name, fakeClaimer{f, name}) }

// renewals returns when Renew was called, as times since start.
func (f *fake) renewals(start time.Time) (at []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.renewed {
		at = append(at, r.at.Sub(start))
	}
	return at
}

// engine returns one over f that the test closes.
func (f *fake) engine(t *testing.T, change func(*Config)) *Engine {
	t.Helper()
	return f.engineAt(t, lease.System(), change)
}

func (f *fake) engineAt(t *testing.T, clock lease.Clock, change func(*Config)) *Engine {
	t.Helper()
	cfg := Config{Backend: "fake", Lease: term, Renewer: f}
	if change != nil {
		change(&cfg)
	}
	e, err := newEngine(cfg, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func acquire(t *testing.T, l core.Lock) core.Handle {
	t.Helper()
	h, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	return h
}

// lostAfter waits for the loss and returns when it came.
func lostAfter(t *testing.T, h core.Handle, start time.Time) time.Duration {
	t.Helper()
	select {
	case <-h.Done():
	case <-time.After(1000 * term):
		t.Fatal("the hold was never lost")
	}
	if err := h.Err(); !errors.Is(err, core.ErrLost) {
		t.Fatalf("Err is %v, want one that matches ErrLost", err)
	}
	return time.Since(start)
}

var errDown = errors.New("connection refused")
