package locktest

import (
	"errors"
	"os"
	"slices"
	"time"

	"github.com/distlock/distlock-go/core"
)

var inspectorRules = []rule{
	{
		name: "inspect-tells-holders",
		text: "Inspect tells who holds an object, one status for each kind, and nothing about what is free.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			i := t.inspector(t.open())
			if all := t.inspect(i, name); len(all) != 0 {
				t.Errorf("of a name that nobody uses Inspect tells %+v", all)
			}
			held := []core.Handle{
				t.acquire(p.NewLock(name)), t.acquire(reader(p, name)), t.acquire(reader(p, name)),
				t.acquire(p.NewSemaphore(name, 3)),
			}
			want := map[core.Kind]int{core.KindLock: 1, core.KindRWLock: 2, core.KindSemaphore: 1}
			// Who a provider is may be told to the backend beside its first request.
			t.eventually("Inspect tells who the holders are", func() bool {
				return !slices.ContainsFunc(t.inspect(i, name), func(st core.Status) bool {
					return slices.ContainsFunc(st.Holders, func(h core.Holder) bool { return h.Owner == core.Owner{} })
				})
			})
			all := t.inspect(i, name)
			if len(all) != len(want) {
				t.Fatalf("of three objects Inspect tells %+v", all)
			}
			for _, st := range all {
				if st.Name != name || len(st.Holders) != want[st.Kind] {
					t.Errorf("of %d holders of the %s Inspect tells %+v", want[st.Kind], st.Kind, st)
				}
				for _, h := range st.Holders {
					t.plausible(h, st.Kind == core.KindRWLock, held)
				}
			}
			t.releaseAll(held)
			t.eventually("Inspect tells nothing about what was released", func() bool { return len(t.inspect(i, name)) == 0 })
		},
	},
	{
		name: "list-tells-what-is-in-use",
		text: "List tells every object in use whose name begins with the prefix, in order of name.",
		test: func(t *trial) {
			p := t.open()
			i := t.inspector(t.open())
			prefix := t.name()
			names := []string{prefix, prefix + " a", prefix + " b/c"}
			var held []core.Handle
			for _, n := range slices.Backward(names) {
				t.use(n)
				held = append(held, t.acquire(p.NewLock(n)))
			}
			held = append(held, t.acquire(p.NewLock(t.name())))
			var got []string
			all, err := i.List(t.Context(), prefix)
			for _, st := range all {
				got = append(got, st.Name)
			}
			if err != nil || !slices.Equal(got, names) {
				t.Errorf("List tells %q (error %v); in use are %q", got, err, names)
			}
			t.releaseAll(held)
		},
	},
	{
		name: "inspect-refuses-bad-names",
		text: "Inspect reports a name that no lock has, as ErrInvalid.",
		test: func(t *trial) {
			i := t.inspector(t.open())
			for _, name := range badNames() {
				all, err := i.Inspect(t.Context(), name)
				t.matches("Inspect", err, core.ErrInvalid)
				if len(all) > 0 {
					t.Errorf("of a name that no lock has Inspect tells %+v", all)
				}
			}
		},
	},
	{
		name: "break-refuses-bad-names-and-kinds",
		text: "Break reports a name that no lock has, and a kind that there is not, as ErrInvalid, and ends nothing.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			b, ok := t.open().(core.Breaker)
			if !ok {
				t.Skip("the provider is no core.Breaker")
			}
			held := t.oneOfEach(p, name)
			refused := func(kind core.Kind, name string) {
				n, err := b.Break(t.Context(), kind, name)
				t.matches("Break", err, core.ErrInvalid)
				if n != 0 {
					t.Errorf("Break of what cannot be returned %d", n)
				}
			}
			for _, bad := range badNames() {
				for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
					refused(kind, bad)
				}
			}
			for _, bad := range []core.Kind{"", "bogus", "Lock", "../lock"} {
				refused(bad, name)
			}
			for _, h := range held {
				t.held(h)
			}
			t.releaseAll(held)
		},
	},
	{
		name: "break-ends-holds",
		text: "Break ends every hold on one object and says how many; the holders learn of it, and whoever waits gets in.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			b, ok := t.open().(core.Breaker)
			if !ok {
				t.Skip("the provider is no core.Breaker")
			}
			h, other := t.acquire(p.NewLock(name)), t.acquire(p.NewLock(t.name()))
			w := t.wait(q.NewLock(name))
			n, err := b.Break(t.Context(), core.KindLock, name)
			if errors.Is(err, errors.ErrUnsupported) {
				t.release(h)
				t.release(w.granted())
				t.release(other)
				t.Skipf("there is no way to break a lock here: %v", err)
			}
			if n != 1 || err != nil {
				t.Fatalf("Break of one hold returned %d, %v", n, err)
			}
			next := w.granted()
			t.closed(h.Done(), "Done of a hold that was broken is closed")
			t.lost(h)
			t.held(next)
			_ = other.Release(t.Context()) // It may have shared a session with h.
			t.release(next)
			n, err = b.Break(t.Context(), core.KindLock, name)
			if n != 0 || err != nil {
				t.Fatalf("Break of a lock that is free returned %d, %v", n, err)
			}
		},
	},
}

// inspector returns p as one, or skips the case.
func (t *trial) inspector(p core.Provider) core.Inspector {
	t.Helper()
	i, ok := p.(core.Inspector)
	if !ok {
		t.Skip("the provider is no core.Inspector")
	}
	return i
}

func (t *trial) inspect(i core.Inspector, name string) []core.Status {
	t.Helper()
	ctx, cancel := t.patient()
	defer cancel()
	all, err := i.Inspect(ctx, name)
	if err != nil {
		t.Fatalf("Inspect failed: %v", err)
	}
	return all
}

// plausible checks what is told of a holder in this process.
func (t *trial) plausible(h core.Holder, shared bool, held []core.Handle) {
	t.Helper()
	if h.Owner.PID != os.Getpid() {
		t.Errorf("the holder is this process, with the id %d, and is told to be %v", os.Getpid(), h.Owner)
	}
	if h.Shared != shared {
		t.Errorf("Shared is told as %v", h.Shared)
	}
	if h.Token != 0 && !slices.ContainsFunc(held, func(hd core.Handle) bool { return hd.Token() == h.Token }) {
		t.Errorf("nobody holds the token %d that is told", h.Token)
	}
	if age := time.Since(h.Since); !h.Since.IsZero() && (age < -time.Minute || age > time.Minute) {
		t.Errorf("a hold that has just begun is told to be %v old", age)
	}
}
