package faultproxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/faultproxy"
)

// echo is a server that answers every line with itself and remembers it.
type echo struct {
	listener net.Listener
	mu       sync.Mutex
	heard    []string
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{listener: listener}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { e.serve(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
	return e
}

func (e *echo) serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		e.mu.Lock()
		e.heard = append(e.heard, lines.Text())
		e.mu.Unlock()
		if _, err := fmt.Fprintln(conn, lines.Text()); err != nil {
			return
		}
	}
}

func (e *echo) hasHeard(line string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.heard, line)
}

// client talks in lines through the proxy.
type client struct {
	*net.TCPConn
	in *bufio.Reader
}

func setUp(t *testing.T) (*faultproxy.Proxy, *echo) {
	t.Helper()
	server := newEcho(t)
	return faultproxy.New(t, server.listener.Addr().String()), server
}

func dial(t *testing.T, p *faultproxy.Proxy) *client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{conn.(*net.TCPConn), bufio.NewReader(conn)}
}

func (c *client) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatalf("say %q: %v", line, err)
	}
}

func (c *client) hear(within time.Duration) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	line, err := c.in.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

func (c *client) turn(t *testing.T, line string) {
	t.Helper()
	c.say(t, line)
	if got, err := c.hear(10 * time.Second); err != nil || got != line {
		t.Fatalf("said %q, heard %q, %v", line, got, err)
	}
}

// quiet fails the test if the client hears anything, or the end, for a moment.
func (c *client) quiet(t *testing.T) {
	t.Helper()
	if got, err := c.hear(50 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %q, %v; want silence", got, err)
	}
}

// isReset fails the test unless the client's next read tells of a reset.
func (c *client) isReset(t *testing.T) {
	t.Helper()
	if got, err := c.hear(10 * time.Second); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("heard %q, %v; want a reset", got, err)
	}
}

