//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// A server that talks nonsense is one that cannot be used: no provider comes of
// it, no panic, and no wait beyond the context.
func TestNonsenseIsNoServer(t *testing.T) {
	ok := []byte{'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I'} // signed in; ready
	for name, say := range map[string]func(net.Conn){
		"noise": func(c net.Conn) {
			b := make([]byte, 256)
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			_, _ = c.Write(b)
		},
		"a message that never ends": func(c net.Conn) { _, _ = c.Write([]byte{'R', 0x3f, 0xff, 0xff, 0xff, 0}) },
		"drop by drop": func(c net.Conn) {
			for range 100 {
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		},
		"ready to everything": func(c net.Conn) { _, _ = c.Write(ok) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			p, err := postgres.Open(ctx, "postgres://u@"+faultproxy.Impostor(t, say)+"/db?sslmode=disable", nil)
			if err == nil {
				_ = p.Close()
				t.Fatal("it is taken for a server")
			}
			if !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v, and the context had 1s", took)
			}
		})
	}
}

// A connection may break within an answer. Nothing is held then, by anybody.
func TestAnswerBreaksWithin(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	p := open(t, through(t, pg.URL(), proxy), nil)
	c := connect(t, pg.URL())
	h := acquire(t, p.NewLock("a"))
	last := h.Token()
	release(t, h)
	for n, whole := 0, 0; whole < 2; n += 4 {
		if n > 500 {
			t.Fatal("500 bytes are no whole answer")
		}
		proxy.CutAfter(faultproxy.Down, n)
		h, err := p.NewLock("a").TryAcquire(context.Background())
		proxy.CutAfter(faultproxy.Down, -1)
		switch {
		case err != nil && !errors.Is(err, core.ErrUnavailable):
			t.Errorf("with %d bytes of the answer: %v", n, err)
		case err == nil && h.Err() == nil:
			whole++
			if h.Token() <= last {
				t.Errorf("with %d bytes of the answer the token is %d; that of the last holder was %d", n, h.Token(), last)
			}
			release(t, h)
		}
		eventually(t, fmt.Sprint("no lock is left after ", n, " bytes"), func() bool { return locks(t, c) == 0 })
		h = acquire(t, p.NewLock("a"))
		last = h.Token()
		release(t, h)
	}
}
