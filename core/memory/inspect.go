package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Inspect returns the status of the objects of that name.
func (p *Provider) Inspect(ctx context.Context, name string) ([]core.Status, error) {
	if err := driver.CheckName(name); err != nil {
		return nil, &core.Error{Op: "inspect", Name: name, Err: err}
	}
	return p.list(ctx, func(o string) bool { return o == name })
}

// List returns the status of every object whose name begins with prefix.
func (p *Provider) List(ctx context.Context, prefix string) ([]core.Status, error) {
	return p.list(ctx, func(o string) bool { return strings.HasPrefix(o, prefix) })
}

func (p *Provider) list(ctx context.Context, match func(name string) bool) ([]core.Status, error) {
	if err := p.usable(ctx); err != nil {
		return nil, &core.Error{Op: "inspect", Err: err}
	}
	return p.server.status(match), nil
}

// Break ends every hold on the object; see [core.Breaker]. Holders without a
// lease learn of it before anyone else is let in; those with one, when their
// renewal is refused.
func (p *Provider) Break(ctx context.Context, kind core.Kind, name string) (int, error) {
	err := driver.CheckObject(kind, name)
	if err == nil {
		err = p.usable(ctx)
	}
	if err != nil {
		return 0, &core.Error{Op: "break", Name: name, Err: err}
	}
	return p.server.breakAll(key{kind, name}), nil
}

// usable reports why the provider cannot answer.
func (p *Provider) usable(ctx context.Context) error {
	if p.engine.Context().Err() != nil {
		return core.ErrClosed
	}
	return ctx.Err()
}

// breakAll ends the holds on an object, and returns how many it ended. Those who
// can be told are told first, so that nobody else is let in meanwhile.
func (s *Server) breakAll(k key) int {
	s.mu.Lock()
	var victims []*ticket
	var tell []func(error)
	if o := s.objects[k]; o != nil {
		victims = slices.Clone(o.holders)
	}
	for _, t := range victims {
		t.cause = errBroken
		if t.tell != nil {
			tell = append(tell, t.tell)
		}
	}
	s.mu.Unlock()

	for _, f := range tell {
		f(errBroken)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range victims {
		if t.state == holding {
			s.remove(t, lost)
		}
	}
	return len(victims)
}

// status returns what is known of the objects whose name matches, in order.
func (s *Server) status(match func(name string) bool) []core.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []core.Status
	for k, o := range s.objects {
		if !match(k.name) {
			continue
		}
		st := core.Status{Name: k.name, Kind: k.kind}
		for _, t := range o.holders {
			st.Holders = append(st.Holders, t.holder())
		}
		for _, t := range o.waiters {
			st.Waiters = append(st.Waiters, core.Waiter{Owner: t.owner, Shared: t.reads(), Since: t.since})
		}
		if k.kind == core.KindSemaphore {
			st.Limit = o.limit()
		}
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b core.Status) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	return all
}

// limit returns the largest limit in use.
func (o *object) limit() int {
	most := 0
	for _, t := range slices.Concat(o.holders, o.waiters) {
		most = max(most, t.admit)
	}
	return most
}

func (t *ticket) holder() core.Holder {
	return core.Holder{Owner: t.owner, Shared: t.reads(), Token: t.token, Since: t.since, Until: t.until}
}

func (t *ticket) reads() bool { return t.key.kind == core.KindRWLock && t.admit != exclusive }
