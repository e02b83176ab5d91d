//go:build unix

package redistest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// One whose administrator has left out the right to ask for subscriptions is handed
// over to as before. Only who has died is not known to be dead: each costs a claim.
func TestWithoutTheRightToAskForSubscriptions(t *testing.T) {
	t.Parallel()
	const ask = "+pubsub|numsub"
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	for _, may := range []bool{true, false} {
		t.Run(fmt.Sprint(may), func(t *testing.T) {
			rules := slices.DeleteFunc(redis.ACL("", false), func(r string) bool { return r == ask && !may })
			setUser(t, c, append([]string{fmt.Sprint("asks", may), "on", ">pw"}, rules...))
			var events log
			o := lenient()
			o.Lease, o.WaitLease, o.Observer = 30*time.Second, 60*time.Second, &events
			url := withUser(t, server.URL(), fmt.Sprint("asks", may), "pw")
			p, q := open(t, url, o), open(t, url, o)
			listening(t, c, q)
			name := fmt.Sprint("asks", may)
			for dead := range int64(2) {
				h := acquire(t, p.NewLock(name))
				if dead > 0 {
					inst, now := fmt.Sprintf("%024x", 1), time.Now()
					c.ZAdd(context.Background(), "distlock:{"+name+"}:q", goredis.Z{Score: float64(now.UnixMicro()), Member: inst + "|1|w|1|1"})
					c.HSet(context.Background(), "distlock:{"+name+"}:w", inst, fmt.Sprintf("%d+", now.Add(time.Minute).UnixMilli()))
				}
				w := waiting(patient(t), q.NewLock(name))
				queued(t, c, name, 1+dead)
				began := time.Now()
				release(t, h)
				if dead > 0 && !may {
					if got := holder(t, c, name); got != fmt.Sprintf("%024x|1", 1) {
						t.Errorf("the lock is %q's; who may not be asked after counts as alive", got)
					}
					c.Del(context.Background(), "distlock:{"+name+"}") // Its claim is over.
					w2 := waiting(patient(t), p.NewLock(name))         // Whoever comes next sees to that.
					release(t, granted(t, w))
					release(t, granted(t, w2))
					continue
				}
				release(t, granted(t, w))
				if d := time.Since(began); d > 5*time.Second {
					t.Errorf("the hand-over took %v; no poll is due for 20s", d)
				}
			}
			if events.saw(core.EventDegraded, core.EventProbeFailed) {
				t.Errorf("messages came all the time, and the observer was told %v", events.of(core.EventDegraded))
			}
		})
	}
}
