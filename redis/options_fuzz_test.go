package redis

import (
	"errors"
	"reflect"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// FuzzOptions holds that options are refused, by an error that matches ErrInvalid,
// or make a provider whose every time is one that the scripts and the engine can
// work with.
func FuzzOptions(f *testing.F) {
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	f.Cleanup(func() { _ = c.Close() })
	f.Add("", int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0))
	f.Add("a", int64(time.Second), int64(100e6), int64(time.Hour), int64(time.Hour), int64(-1), int64(1), int64(time.Second), int64(1))
	f.Add("a{", int64(1<<62), int64(1<<62), int64(1<<62), int64(1<<62), int64(1<<62), int64(1<<62), int64(1<<62), int64(1<<62))
	f.Add("p", int64(100e6), int64(100e6), int64(100e6), int64(longest), int64(1<<63-1), int64(1e6), int64(1<<63-1), int64(1<<63-1))
	f.Fuzz(func(t *testing.T, prefix string, lease, claim, wait, retention, hold, acks, timeout, release int64) {
		o := Options{
			Prefix: prefix, Lease: time.Duration(lease), Claim: time.Duration(claim), WaitLease: time.Duration(wait), TokenRetention: time.Duration(retention),
			MaxHold: time.Duration(hold), ReplicaAcks: int(acks), Timeout: time.Duration(timeout), ReleaseTimeout: time.Duration(release),
		}
		p, err := New(c, &o)
		if err != nil {
			if !errors.Is(err, core.ErrInvalid) {
				t.Fatalf("%+v: %v", o, err)
			}
			return
		}
		defer p.Close()
		full := p.opts
		if again, err := full.withDefaults(); err != nil || !reflect.DeepEqual(again, full) {
			t.Errorf("the defaults of %+v, which are complete, are %+v, %v", full, again, err)
		}
		for what, d := range map[string]time.Duration{"lease": full.Lease, "claim": full.Claim, "wait lease": full.WaitLease, "token retention": full.TokenRetention} {
			// A script adds it to the time of day in microseconds, as a number that is
			// exact up to 2^53.
			if ms := d.Milliseconds(); ms < 100 || time.Now().UnixMicro()+1000*ms > 1<<53 {
				t.Errorf("the %s is %v", what, d)
			}
		}
		if full.Claim > full.Lease || full.TokenRetention < full.Lease || full.MaxHold < 0 || full.ReplicaAcks < 0 || full.Timeout <= 0 || full.ReleaseTimeout <= 0 {
			t.Errorf("%+v is taken", full)
		}
		if k, n, ok := p.parseState(p.keys(core.KindLock, "a")[stateKey]); !ok || k != core.KindLock || n != "a" {
			t.Errorf("with the prefix %q the lock %q is taken for the %s %q, %v", prefix, "a", k, n, ok)
		}
	})
}
