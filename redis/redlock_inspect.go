package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Inspect implements core.Inspector. It tells the holders that have a majority of
// the votes, and everybody who waits anywhere.
func (l *RedLock) Inspect(ctx context.Context, name string) ([]core.Status, error) {
	if err := driver.CheckName(name); err != nil {
		return nil, &core.Error{Op: "inspect", Name: name, Err: err}
	}
	all, err := l.inspect(ctx, []string{name})
	if err != nil {
		return nil, &core.Error{Op: "inspect", Name: name, Err: err}
	}
	return all, nil
}

// List implements core.Inspector. It looks at every key of every server.
func (l *RedLock) List(ctx context.Context, prefix string) ([]core.Status, error) {
	var mu sync.Mutex
	found := make(map[string]bool)
	err := l.each(ctx, func(ctx context.Context, x *peer) error {
		states, err := x.p.scan(ctx, prefix)
		mu.Lock()
		defer mu.Unlock()
		for _, state := range states {
			_, name, _ := x.p.parseState(state)
			found[name] = true
		}
		return err
	})
	var all []core.Status
	if err == nil {
		names := make([]string, 0, len(found))
		for name := range found {
			names = append(names, name)
		}
		all, err = l.inspect(ctx, names)
	}
	if err != nil {
		return nil, &core.Error{Op: "list", Name: prefix, Err: err}
	}
	slices.SortFunc(all, func(a, b core.Status) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return all, nil
}

// each calls f for every server at the same time, and returns an error if too few
// of them did without one. It waits for no server that is down.
func (l *RedLock) each(ctx context.Context, f func(context.Context, *peer) error) error {
	within, cancel := context.WithTimeout(ctx, l.opts.Timeout)
	defer cancel()
	errs := make([]error, len(l.peers))
	var calls sync.WaitGroup
	ok := 0
	var mu sync.Mutex
	for i, x := range l.peers {
		calls.Go(func() {
			if !x.up() {
				errs[i] = fmt.Errorf("%s: %w", x.addr, x.lastTrouble())
				return
			}
			if err := f(within, x); err != nil {
				errs[i] = fmt.Errorf("%s: %w", x.addr, diagnose(err))
				return
			}
			mu.Lock()
			ok++
			mu.Unlock()
		})
	}
	calls.Wait()
	if ok >= l.quorum {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &TroubleError{NoMajority, "", errors.Join(errs...)}
}

// A sight is what the servers have said of one object.
type sight struct {
	kind    core.Kind
	name    string
	limit   int64
	holders map[string]*seen
	waiters map[string]*seen
}

// A seen is one acquire, by the votes for it.
type seen struct {
	inst   string
	shared bool
	votes  int
	fences []uint64 // that the servers have stored for it
	until  []time.Time
	ticket int64
}

func (l *RedLock) inspect(ctx context.Context, names []string) ([]core.Status, error) {
	var mu sync.Mutex
	sights := make(map[string]*sight)
	err := l.each(ctx, func(ctx context.Context, x *peer) error {
		var sides []*claimer
		var calls []*call
		for _, name := range names {
			for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
				c := x.p.sides(kind, name)[0]
				sides = append(sides, c)
				calls = append(calls, x.p.script(c.inspect, c.keys[:], mostTold))
			}
		}
		x.p.servers.send(calls...)
		for i, c := range calls {
			if err := c.wait(ctx); err != nil {
				return err
			}
			mu.Lock()
			key := string(sides[i].kind) + " " + sides[i].name
			s := sights[key]
			if s == nil {
				s = &sight{kind: sides[i].kind, name: sides[i].name, holders: make(map[string]*seen), waiters: make(map[string]*seen)}
				sights[key] = s
			}
			s.see(sides[i], c.reply())
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []core.Status
	for _, name := range names {
		for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
			if st := l.status(ctx, sights[string(kind)+" "+name]); len(st.Holders)+len(st.Waiters) > 0 {
				all = append(all, st)
			}
		}
	}
	return all, nil
}

// see takes in the answer of one server.
func (s *sight) see(c *claimer, r reply) {
	s.limit = max(s.limit, r.number(1))
	for i := range r.list(2) {
		one := r.list(2).list(i)
		mode, token := "", one.text(0)
		if c.family != c.p.lock {
			mode, token, _ = strings.Cut(token, "|")
		}
		h := of(s.holders, token)
		h.votes++
		h.shared = s.kind == core.KindRWLock && mode == "r"
		h.fences = append(h.fences, uint64(one.number(1)))
		if left := one.number(2); left >= 0 {
			h.until = append(h.until, time.UnixMilli(r.number(0)+left))
		}
	}
	waiters := r.list(3)
	for i := 0; i+1 < len(waiters); i += 2 {
		f := strings.Split(waiters.text(i), "|")
		w := of(s.waiters, field(f, 0)+"|"+field(f, 1))
		w.shared = s.kind == core.KindRWLock && field(f, 2) == "r"
		if ticket := waiters.number(i + 1); w.ticket == 0 || ticket < w.ticket {
			w.ticket = ticket
		}
	}
}

// acquireOf returns what the tokens of one acquire have in common.
func acquireOf(token string) string {
	inst, seq, ours := strings.Cut(token, "|")
	if n, err := strconv.ParseUint(seq, 36, 64); ours && err == nil {
		return inst + "|" + strconv.FormatUint(n>>seriesBits, 36)
	}
	return token
}

// token returns the fencing token: the one that a majority has stored for the hold. A
// vote that joined later may have drawn a greater one, which nobody uses. If none has
// a majority the hold is about to get one, which is no smaller than any of these.
func (h *seen) token(quorum int) uint64 {
	votes := make(map[uint64]int)
	for _, f := range h.fences {
		if votes[f]++; votes[f] >= quorum {
			return f
		}
	}
	return slices.Max(h.fences)
}

// of finds the acquire that a token belongs to.
func of(all map[string]*seen, token string) *seen {
	inst, _, ours := strings.Cut(token, "|")
	key := acquireOf(token)
	if all[key] == nil {
		all[key] = &seen{inst: inst}
		if !ours {
			all[key].inst = ""
		}
	}
	return all[key]
}

func (l *RedLock) status(ctx context.Context, s *sight) core.Status {
	if s == nil {
		return core.Status{}
	}
	st := core.Status{Name: s.name, Kind: s.kind, Holders: []core.Holder{}, Waiters: []core.Waiter{}}
	if s.kind == core.KindSemaphore {
		st.Limit = int(s.limit)
	}
	for _, h := range s.holders {
		if h.votes < l.quorum {
			continue
		}
		token := h.token(l.quorum)
		one := core.Holder{Owner: l.owner(ctx, h.inst), Shared: h.shared, Token: token, Since: time.UnixMicro(int64(token))}
		if len(h.until) >= l.quorum {
			slices.SortFunc(h.until, func(a, b time.Time) int { return b.Compare(a) })
			one.Until = h.until[l.quorum-1]
		}
		st.Holders = append(st.Holders, one)
	}
	slices.SortFunc(st.Holders, func(a, b core.Holder) int { return cmp.Compare(a.Token, b.Token) })
	var waiters []*seen
	for _, w := range s.waiters {
		waiters = append(waiters, w)
	}
	slices.SortFunc(waiters, func(a, b *seen) int { return cmp.Compare(a.ticket, b.ticket) })
	for _, w := range waiters {
		st.Waiters = append(st.Waiters, core.Waiter{Owner: l.owner(ctx, w.inst), Shared: w.shared, Since: time.UnixMicro(w.ticket)})
	}
	return st
}

// owner asks the servers that are up until one knows.
func (l *RedLock) owner(ctx context.Context, inst string) core.Owner {
	if inst == "" {
		return core.Owner{}
	}
	if inst == l.inst {
		return *l.opts.Owner
	}
	for _, x := range l.peers {
		if x.up() {
			if owner := x.p.owners.find(ctx, inst); owner != (core.Owner{}) {
				return owner
			}
		}
	}
	return core.Owner{}
}

// Break implements core.Breaker. It ends every vote on every server that is up. The
// number is that of the holds: of votes that were found on a majority.
func (l *RedLock) Break(ctx context.Context, kind core.Kind, name string) (int, error) {
	if err := driver.CheckObject(kind, name); err != nil {
		return 0, &core.Error{Op: "break", Name: name, Err: err}
	}
	var mu sync.Mutex
	counts := make([]int, 0, len(l.peers))
	err := l.each(ctx, func(ctx context.Context, x *peer) error {
		n, err := x.p.Break(ctx, kind, name)
		mu.Lock()
		counts = append(counts, n)
		mu.Unlock()
		if e, ok := errors.AsType[*core.Error](err); ok {
			return e.Err
		}
		return err
	})
	holds := 0
	if slices.Sort(counts); len(counts) >= l.quorum {
		holds = counts[len(counts)-l.quorum]
	}
	if err != nil {
		return holds, &core.Error{Op: "break", Name: name, Err: err}
	}
	return holds, nil
}
