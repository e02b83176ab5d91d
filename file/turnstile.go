package file

import (
	"context"
	"errors"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A turnstile is how processes wait for an object without passing each other. The
// kernel does not help: it has no order between those who try and those who try
// again, and readers that overlap would keep a writer out for ever.
//
// Whoever finds the object held takes a second lock, the gate, and keeps it until
// it has the object. Everybody else who waits, waits for the gate. Whoever has the
// gate sets the flag atGated in the object's main file, and a newcomer who finds
// it set does not even try. So nobody who comes later is served before the one at
// the gate; among those who wait for the gate the order is that in which they
// happen to try.
//
// Between two who have the gate the flag is not set. Whoever comes just then gets in
// if the object is free for it, before those who stand before the gate have looked:
// so do readers behind a reader that was at the gate, though a writer stands before it.
// They pass that writer until it has tried again and set the flag, which takes as long
// as to be told of the unlock or, where waiters poll, up to Options.PollInterval; after
// that none does.
//
// The flag only saves newcomers the look at the gate. If the one who set it has
// died the gate is free; the newcomer who finds that clears the flag.
type turnstile struct {
	p *Provider
	object
	shared bool // for a reader
}

// A taker makes one attempt at an object.
type taker interface {
	driver.Claimer

	// take makes one attempt. s, unless nil, is to be woken when another one is
	// worth making.
	take(ctx context.Context, as standing, s *sleeper) (driver.Claim, error)
}

// A standing is how one who makes an attempt stands to those who wait.
type standing uint8

const (
	newcomer standing = iota // gives way to whoever is at the gate
	queuing                  // waits for the gate, and need not look who has it
	first                    // has the gate
)

// approach lets nobody pass the one at the gate.
func (t *turnstile) approach(main *lockfile, as standing) error {
	if as == first || !main.gated() {
		return nil
	}
	if as == newcomer {
		g, err := t.enter(nil)
		if err == nil {
			main.setGated(false)
			g.unbar()
			return nil
		}
		if !errors.Is(err, core.ErrNotAcquired) {
			return err
		}
	}
	return errNext
}

// wait waits for the object: for the gate first, then for the object itself. busy is
// told when it has a place: it stands before the gate, or has it and has set the
// flag. In the second case whoever comes after that is told does not pass it; in the
// first, see [turnstile].
func (t *turnstile) wait(ctx context.Context, c taker, busy func(error)) (driver.Claim, error) {
	got, err := c.take(ctx, newcomer, nil)
	if !errors.Is(err, core.ErrNotAcquired) {
		return got, err
	}
	told := false
	stands := func(err error) {
		if !told {
			told = true
			busy(err)
		}
	}
	s := newSleeper(t.p, c)
	got, err = t.p.engine.Retry(ctx, s, stands, func(ctx context.Context) (driver.Claim, error) {
		got, err := c.take(ctx, queuing, nil)
		if !errors.Is(err, core.ErrNotAcquired) {
			return got, err
		}
		g, gerr := t.enter(s)
		if gerr == nil {
			return g, nil
		}
		if !errors.Is(gerr, core.ErrNotAcquired) {
			return nil, gerr
		}
		return nil, err // It says who holds the object, not who has the gate.
	})
	g, ok := got.(*gate)
	if err != nil || !ok {
		return got, err
	}
	defer t.leave(g)
	s = newSleeper(t.p, c)
	return t.p.engine.Retry(ctx, s, stands, func(ctx context.Context) (driver.Claim, error) {
		return c.take(ctx, first, s)
	})
}

// enter takes the gate. s, unless nil, is to be woken when it becomes free.
func (t *turnstile) enter(s *sleeper) (*gate, error) {
	title := ""
	if t.gate == t.main {
		title = t.name
	}
	for range attempts {
		lf, err := t.p.files.get(t.gate, title)
		if err != nil {
			return nil, err
		}
		g := &gate{claim{lf: lf, shared: t.shared, entry: unlisted, since: time.Now()}}
		err = g.bar(s != nil)
		if s != nil && errors.Is(err, core.ErrNotAcquired) {
			s.follow(lf, false) // And again: an unlock between the two must not be missed.
			err = g.bar(true)
		}
		if err == nil {
			return g, nil
		}
		if errors.Is(err, errReplaced) {
			lf.verify()
		}
		t.p.files.put(lf)
		if !errors.Is(err, errReplaced) {
			return nil, err
		}
	}
	return nil, errChurn
}

// leave gives up the place at the gate, the flag first: after the gate it would
// be that of the next one.
func (t *turnstile) leave(g *gate) {
	if main, err := t.p.files.get(t.main, t.name); err == nil {
		main.setGated(false)
		t.p.files.put(main)
	}
	g.unbar()
}

// A gate is the gate as the one who has it sees it. It implements driver.Claim
// for the wait loop only.
type gate struct{ claim }

// Release implements driver.Claim.
func (g *gate) Release(context.Context) error {
	g.unbar()
	return nil
}

// bar locks the gate. Whoever waits there is entered, for Inspect.
func (g *gate) bar(waits bool) error {
	lf := g.lf
	lf.mu.Lock()
	defer lf.mu.Unlock()
	if err := lf.lock(false); err != nil {
		return err
	}
	if err := lf.standsAt(g.since); err != nil {
		lf.unlock()
		return err
	}
	if waits {
		g.entry = 0
		_ = lf.page.Do(func() { writeEntry(lf.page, 0, lf.p.owner, &g.claim) })
	}
	return nil
}

// unbar unlocks the gate and lets the next one in.
func (g *gate) unbar() {
	lf := g.lf
	lf.mu.Lock()
	lf.leave(&g.claim)
	lf.unlock()
	over := lf.gone != nil
	lf.mu.Unlock()
	if over {
		lf.end()
	}
	lf.p.files.put(lf)
}
