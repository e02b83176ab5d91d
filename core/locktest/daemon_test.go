package locktest_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

// A daemon serves the memory backend to other processes: one connection for each
// acquire, and the hold ends with it.
type daemon struct {
	p     *memory.Provider
	l     net.Listener
	conns sync.WaitGroup

	// Defects, for the proof that the cases about processes bite.
	keepsHolds   bool // of clients that have vanished
	keepsWaiters bool // likewise
	repeatsToken bool
}

type busyKey struct{}

func listen(t *testing.T) *daemon {
	t.Helper()
	p, err := memory.New(&memory.Options{Observer: core.ObserverFunc(func(ctx context.Context, ev core.Event) {
		if conn, ok := ctx.Value(busyKey{}).(net.Conn); ok && ev.Type == core.EventWaiting {
			_, _ = fmt.Fprintln(conn, "busy")
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{p: p, l: l}
	d.conns.Go(d.serve)
	t.Cleanup(func() {
		_ = l.Close()
		_ = p.Close()
		d.conns.Wait()
	})
	return d
}

func (d *daemon) serve() {
	for {
		conn, err := d.l.Accept()
		if err != nil {
			return
		}
		d.conns.Go(func() { d.handle(conn) })
	}
}

// handle serves one acquire. The request is a line: "try" or "wait", what, the
// limit and the name. Answers are "busy", "granted TOKEN", "lost", "failed", and
// "released" to the line "release".
func (d *daemon) handle(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	request, err := in.ReadString('\n')
	if err != nil {
		return
	}
	f := strings.SplitN(strings.TrimSpace(request), " ", 4)
	l := d.object(f[1], f[2], f[3])

	vanished, cancel := context.WithCancel(context.WithValue(context.Background(), busyKey{}, conn))
	released := make(chan struct{})
	d.conns.Go(func() {
		if _, err := in.ReadString('\n'); err == nil {
			close(released)
			return
		}
		cancel()
	})
	acquire, ctx := l.Acquire, vanished
	if f[0] == "try" {
		acquire = l.TryAcquire
	}
	if d.keepsWaiters {
		ctx = context.WithoutCancel(ctx)
	}
	h, err := acquire(ctx)
	if err != nil {
		_, _ = fmt.Fprintln(conn, "busy")
		return
	}
	token := h.Token()
	if d.repeatsToken {
		token = 1 + token/4
	}
	_, _ = fmt.Fprintln(conn, "granted", token)
	select {
	case <-released:
		_ = h.Release(ctx)
		_, _ = fmt.Fprintln(conn, "released")
	case <-h.Done():
		_, _ = fmt.Fprintln(conn, "lost")
	case <-vanished.Done():
		if !d.keepsHolds {
			_ = h.Release(ctx)
		}
	}
}

func (d *daemon) object(what, limit, quoted string) core.Lock {
	name, _ := strconv.Unquote(quoted)
	switch what {
	case "reader":
		return core.Reader(d.p.NewRWLock(name))
	case "writer":
		return core.Writer(d.p.NewRWLock(name))
	case "permit":
		n, _ := strconv.Atoi(limit)
		return d.p.NewSemaphore(name, n)
	}
	return d.p.NewLock(name)
}
