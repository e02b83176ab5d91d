//go:build unix

package redis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
)

// BenchmarkDistinct is 64 goroutines with a name each. The lockers take turns of some
// thousand pairs, so that whatever else the machine does hits all of them. The last
// one is not a peer but what there is to be had: the bare protocol in pipelines
// written by hand.
func BenchmarkDistinct(b *testing.B) {
	server := testenv.NewRedis(b, testenv.RedisConfig{})
	distinctTurns(b, server, roomy(server.Addr()))
}

// BenchmarkDistinctFar is the same at a round trip of 2 ms, where connections decide,
// not processors: with as many as the driver makes if it is not told how many, which
// is ten for each processor, and with one for each caller.
func BenchmarkDistinctFar(b *testing.B) {
	server := testenv.NewRedis(b, testenv.RedisConfig{})
	proxy := faultproxy.New(b, server.Addr())
	proxy.SetRoundTrip(2 * time.Millisecond)
	b.Run("default-pool", func(b *testing.B) { distinctTurns(b, server, site{proxy.Addr(), 0}) })
	b.Run("pool-of-64", func(b *testing.B) { distinctTurns(b, server, roomy(proxy.Addr())) })
}

func distinctTurns(b *testing.B, server *testenv.Redis, at site) {
	const turn = 4096
	c := server.Client()
	defer c.Close()
	peers := append(slices.Clone(lockers), peer{"pipelined", newPipelined})
	opened := make([]locker, len(peers))
	for i, peer := range peers {
		opened[i] = open(b, at, peer.open)
		distinct(b, opened[i], turn)
	}
	type sum struct {
		took        time.Duration
		own, server float64 // processor time, in seconds
		scripts     int
	}
	sums := make([]sum, len(peers))
	var pairs float64
	for b.Loop() {
		pairs += turn
		for i := range peers {
			s := &sums[i]
			cpu, own, called, start := serverCPU(c), ownCPU(), scripts(c), time.Now()
			distinct(b, opened[i], turn)
			s.took += time.Since(start)
			s.own += ownCPU() - own
			s.server += serverCPU(c) - cpu
			s.scripts += scripts(c) - called
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, peer := range peers {
		s := sums[i]
		b.ReportMetric(pairs/s.took.Seconds(), peer.name+"-pairs/s")
		b.ReportMetric(s.own*1e6/pairs, peer.name+"-own-µs")
		b.ReportMetric(s.server*1e6/pairs, peer.name+"-server-µs")
		b.ReportMetric(float64(s.scripts)/pairs, peer.name+"-scripts")
		if i > 0 {
			b.ReportMetric(s.took.Seconds()/sums[0].took.Seconds(), "x-"+peer.name)
		}
	}
}

// distinct has 64 callers acquire and release so many times in all.
func distinct(b *testing.B, l locker, pairs int64) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(pairs)
	for i := range 64 {
		name := fmt.Sprint("distinct", i)
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				unlock, err := l.lock(context.Background(), name)
				if err == nil {
					err = unlock()
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
