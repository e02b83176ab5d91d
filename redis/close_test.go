package redis

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// silent returns a client with that time limit, or none if it is -1, of a server that accepts connections
// and says nothing until the test ends, and what receives for each connection.
func silent(t *testing.T, limit time.Duration, byContext bool) (*goredis.Client, <-chan net.Conn) {
	t.Helper()
	var lc net.ListenConfig
	server, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewClient(&goredis.Options{
		Addr: server.Addr().String(), ReadTimeout: limit, WriteTimeout: limit, MaxRetries: -1, ContextTimeoutEnabled: byContext,
	})
	came := make(chan net.Conn, 100)
	go func() {
		for conn, err := server.Accept(); err == nil; conn, err = server.Accept() {
			came <- conn
		}
		close(came)
	}()
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
		for conn := range came {
			_ = conn.Close()
		}
	})
	return client, came
}

// Close ends although the driver does not, and so does an acquire that nobody can
// interrupt.
func TestCloseWithoutTimeLimits(t *testing.T) {
	o := &Options{Lease: time.Second, Timeout: 200 * time.Millisecond, ReleaseTimeout: 300 * time.Millisecond}
	for name, open := range map[string]func(*goredis.Client) (core.Provider, error){
		"one server": func(c *goredis.Client) (core.Provider, error) { return New(c, o) },
		"redlock":    func(c *goredis.Client) (core.Provider, error) { return NewRedLock([]goredis.UniversalClient{c}, o) },
	} {
		for i := range 4 {
			t.Run(name, func(t *testing.T) {
				client, came := silent(t, []time.Duration{-1, time.Hour}[i/2], i%2 == 0)
				p, err := open(client)
				if err != nil {
					t.Fatal(err)
				}
				calls := 1
				if single, ok := p.(*Provider); ok {
					single.receiver.start()
					calls++
				}
				tried := make(chan error, 1)
				go func() {
					_, err := p.NewLock("a").TryAcquire(context.Background())
					tried <- err
				}()
				for range calls {
					conn := <-came
					defer conn.Close()
				}
				closed := make(chan error, 1)
				go func() { closed <- io.Closer(p).Close() }()
				select {
				case err := <-closed:
					if err != nil {
						t.Error(err)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("Close has not returned")
				}
				if err := <-tried; !errors.Is(err, core.ErrClosed) && !errors.Is(err, core.ErrUnavailable) {
					t.Errorf("an acquire that Close interrupts: %v", err)
				}
			})
		}
	}
}
