package postgres

import (
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// FuzzOptions holds that options are refused, by an error that matches ErrInvalid,
// or keep what the proofs rest on: a client gives up before its server does, and
// nothing that is divided by or slept for is 0.
func FuzzOptions(f *testing.F) {
	f.Add("", "", int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0), int64(0))
	f.Add("ns", "a.b", int64(1), int64(1), int64(8), int64(time.Millisecond), int64(time.Second), int64(time.Second), int64(3*time.Second), int64(1))
	f.Add("ns\x00", "a", int64(-1), int64(-1), int64(-1), int64(-1), int64(-1), int64(-1), int64(-1), int64(-1))
	f.Add("", "", int64(1), int64(1), int64(1), int64(1e6), int64(1<<62), int64(1<<62), int64(0), int64(0))
	f.Add("", "", int64(0), int64(0), int64(0), int64(30*24*time.Hour), int64(0), int64(0), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, namespace, sequence string, holds, each, waiters, slice, interval, timeout, server, keys int64) {
		o := &Options{
			Namespace: namespace, TokenSequence: sequence, MaxHolds: int(holds), HoldsPerSession: int(each), MaxWaiters: int(waiters), WaitSlice: time.Duration(slice),
			PingInterval: time.Duration(interval), PingTimeout: time.Duration(timeout), ServerTimeout: time.Duration(server), Keys: KeyScheme(keys),
		}
		full, err := o.withDefaults(0)
		if err != nil {
			if !errors.Is(err, core.ErrInvalid) {
				t.Fatalf("%+v: %v", o, err)
			}
			return
		}
		again, err := full.withDefaults(0)
		if err != nil || *again != *full {
			t.Errorf("the defaults of %+v, which are complete, are %+v, %v", full, again, err)
		}
		silence := new(big.Int).Add(big.NewInt(int64(full.PingInterval)), big.NewInt(int64(full.PingTimeout)))
		if silence.Cmp(big.NewInt(int64(full.ServerTimeout))) >= 0 || full.PingInterval <= 0 || full.PingTimeout <= 0 {
			t.Errorf("a client that gives up after %v + %v works with a server that frees its locks after %v", full.PingInterval, full.PingTimeout, full.ServerTimeout)
		}
		if longest := full.WaitSlice + full.WaitSlice/8; longest < 0 || longest.Milliseconds() > maxTimeout {
			t.Errorf("a statement may wait for %v, which is more than the server takes", longest)
		}
		if full.MaxHolds < 1 || full.HoldsPerSession < 1 || full.MaxWaiters < 0 || full.WaitSlice < time.Millisecond || full.ConnectTimeout <= 0 || full.IdleTimeout <= 0 {
			t.Errorf("%+v is taken", full)
		}
		for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
			if _, err := full.makeKeys(kind, "a"); err != nil && !errors.Is(err, core.ErrInvalid) {
				t.Errorf("the key of a %s: %v", kind, err)
			}
		}
	})
}
