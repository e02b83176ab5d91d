//go:build unix

package redlocktest

import (
	"bytes"
	"strconv"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
)

// TestTokensOverChangingMajorities has one hold after the other on two of three
// servers, another two each time, by processes that know nothing of the holds
// before. The first of them stores a token far ahead of all clocks, so only the
// registers make the next ones greater: each majority has met the one before.
func TestTokensOverChangingMajorities(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	key := w.opts.Prefix + ":{a}:f"
	last := uint64(time.Now().Add(time.Hour).UnixMicro())
	for i := range 2 {
		c := w.RedisNodes[i].Client()
		check(t, c.Set(t.Context(), key, strconv.FormatUint(last, 10), time.Hour).Err())
		_ = c.Close()
	}
	for away := range 6 {
		p := w.open(t)
		w.wires[away%3].Refuse(true)
		w.wires[away%3].Cut()
		h := must[core.Handle](t)(acquireSoon(t, p.NewLock("a")))
		if h.Token() <= last {
			t.Errorf("without server %d: token %d after %d", away%3, h.Token(), last)
		}
		last = h.Token()
		check(t, h.Release(t.Context()))
		check(t, p.Close())
		w.wires[away%3].Heal()
	}
}

// TestLateRequestsAreRefused keeps a request for a vote back for longer than its
// caller waits. A server that gets it then gives no vote.
func TestLateRequestsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	w.opts.Timeout = lease / 4
	p := w.open(t)
	check(t, must[core.Handle](t)(p.NewLock("warm").Acquire(t.Context())).Release(t.Context()))
	key := []byte(w.opts.Prefix + ":{a}")
	late, delivered := make(chan struct{}), make(chan struct{})
	kept := make(chan struct{}, 1)
	w.wires[1].SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction != faultproxy.Up || !bytes.Contains(e.Data, key) {
			return faultproxy.Forward
		}
		select {
		case kept <- struct{}{}: // The first one: the token is used up then.
			<-late
			defer close(delivered)
		default:
		}
		return faultproxy.Forward
	})
	h := must[core.Handle](t)(acquireSoon(t, p.NewLock("a")))
	check(t, h.Release(t.Context()))
	time.Sleep(w.opts.Timeout + 100*time.Millisecond)
	close(late)
	<-delivered
	for end := time.Now().Add(w.opts.Timeout); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if w.holds(t, 1, "a") {
			t.Fatal("a server has voted on a request that was too late")
		}
	}
}
