package schedules

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/history"
	"github.com/distlock/distlock-go/internal/simredis"
	"github.com/distlock/distlock-go/redis"
)

// A fleet is the servers of a schedule that runs the client of Redis, or of RedLock:
// they run the scripts of the library.
type fleet struct {
	*world
	servers []*server

	lossy    bool          // a server may lose its data, and else its clock may be set back
	setBacks time.Duration // all together
}

// A server is one of them.
type server struct {
	*simredis.Server
	down  atomic.Bool
	began time.Time
	rate  float64
	back  atomic.Int64 // by how much its clock was set back
}

func (s *server) now() time.Time {
	return s.began.Add(time.Duration(s.rate*float64(time.Since(s.began))) - time.Duration(s.back.Load()))
}

// newFleet makes the servers. A server that may lose its data draws tokens by its clock
// afterwards, so the clocks stay as close to each other as RedLock asks for that.
func (w *world) newFleet() *fleet {
	r := w.rng(600, 0)
	n := 1
	if w.Backend == RedLock {
		n = []int{3, 3, 3, 5, 2, 4}[r.IntN(6)]
	}
	f := &fleet{world: w, lossy: w.Backend == RedLock && r.IntN(2) == 0 || w.Defect == NoQuarantine || w.Defect == TokenReset}
	for range n {
		s := &server{began: time.Now().Add(between(r, 0, term/10)), rate: 0.99 + 0.02*r.Float64()}
		if f.lossy {
			s.rate = 0.999 + 0.002*r.Float64()
		}
		if w.Defect == FastServerClock {
			s.rate = 1.1
		}
		s.Server = simredis.New(s.now)
		f.servers = append(f.servers, s)
	}
	return f
}

// A road is a node's way to one server.
type road struct {
	*wire
	passing atomic.Uint64
}

// Carry implements simredis.Way.
func (r *road) Carry(ctx context.Context, do func()) error {
	if r.cut.Load() && r.calls.Load()%2 == 0 {
		r.calls.Add(1)
		return &net.OpError{Op: "dial", Err: errReset}
	}
	_, err := exchange(ctx, r.wire, false, func() bool { do(); return true })
	if errors.Is(err, errReset) || err == nil {
		return err
	}
	return ctx.Err()
}

// Dial implements simredis.Way.
func (r *road) Dial() error {
	if r.cut.Load() || r.down.Load() {
		return &net.OpError{Op: "dial", Err: errReset}
	}
	return nil
}

// Pass implements simredis.Way. Messages of one connection do not overtake each other
// by much, and one in ten gets lost in bad times: the connection hangs for a while.
func (r *road) Pass() (time.Duration, bool) {
	d := r.rng(700+r.node, r.passing.Add(1))
	if r.cut.Load() || r.down.Load() {
		return 0, false
	}
	if r.healed.Load() {
		return between(d, 0, 3*time.Millisecond), true
	}
	if r.Defect == NoBackstop || d.Float64() < r.trouble/3 {
		return 0, false
	}
	if d.Float64() < r.trouble/3 {
		return between(d, 0, term), true
	}
	return between(d, 0, 3*time.Millisecond), true
}

// openFleet opens the provider of a node.
func (n *node) openFleet(f *fleet) error {
	opts := &redis.Options{
		Prefix: "p", Lease: term, Claim: term / 2, WaitLease: 2 * term, Timeout: term / 2, ReleaseTimeout: n.releaseTimeout(),
		Owner: &core.Owner{Host: "node", PID: n.id},
		Observer: core.ObserverFunc(func(_ context.Context, ev core.Event) {
			if ev.Type == core.EventGiveBackFailed {
				n.gaveUp.Store(true)
			}
		}),
	}
	var clients []goredis.UniversalClient
	for i, s := range f.servers {
		r := &road{wire: &wire{
			Schedule: n.Schedule, plan: n.plan, node: uint64(n.id)<<8 | uint64(i+1), healed: n.healed, down: &s.down, flying: n.flying,
		}}
		n.roads = append(n.roads, r)
		clients = append(clients, s.Client(fmt.Sprintf("s%d:6379", i+1), r))
	}
	var err error
	if n.Backend == Redis {
		var p *redis.Provider
		p, err = redis.New(clients[0], opts)
		n.provider = p
	} else {
		var p *redis.RedLock
		if p, err = redis.NewRedLock(clients, opts); err == nil && n.id == 1 && n.rng(601, 0).IntN(3) > 0 {
			n.healed.Store(true)
			err = p.Bootstrap(context.Background())
			n.healed.Store(false)
		}
		n.provider = p
	}
	n.shut = func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}
	return err
}

// event does one thing to a server or to some.
func (f *fleet) event(r *rand.Rand) {
	some := []*server{f.servers[r.IntN(len(f.servers))]}
	if r.IntN(3) == 0 {
		some = nil
		for _, s := range f.servers {
			if r.IntN(2) == 0 {
				some = append(some, s)
			}
		}
	}
	d := between(r, 0, 2*term)
	what := r.IntN(4)
	if what > 1 && !f.lossy && r.IntN(2) == 0 {
		for _, s := range some {
			s.back.Add(int64(d))
		}
		f.setBacks += d
		return
	}
	switch f.Defect {
	case TokenReset:
		some, what = f.servers, 1
	case NoQuarantine:
		d /= 16
	}
	for _, s := range some {
		s.down.Store(true)
		switch what {
		case 0:
			s.Restart(false)
		case 1, 2:
			s.Restart(f.lossy)
			f.forgetful(s)
		}
	}
	time.Sleep(d)
	for _, s := range some {
		s.down.Store(false)
	}
}

// forgetful plants the defects of a server that was restarted.
func (f *fleet) forgetful(s *server) {
	switch f.Defect {
	case NoQuarantine:
		_, _ = s.Do("SET", "p:guard", fmt.Sprintf("%p|0", s))
	case TokenReset:
		s.back.Add(int64(time.Minute)) // Or they would be drawn by the time.
	}
}

// left returns what nobody has reason to have when all is over and every lease has
// ended that is not renewed: holds, and places of processes that are alive.
func (f *fleet) left() (left []string) {
	time.Sleep(f.setBacks + 3*term)
	state := map[history.Kind]string{history.Lock: "", history.RWLock: ":rw", history.Semaphore: ":sem"}[f.Kind]
	for i, s := range f.servers {
		text, holders := s.Members("p:{object}" + state)
		if text != "" {
			left = append(left, fmt.Sprintf("server %d: the hold %s", i+1, text))
		}
		for who, until := range holders {
			if until > float64(s.Now()) {
				left = append(left, fmt.Sprintf("server %d: the hold %s", i+1, who))
			}
		}
		_, waiters := s.Members("p:{object}" + state + ":q")
		for record := range waiters {
			inst, _, _ := strings.Cut(record, "|")
			owner, _ := s.Members("p:i:" + inst)
			for _, n := range f.alive() {
				if strings.Contains(owner, fmt.Sprintf(`"pid":%d`, n.id)) && !n.gaveUp.Load() {
					left = append(left, fmt.Sprintf("server %d: the place %s of node %d", i+1, record, n.id))
				}
			}
		}
	}
	return left
}