// refuses fails the test unless a new connection is reset: while it is made, or
// at its first read.
func refuses(t *testing.T, p *faultproxy.Proxy) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("a new connection got %v; want a reset", err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

func TestTurnsAreRoundTrips(t *testing.T) {
	p, _ := setUp(t)
	c := dial(t, p)
	for n := range 5 {
		if got := p.Turns(); got != n {
			t.Fatalf("%d turns after %d round trips", got, n)
		}
		c.turn(t, "again")
	}
}

func TestPipelinedRequestsAreOneTurn(t *testing.T) {
	p, _ := setUp(t)
	p.Stall(faultproxy.Down)
	c := dial(t, p)
	// One write and no answer between: one turn, however the lines are read.
	c.say(t, "a\nb\nc")
	p.Resume(faultproxy.Down)
	for _, want := range []string{"a", "b", "c"} {
		if got, err := c.hear(10 * time.Second); got != want {
			t.Fatalf("heard %q, %v; want %q", got, err, want)
		}
	}
	if got := p.Turns(); got != 1 {
		t.Errorf("%d turns, want 1", got)
	}
}

func TestStatsCountBothWays(t *testing.T) {
	p, _ := setUp(t)
	dial(t, p).turn(t, "four")
	got := p.Stats()
	want := faultproxy.Stats{Connections: 1, Turns: 1, Chunks: [2]int{1, 1}, Bytes: [2]int{5, 5}}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDelayIsPaidOncePerRoundTrip(t *testing.T) {
	p, _ := setUp(t)
	p.SetRoundTrip(60 * time.Millisecond)
	c := dial(t, p)
	start := time.Now()
	for range 10 {
		c.say(t, "x") // Ten requests, none waiting for an answer.
	}
	for range 10 {
		if _, err := c.hear(10 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	if took < 60*time.Millisecond {
		t.Errorf("ten pipelined requests took %v, less than the round trip of 60ms", took)
	}
	if took > 400*time.Millisecond {
		t.Errorf("ten pipelined requests took %v: each paid the round trip of 60ms", took)
	}
}

func TestStallKeepsAndResumeDelivers(t *testing.T) {
	for _, way := range []faultproxy.Direction{faultproxy.Up, faultproxy.Down} {
		t.Run(way.String(), func(t *testing.T) {
			p, server := setUp(t)
			c := dial(t, p)
			c.turn(t, "before")
			p.Stall(way)
			c.say(t, "during")
			c.quiet(t)
			if way == faultproxy.Down {
				eventually(t, "the server hears a request although replies are stalled",
					func() bool { return server.hasHeard("during") })
			} else if server.hasHeard("during") {
				t.Error("the server heard a stalled request")
			}
			p.Resume(way)
			if got, err := c.hear(10 * time.Second); got != "during" {
				t.Fatalf("after the stall: heard %q, %v", got, err)
			}
			c.turn(t, "after")
		})
	}
}

func TestBlackHoleHoldsNewConnectionsToo(t *testing.T) {
	p, server := setUp(t)
	p.BlackHole()
	c := dial(t, p)
	c.say(t, "hello")
	c.quiet(t)
	if server.hasHeard("hello") {
		t.Error("the server heard through a black hole")
	}
	p.Heal()
	if got, err := c.hear(10 * time.Second); got != "hello" {
		t.Fatalf("healed, but heard %q, %v", got, err)
	}
}

func TestCutResetsOpenConnectionsOnly(t *testing.T) {
	p, _ := setUp(t)
	c := dial(t, p)
	c.turn(t, "before")
	p.Cut()
	c.isReset(t)
	dial(t, p).turn(t, "a new one")
}

func TestRefuseResetsNewConnectionsOnly(t *testing.T) {
	p, _ := setUp(t)
	old := dial(t, p)
	old.turn(t, "before")
	p.Refuse(true)
	refuses(t, p)
	old.turn(t, "still here")
	p.Refuse(false)
	dial(t, p).turn(t, "welcome")
}

func TestNoServerResetsTheClient(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	refuses(t, faultproxy.New(t, free.Addr().String()))
}

func TestHookCutsBeforeARequest(t *testing.T) {
	p, server := setUp(t)
	c := dial(t, p)
	c.turn(t, "first")
	p.SetHook(faultproxy.OnRequest("second", faultproxy.Cut))
	c.say(t, "second")
	c.isReset(t)
	if server.hasHeard("second") {
		t.Error("the server heard the request that was cut")
	}
	dial(t, p).turn(t, "second") // Once only.
}

func TestHookCutsBehindARequest(t *testing.T) {
	p, server := setUp(t)
	for i := range 50 { // The answer is never there first.
		second := fmt.Sprint("second", i)
		c := dial(t, p)
		p.SetHook(faultproxy.OnRequest(second, faultproxy.ForwardThenCut))
		c.turn(t, "first")
		c.say(t, second)
		c.isReset(t)
		eventually(t, "the server carries the request out", func() bool { return server.hasHeard(second) })
	}
}

func TestHookCutsBehindAReply(t *testing.T) {
	p, _ := setUp(t)
	c := dial(t, p)
	p.SetHook(faultproxy.OnReply("last", faultproxy.ForwardThenCut))
	c.turn(t, "first")
	c.turn(t, "last")
	if got, err := c.hear(10 * time.Second); err == nil {
		t.Fatalf("heard %q after the last reply", got)
	}
}

func TestHookMutesReplies(t *testing.T) {
	p, server := setUp(t)
	c := dial(t, p)
	c.turn(t, "first")
	p.SetHook(faultproxy.OnReply("", faultproxy.Mute))
	c.say(t, "second")
	c.quiet(t)
	c.say(t, "third")
	c.quiet(t)
	eventually(t, "the server hears what a muted client says", func() bool { return server.hasHeard("third") })
	dial(t, p).turn(t, "others are not muted")
}

func TestHookCountsRequests(t *testing.T) {
	p, server := setUp(t)
	p.SetHook(faultproxy.OnNthRequest(3, faultproxy.Cut))
	c := dial(t, p)
	c.turn(t, "one")
	c.turn(t, "two")
	c.say(t, "three")
	c.isReset(t)
	if server.hasHeard("three") {
		t.Error("the third request passed")
	}
}

func TestHookKeepsAReplyBack(t *testing.T) {
	p, server := setUp(t)
	tell := make(chan struct{})
	p.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Down {
			select {
			case <-tell:
			case <-e.Closed:
			}
		}
		return faultproxy.Forward
	})
	c := dial(t, p)
	c.say(t, "granted")
	eventually(t, "the server answers", func() bool { return server.hasHeard("granted") })
	c.quiet(t)
	close(tell)
	if got, err := c.hear(10 * time.Second); got != "granted" {
		t.Fatalf("heard %q, %v", got, err)
	}
}

func TestEndOfStreamGoesThrough(t *testing.T) {
	p, _ := setUp(t)
	c := dial(t, p)
	c.say(t, "bye")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(c.in)
	if err != nil || string(rest) != "bye\n" {
		t.Errorf("heard %q, %v after closing our way; want the answer and the end", rest, err)
	}
}

// A large transfer with a client that closes at once must arrive whole.
func TestNothingIsLostAtTheEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20
	var got atomic.Int64
	var running sync.WaitGroup
	running.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, conn)
		got.Store(n)
	})
	p := faultproxy.New(t, listener.Addr().String())
	c := dial(t, p)
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	running.Wait()
	listener.Close()
	if got.Load() != size {
		t.Errorf("%d of %d bytes arrived", got.Load(), size)
	}
}

func TestCloseWaitsForNobody(t *testing.T) {
	p, _ := setUp(t)
	p.SetHook(func(e faultproxy.Event) faultproxy.Action {
		<-e.Closed
		return faultproxy.Forward
	})
	c := dial(t, p)
	c.say(t, "stuck in a hook")
	p.Stall(faultproxy.Up)
	dial(t, p).say(t, "stuck in a stall")
	eventually(t, "both connections are there", func() bool { return p.Stats().Chunks[faultproxy.Up] == 2 })
	p.Close()
	p.Close()
	c.isReset(t)
}

func TestCutAfterEndsWithinAMessage(t *testing.T) {
	p, server := setUp(t)
	c := dial(t, p)
	c.turn(t, "first")
	p.CutAfter(faultproxy.Down, 3)
	c.say(t, "second")
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c.in); string(got) != "sec" {
		t.Errorf("heard %q, %v; want the first 3 bytes of the answer", got, err)
	}
	d := dial(t, p)
	d.say(t, "third")
	d.isReset(t)
	p.CutAfter(faultproxy.Down, -1)
	p.CutAfter(faultproxy.Up, 2)
	e := dial(t, p)
	e.say(t, "fourth")
	e.isReset(t)
	if server.hasHeard("fourth") {
		t.Error("the server heard all of a request that was cut")
	}
	p.Heal()
	dial(t, p).turn(t, "everything passes again")
}
