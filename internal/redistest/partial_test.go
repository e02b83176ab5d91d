//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
)

// A connection may break within a reply. What was granted is then given
// back at once and not left to its lease, and no part of a reply passes for one.
func TestReplyBreaksWithin(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	o := lenient()
	o.Lease, o.ReleaseTimeout = time.Minute, 500*time.Millisecond
	p, c := open(t, through(t, server.URL(), proxy), o), admin(t, server)
	release(t, acquire(t, p.NewLock("warm")))
	free := func(name string) {
		t.Helper()
		eventually(t, name+" is free", 10*time.Second, func() bool { return holder(t, c, name) == "" })
	}
	for n, whole := 0, 0; whole < 2; n += 2 {
		if n > 100 {
			t.Fatal("100 bytes are no whole reply")
		}
		name := fmt.Sprint("a", n)
		proxy.CutAfter(faultproxy.Down, n)
		h, err := p.NewLock(name).TryAcquire(patient(t))
		proxy.CutAfter(faultproxy.Down, -1)
		if err != nil {
			if !errors.Is(err, core.ErrUnavailable) {
				t.Errorf("acquire, with %d bytes of the reply: %v", n, err)
			}
			free(name)
			continue
		}
		whole++
		if fence := c.Get(context.Background(), "distlock:{"+name+"}:f").Val(); fence != fmt.Sprint(h.Token()) {
			t.Errorf("with %d bytes of the reply the token is %d, and %s for the server", n, h.Token(), fence)
		}
		release(t, h)
	}
	for n, whole := 0, 0; whole < 2; n += 2 {
		if n > 100 {
			t.Fatal("100 bytes are no whole reply")
		}
		h := acquire(t, p.NewLock("b"))
		proxy.CutAfter(faultproxy.Down, n)
		err := h.Release(patient(t))
		proxy.CutAfter(faultproxy.Down, -1)
		if err == nil {
			whole++
		} else if !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("release, with %d bytes of the reply: %v", n, err)
		}
		free("b")
	}
}
