package redis

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A mutable is a server that answers every PING and refuses everything else, or is
// mute after the handshake.
type mutable struct {
	net.Listener
	mute   atomic.Bool
	lose   atomic.Bool // the connection of the next PING, without a sign
	pings  atomic.Int64
	others atomic.Int64
	conns  sync.WaitGroup
}

func newMutable(t *testing.T) *mutable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mutable{Listener: l}
	m.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.conns.Go(func() { m.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		m.conns.Wait()
	})
	return m
}

func (m *mutable) serve(c net.Conn) {
	defer c.Close()
	in, lost := bufio.NewReader(c), false
	line := func() string {
		s, _ := in.ReadString('\n')
		return strings.TrimSpace(s)
	}
	for {
		head := line()
		if head == "" {
			return
		}
		n, _ := strconv.Atoi(strings.TrimPrefix(head, "*"))
		name := ""
		for i := range n {
			size, _ := strconv.Atoi(strings.TrimPrefix(line(), "$"))
			word := make([]byte, size+2)
			if _, err := io.ReadFull(in, word); err != nil {
				return
			}
			if i == 0 {
				name = strings.ToLower(string(word[:size]))
			}
		}
		answer := "-ERR no such command\r\n"
		switch name {
		case "ping":
			m.pings.Add(1)
			lost = lost || m.lose.CompareAndSwap(true, false)
			answer = "+PONG\r\n"
		case "hello", "client":
		default:
			m.others.Add(1)
		}
		if !m.mute.Load() && !lost || name == "hello" || name == "client" {
			_, _ = io.WriteString(c, answer)
		}
	}
}

// peers returns the peers of a RedLock over such servers.
func peers(t *testing.T, servers ...*mutable) []*peer {
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr().String())
	}
	l, err := OpenRedLock(t.Context(), addrs, &Options{Lease: 2 * time.Second, Claim: time.Second, Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	byAddr := make([]*peer, len(addrs))
	for i, addr := range addrs {
		for _, x := range l.peers {
			if x.addr == addr {
				byAddr[i] = x
			}
		}
	}
	return byAddr
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", d, what)
		}
	}
}

func TestBreakerOpensAndCloses(t *testing.T) {
	for _, c := range []struct {
		name string
		late []bool // of each failure in a row
		down bool
	}{
		{"late once", []bool{true}, false},
		{"late twice", []bool{true, true}, true},
		{"refused", []bool{false}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMutable(t)
			m.mute.Store(true)
			x := peers(t, m)[0]
			falls := x.falls()
			for _, late := range c.late {
				x.missed(errors.New("trouble"), late)
			}
			if x.up() == c.down {
				t.Fatalf("up is %v", x.up())
			}
			select {
			case <-falls:
				if !c.down {
					t.Error("those who wait there were told that the server is down")
				}
			default:
				if c.down {
					t.Error("those who wait there were not told that the server is down")
				}
			}
			x.answered(time.Millisecond)
			if !x.up() {
				t.Error("an answer did not close the breaker")
			}
			select {
			case <-x.falls():
				t.Error("the server is up, and those who wait there are told that it is down")
			default:
			}
		})
	}
}

func TestLateAnswersInBetweenDoNotCount(t *testing.T) {
	m := newMutable(t)
	x := peers(t, m)[0]
	for range 10 {
		x.missed(errors.New("late"), true)
		x.answered(time.Millisecond)
	}
	if !x.up() {
		t.Error("ten late answers, each followed by one in time, opened the breaker")
	}
}

