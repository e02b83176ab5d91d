package redis

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// mostTold bounds the holders, and the waiters, that one status tells.
const mostTold = 1000

// Inspect implements core.Inspector. Of more than 1000 holders or waiters of one
// object it tells the first.
func (p *Provider) Inspect(ctx context.Context, name string) ([]core.Status, error) {
	if err := driver.CheckName(name); err != nil {
		return nil, &core.Error{Op: "inspect", Name: name, Err: err}
	}
	var calls []*call
	var sides []*claimer
	for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
		c := p.sides(kind, name)[0]
		sides = append(sides, c)
		calls = append(calls, p.script(c.inspect, c.keys[:], mostTold))
	}
	all, err := p.inspect(ctx, sides, calls)
	if err != nil {
		return nil, &core.Error{Op: "inspect", Name: name, Err: err}
	}
	return all, nil
}

// List implements core.Inspector. It looks at every key of the database, a few
// at a time, so it is slow where there are many. Of a name that is too long to be
// part of a key, it tells only the beginning.
func (p *Provider) List(ctx context.Context, prefix string) ([]core.Status, error) {
	all, err := p.list(ctx, prefix)
	if err != nil {
		return nil, &core.Error{Op: "list", Name: prefix, Err: err}
	}
	return all, nil
}

func (p *Provider) list(ctx context.Context, prefix string) ([]core.Status, error) {
	states, err := p.scan(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var all []core.Status
	for part := range slices.Chunk(states, maxBatch) {
		var calls []*call
		var sides []*claimer
		for _, state := range part {
			kind, name, _ := p.parseState(state)
			c := p.sides(kind, name)[0]
			c.keys = keysOf(state)
			sides = append(sides, c)
			calls = append(calls, p.script(c.inspect, c.keys[:], mostTold))
		}
		some, err := p.inspect(ctx, sides, calls)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b core.Status) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return all, nil
}

// scan returns the states of the objects of that prefix that have one, or a queue.
func (p *Provider) scan(ctx context.Context, prefix string) ([]string, error) {
	pattern := p.opts.Prefix + ":{" + globEscape.Replace(escaper.Replace(prefix)) + "*"
	if p.opts.HashTag != nil {
		pattern = p.opts.Prefix + ":{*"
	}
	var mu sync.Mutex
	states := make(map[string]bool)
	scan := func(ctx context.Context, client *goredis.Client) error {
		for cursor := uint64(0); ; {
			keys, next, err := client.Scan(ctx, cursor, pattern, 1000).Result()
			if err != nil {
				return err
			}
			mu.Lock()
			for _, key := range keys {
				state, _ := strings.CutSuffix(key, ":q")
				if _, name, ok := p.parseState(state); ok && strings.HasPrefix(name, prefix) {
					states[state] = true
				}
			}
			mu.Unlock()
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	var err error
	if p.servers.cluster != nil {
		err = p.servers.cluster.ForEachMaster(ctx, scan)
	} else {
		err = scan(ctx, p.servers.only().client)
	}
	if err != nil && !over(ctx, err) {
		err = diagnose(err)
	}
	sorted := make([]string, 0, len(states))
	for s := range states {
		sorted = append(sorted, s)
	}
	slices.Sort(sorted)
	return sorted, err
}

var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// inspect sends calls of the inspect script and makes statuses of the answers.
func (p *Provider) inspect(ctx context.Context, sides []*claimer, calls []*call) ([]core.Status, error) {
	p.servers.send(calls...)
	var all []core.Status
	for i, c := range calls {
		if err := c.wait(ctx); err != nil {
			if over(ctx, err) {
				return nil, err
			}
			return nil, diagnose(err)
		}
		if st := sides[i].status(ctx, c.reply()); len(st.Holders)+len(st.Waiters) > 0 {
			all = append(all, st)
		}
	}
	return all, nil
}

// status makes a status of an answer: the server's time, the limit, the holders
// and the waiters.
func (c *claimer) status(ctx context.Context, r reply) core.Status {
	st := core.Status{Name: c.name, Kind: c.kind, Limit: int(r.number(1)), Holders: []core.Holder{}, Waiters: []core.Waiter{}}
	if c.kind != core.KindSemaphore {
		st.Limit = 0
	}
	for i := range r.list(2) {
		one := r.list(2).list(i)
		mode, token := "", one.text(0)
		if c.family == c.p.shared {
			mode, token, _ = strings.Cut(token, "|")
		}
		h := core.Holder{Shared: c.kind == core.KindRWLock && mode == "r"}
		if inst, _, ours := strings.Cut(token, "|"); ours {
			h.Owner = c.p.owners.find(ctx, inst)
			h.Token = uint64(one.number(1))
			h.Since = time.UnixMicro(one.number(1))
		}
		if left := one.number(2); left >= 0 {
			h.Until = time.UnixMilli(r.number(0) + left)
		}
		st.Holders = append(st.Holders, h)
	}
	waiters := r.list(3)
	for i := 0; i+1 < len(waiters); i += 2 {
		f := strings.Split(waiters.text(i), "|")
		st.Waiters = append(st.Waiters, core.Waiter{
			Owner:  c.p.owners.find(ctx, f[0]),
			Shared: c.kind == core.KindRWLock && field(f, 2) == "r",
			Since:  time.UnixMicro(waiters.number(i + 1)),
		})
	}
	return st
}

// Break implements core.Breaker. The provider of each holder is told at once, if
// it listens, and finds out by its next renewal otherwise.
func (p *Provider) Break(ctx context.Context, kind core.Kind, name string) (int, error) {
	if err := driver.CheckObject(kind, name); err != nil {
		return 0, &core.Error{Op: "break", Name: name, Err: err}
	}
	c := p.sides(kind, name)[0]
	for ended := 0; ; {
		call := p.script(c.sever, c.keys[:])
		if err := p.call(ctx, call); err != nil {
			if !over(ctx, err) {
				err = diagnose(err)
			}
			return ended, &core.Error{Op: "break", Name: name, Err: err}
		}
		ended += int(call.reply().number(0))
		if call.reply().number(1) == 0 {
			return ended, nil
		}
	}
}
