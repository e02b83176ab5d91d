package locktest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A socketProvider is a client of a daemon.
type socketProvider struct {
	engine  *driver.Engine
	address string
}

func dial(address string, o core.Observer) (core.Provider, error) {
	engine, err := driver.New(driver.Config{Backend: "socket", Observer: o, ServerQueue: true})
	if err != nil {
		return nil, err
	}
	return &socketProvider{engine, address}, nil
}

func (p *socketProvider) claimer(what string, limit int, name string) socketClaimer {
	return socketClaimer{p, fmt.Sprintf("%s %d %s", what, limit, strconv.Quote(name))}
}

func (p *socketProvider) NewLock(name string) core.Lock {
	return p.engine.NewLock(name, p.claimer("lock", 1, name))
}

func (p *socketProvider) NewRWLock(name string) core.RWLock {
	return p.engine.NewRWLock(name, p.claimer("reader", 0, name), p.claimer("writer", 0, name))
}

func (p *socketProvider) NewSemaphore(name string, limit int) core.Semaphore {
	return p.engine.NewSemaphore(name, limit, p.claimer("permit", limit, name))
}

func (p *socketProvider) Close() error { return p.engine.Close() }

type socketClaimer struct {
	p      *socketProvider
	object string
}

// Claim implements driver.Claimer.
func (c socketClaimer) Claim(ctx context.Context) (driver.Claim, error) {
	return c.ask(ctx, "try", nil)
}

// Wait implements driver.Queuer.
func (c socketClaimer) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	return c.ask(ctx, "wait", busy)
}

// ask sends the request and waits for the grant. When ctx ends it closes the
// connection, which ends whatever the daemon has made of the request.
func (c socketClaimer) ask(ctx context.Context, how string, busy func(error)) (driver.Claim, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.p.address)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	in := bufio.NewReader(conn)
	_, err = fmt.Fprintln(conn, how, c.object)
	for err == nil {
		var line string
		if line, err = in.ReadString('\n'); err != nil {
			break
		}
		answer, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if answer == "granted" && stop() {
			token, _ := strconv.ParseUint(rest, 10, 64)
			claim := &socketClaim{conn: conn, token: token, over: make(chan struct{})}
			go claim.listen(in)
			return claim, nil
		}
		if answer == "busy" && busy == nil {
			_ = conn.Close()
			return nil, core.ErrNotAcquired
		}
		if answer == "busy" {
			busy(core.ErrNotAcquired)
		}
	}
	_ = conn.Close()
	return nil, unavailable(ctx, err)
}

// unavailable tells an end of ctx from trouble with the connection. The network
// may notice a deadline before the context does.
func unavailable(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
}

// A socketClaim lives as long as its connection.
type socketClaim struct {
	conn  net.Conn
	token uint64
	over  chan struct{} // closed when the daemon has said its last word

	mu       sync.Mutex
	released bool
	cause    error
	lost     func(error)
}

// Token implements driver.Claim.
func (c *socketClaim) Token() uint64 { return c.token }

// listen waits for the daemon's last word, which tells of a loss or of the
// release.
func (c *socketClaim) listen(in *bufio.Reader) {
	line, err := in.ReadString('\n')
	_ = c.conn.Close()
	c.mu.Lock()
	if c.released = line == "released\n"; !c.released {
		c.cause = errors.Join(core.ErrLost, err)
	}
	lost, cause := c.lost, c.cause
	c.mu.Unlock()
	close(c.over)
	if lost != nil && cause != nil {
		lost(cause)
	}
}

// Watch implements driver.Watched.
func (c *socketClaim) Watch(lost func(error)) {
	c.mu.Lock()
	c.lost = lost
	cause := c.cause
	c.mu.Unlock()
	if cause != nil {
		lost(cause)
	}
}

// Release implements driver.Claim. If the daemon does not answer in time the
// connection is closed, and that is a release too.
func (c *socketClaim) Release(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = c.conn.Close() })()
	_, _ = fmt.Fprintln(c.conn, "release")
	<-c.over
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.released:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return c.cause
}
