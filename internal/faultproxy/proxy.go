package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// Direction is one way through the proxy.
type Direction int

const (
	Up   Direction = iota // from the client to the server: requests
	Down                  // from the server to the client: replies
)

func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// Proxy forwards connections to one server. Its methods may be called from any
// goroutine at any time; a fault applies to the connections that are open and to
// those still to come.
type Proxy struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	conns   map[*conn]struct{}
	hook    Hook
	refuse  bool
	delay   [2]time.Duration
	stalled [2]chan struct{} // non-nil while that way is stalled; closed to go on
	limited [2]bool          // only so many bytes may go that way yet:
	left    [2]int
	stats   Stats
}

// New starts a proxy to target and closes it when the test ends.
func New(tb testing.TB, target string) *Proxy {
	tb.Helper()
	p, err := Start(target)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// Start listens on a free port of 127.0.0.1 and forwards to target, a host:port.
// The server need not run yet: it is dialled once for every connection.
func Start(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faultproxy: %w", err)
	}
	p := &Proxy{
		target:   target,
		listener: listener,
		conns:    make(map[*conn]struct{}),
	}
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns the host:port that clients connect to instead of the server.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close resets every connection and returns when no goroutine of the proxy is
// left. A hook that waits must watch [Event.Closed], or Close waits for it.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close() // A second Close says "already closed", which is what is wanted.
	p.Cut()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // The client was gone before it was accepted.
		}
		p.admit(client.(*net.TCPConn))
	}
}

// admit starts to forward a new connection, or resets it if the proxy takes none
// now.
func (p *Proxy) admit(client *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.closed {
		_ = reset(client) // The client may be gone already.
		return
	}
	p.stats.Connections++
	ctx, end := context.WithCancel(context.Background())
	c := &conn{proxy: p, id: p.stats.Connections, client: client, gone: ctx.Done(), end: end}
	p.conns[c] = struct{}{}
	p.running.Go(func() {
		defer p.forget(c)
		c.forward(ctx)
	})
}

func (p *Proxy) forget(c *conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// reset closes a connection with RST instead of FIN: the other side sees
// "connection reset by peer", and what was still under way to it is lost.
func reset(c *net.TCPConn) error {
	if err := c.SetLinger(0); err != nil {
		return err
	}
	return c.Close()
}
