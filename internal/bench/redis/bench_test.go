//go:build unix

package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
)

// BenchmarkPair is one acquire and release that meet nobody, by a caller whose
// context cannot end and by one that may be cancelled at any time. Ours and the
// bare protocol are interleaved, pair by pair, so that whatever else the machine
// does hits both.
func BenchmarkPair(b *testing.B) {
	server := testenv.NewRedis(b, testenv.RedisConfig{})
	for name, ctx := range map[string]context.Context{"background": context.Background(), "cancellable": b.Context()} {
		b.Run(name, func(b *testing.B) { pair(b, ctx, server) })
	}
}

func pair(b *testing.B, ctx context.Context, server *testenv.Redis) {
	our, plain := open(b, roomy(server.Addr()), newOurs), open(b, roomy(server.Addr()), newBare)
	one := func(l locker) time.Duration {
		start := time.Now()
		unlock, err := l.lock(ctx, "pair")
		if err == nil {
			err = unlock()
		}
		if err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	for range 500 {
		one(our)
		one(plain)
	}
	var ours, bares []time.Duration
	for b.Loop() {
		ours, bares = append(ours, one(our)), append(bares, one(plain))
	}
	o, p := median(ours), median(bares)
	b.ReportMetric(float64(o.Nanoseconds())/1e3, "ours-µs")
	b.ReportMetric(float64(p.Nanoseconds())/1e3, "bare-µs")
	b.ReportMetric(float64(o)/float64(p), "ratio")
	b.ReportMetric(0, "ns/op")
	c := server.Client()
	defer c.Close()
	serverTime := func(l locker) float64 {
		c.ConfigResetStat(ctx)
		const rounds = 2000
		for range rounds {
			one(l)
		}
		var us float64
		for _, command := range []string{"evalsha", "set"} {
			us += float64(stat(c.Info(ctx, "commandstats").Val(), "cmdstat_"+command+":", "usec="))
		}
		return us / rounds
	}
	b.ReportMetric(serverTime(our), "ours-server-µs")
	b.ReportMetric(serverTime(plain), "bare-server-µs")
}

// stat returns a number from INFO: that after name in the line that begins so.
func stat(info, line, name string) int {
	_, rest, _ := strings.Cut(info, line)
	rest, _, _ = strings.Cut(rest, "\r\n")
	_, rest, _ = strings.Cut(rest, name)
	var n int
	_, _ = fmt.Sscanf(rest, "%d", &n)
	return n
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func percentile(d []time.Duration, p int) time.Duration {
	slices.Sort(d)
	return d[min(len(d)-1, len(d)*p/100)]
}

// BenchmarkHandOver is the time from the call of a release to the return of the
// acquire that waits for it, in two programs, at a round trip of 10 ms.
func BenchmarkHandOver(b *testing.B) {
	const roundTrip = 10 * time.Millisecond
	server := testenv.NewRedis(b, testenv.RedisConfig{})
	proxy := faultproxy.New(b, server.Addr())
	proxy.SetRoundTrip(roundTrip)
	for _, peer := range lockers {
		b.Run(peer.name, func(b *testing.B) {
			sides := []locker{open(b, roomy(proxy.Addr()), peer.open), open(b, roomy(proxy.Addr()), peer.open)}
			ctx := context.Background()
			unlock, err := sides[0].lock(ctx, "hand-over")
			if err != nil {
				b.Fatal(err)
			}
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				next := make(chan func() error, 1)
				var at time.Time
				go func() {
					u, err := sides[(i+1)%2].lock(ctx, "hand-over")
					at = time.Now()
					if err != nil {
						b.Error(err)
					}
					next <- u
				}()
				time.Sleep(5*roundTrip + time.Duration(i%7)*3*time.Millisecond) // It waits by now; pollers are not met in step.
				start := time.Now()
				if err := unlock(); err != nil {
					b.Fatal(err)
				}
				unlock = <-next
				took = append(took, at.Sub(start))
			}
			_ = unlock()
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(median(took))/float64(roundTrip), "p50-round-trips")
			b.ReportMetric(float64(percentile(took, 99))/float64(roundTrip), "p99-round-trips")
		})
	}
}

// BenchmarkIdleWaiters is 500 waiters of 10 programs for one lock, for 30 s.
func BenchmarkIdleWaiters(b *testing.B) {
	const programs, each, lasts = 10, 50, 30 * time.Second
	server := testenv.NewRedis(b, testenv.RedisConfig{})
	c := server.Client()
	defer c.Close()
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		release, err := open(b, roomy(server.Addr()), newOurs).lock(ctx, "idle")
		if err != nil {
			b.Fatal(err)
		}
		for range programs {
			l := open(b, roomy(server.Addr()), newOurs)
			for range each {
				wg.Go(func() { _, _ = l.lock(ctx, "idle") })
			}
		}
		for c.ZCard(ctx, "distlock:{idle}:q").Val() < programs*each {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		before, cpu := scripts(c), serverCPU(c)
		time.Sleep(lasts)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(scripts(c)-before)/lasts.Seconds(), "scripts/s")
		b.ReportMetric(100*(serverCPU(c)-cpu)/lasts.Seconds(), "server-CPU-%")
		start := time.Now()
		cancel()
		wg.Wait()
		b.ReportMetric(float64(time.Since(start).Microseconds())/1e3, "cancel-all-ms")
		for c.ZCard(context.Background(), "distlock:{idle}:q").Val() > 0 {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/1e3, "queue-empty-ms")
		_ = release()
	}
}

func scripts(c *goredis.Client) int {
	return stat(c.Info(context.Background(), "commandstats").Val(), "cmdstat_evalsha:", "calls=")
}

// ownCPU is the processor time that this process has used, in seconds.
func ownCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // It fails for a bad address only.
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// serverCPU is that of the server.
func serverCPU(c *goredis.Client) float64 {
	info := c.Info(context.Background(), "cpu").Val()
	var total float64
	for _, part := range []string{"used_cpu_sys:", "used_cpu_user:"} {
		_, rest, _ := strings.Cut(info, part)
		var v float64
		_, _ = fmt.Sscan(rest, &v)
		total += v
	}
	return total
}