// TestOnlyProbesReachAServerThatIsDown is about the half-open breaker: while a
// majority is up, nothing but one probe at a time goes to the server that is down,
// and its answer closes the breaker.
func TestOnlyProbesReachAServerThatIsDown(t *testing.T) {
	servers := []*mutable{newMutable(t), newMutable(t), newMutable(t)}
	x := peers(t, servers...)[0]
	servers[0].mute.Store(true)
	x.missed(errors.New("refused"), false)
	lock := x.l.NewLock("a")
	before := servers[0].others.Load()
	for range 5 {
		_, _ = lock.TryAcquire(t.Context()) // The others refuse by an error, which is an answer.
	}
	if n := servers[0].others.Load() - before; n != 0 {
		t.Errorf("%d requests went to a server that is down", n)
	}
	if servers[1].others.Load() == 0 || servers[2].others.Load() == 0 {
		t.Error("no requests went to the servers that are up")
	}
	within(t, 5*time.Second, "the server is probed, again and again", func() bool { return servers[0].pings.Load() >= 2 })
	if x.up() {
		t.Error("a probe without an answer closed the breaker")
	}
	servers[0].mute.Store(false)
	within(t, 5*time.Second, "the answer to a probe closes the breaker", x.up)
	pings := servers[0].pings.Load()
	_, _ = lock.TryAcquire(t.Context())
	within(t, 5*time.Second, "the server is asked again", func() bool { return servers[0].others.Load() > before })
	time.Sleep(2 * probePause)
	if n := servers[0].pings.Load() - pings; n > 1 {
		t.Errorf("%d probes after the breaker had closed", n)
	}
}

// While somebody waits at a server that is quiet, a connection that has died without
// a sign is late once, and the next one shows that the server is up.
func TestALostConnectionIsLateOnce(t *testing.T) {
	m := newMutable(t)
	x := peers(t, m)[0]
	if err := x.hear(x.ask()); err != nil {
		t.Fatal(err)
	}
	falls := x.falls()
	m.lose.Store(true)
	x.stand()
	defer x.unstand()
	pings := m.pings.Load()
	within(t, 10*time.Second, "the server is asked again and again", func() bool { return m.pings.Load() >= pings+3 })
	select {
	case <-falls:
		t.Error("the server was taken for down")
	default:
	}
}

func TestAllAreAskedIfTooFewAreUp(t *testing.T) {
	servers := []*mutable{newMutable(t), newMutable(t), newMutable(t)}
	ps := peers(t, servers...)
	for _, x := range ps[:2] {
		x.missed(errors.New("refused"), false)
	}
	_, _ = ps[0].l.NewLock("a").TryAcquire(context.Background())
	for i, s := range servers {
		within(t, 5*time.Second, "server "+strconv.Itoa(i)+" is asked", func() bool { return s.others.Load() > 0 })
	}
}

func TestPatience(t *testing.T) {
	x := peers(t, newMutable(t))[0]
	if got := x.patience(); got != firstPatience {
		t.Errorf("with a server that was never heard of: %v, want %v", got, firstPatience)
	}
	for range 100 {
		x.answered(time.Millisecond)
	}
	if got := x.patience(); got != leastPatience {
		t.Errorf("with a server that is near: %v, want %v", got, leastPatience)
	}
	x.missed(errors.New("late"), true)
	if got := x.patience(); got != 2*leastPatience {
		t.Errorf("after it was late: %v, want %v", got, 2*leastPatience)
	}
	for range 100 {
		x.answered(80 * time.Millisecond)
	}
	if got := x.patience(); got < 300*time.Millisecond || got > 400*time.Millisecond {
		t.Errorf("with a server 80 ms away: %v, want about four round trips", got)
	}
	for range 100 {
		x.answered(time.Second)
	}
	if got, most := x.patience(), x.l.opts.Lease/4; got != most {
		t.Errorf("with a server that is slower than a lease allows: %v, want %v", got, most)
	}
}

// The servers that are up agree on the first as the one to wait at, then on the
// next.
func TestArbiter(t *testing.T) {
	x := peers(t, newMutable(t), newMutable(t), newMutable(t))[0]
	l := x.l
	for i := range l.peers {
		if got := l.arbiter(); got != i {
			t.Errorf("with %d servers down: %d", i, got)
		}
		if i == 1 {
			l.peers[i].mute(time.Minute) // In quarantine.
			continue
		}
		l.peers[i].mu.Lock()
		l.peers[i].down = true
		l.peers[i].mu.Unlock()
	}
	if got := l.arbiter(); got != 1 {
		t.Errorf("with the only server that is up in quarantine: %d, want that one", got)
	}
}
