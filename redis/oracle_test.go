package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// The scripts are compared, reply by reply and state by state, with a model in
// plain Go, under random operations, deliveries that are repeated, processes
// that do not listen, and time that jumps. What is done does not depend on the
// replies, so a trial is one pipeline, and is judged when it is back.

// An oracle is a server whose scripts go by a clock that it has been given, with
// subscribers for those who listen.
type oracle struct {
	client *goredis.Client
	times  string // prefix of the keys of its clock
	heard  *heard
	dialect
}

func newOracle(tb testing.TB) *oracle {
	tb.Helper()
	url := os.Getenv("DISTLOCK_TEST_REDIS")
	if url == "" {
		if os.Getenv("DISTLOCK_REQUIRE_SERVERS") == "1" {
			tb.Fatal("DISTLOCK_TEST_REDIS is not set")
		}
		tb.Skip("DISTLOCK_TEST_REDIS is not set: no server to test with")
	}
	o, err := goredis.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	client := goredis.NewClient(o)
	tb.Cleanup(func() { _ = client.Close() })
	times := "oracle:" + newInst() + ":"
	tb.Cleanup(func() { client.Del(context.Background(), times+"s", times+"us") })
	d := dialect{
		lease: modelLease, claim: modelClaim, wait: modelWait, retention: 86400_000,
		channel: times + "n:", counts: true,
		clock: fmt.Sprintf("{redis.call('GET', '%ss'), redis.call('GET', '%[1]sus')}", times),
	}
	sub := client.Subscribe(context.Background(), d.channel+"a1", d.channel+"b2")
	tb.Cleanup(func() { _ = sub.Close() })
	for range 2 {
		if _, err := sub.Receive(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}
	go func() { // It only has to listen.
		for range sub.Channel() {
		}
	}()
	return &oracle{client, times, listen(tb, client, d.channel), d}
}

// try runs a trial of so many steps, all of which follow from the seed.
func (o *oracle) try(t *testing.T, kind string, seed uint64, steps int) {
	t.Helper()
	for !o.attempt(t, kind, seed, steps) {
		// Somebody has flushed the scripts, or they were never loaded.
		f := o.bounded(seed).family(kind)
		for _, s := range []*script{f.acquire, f.release, f.cancel, f.poll, f.extend, f.sever, f.acquire.joint} {
			if s == nil {
				continue
			}
			if err := o.client.ScriptLoad(context.Background(), s.source).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// bounded returns the dialect for a seed: every other one has scripts that stop soon.
func (o *oracle) bounded(seed uint64) dialect {
	d := o.dialect
	d.grants, d.dead = bound, dead
	if seed/2%2 == 1 {
		d.grants, d.dead = 2, 3
	}
	return d
}

// attempt reports whether the server knew all scripts.
func (o *oracle) attempt(t *testing.T, kind string, seed uint64, steps int) bool {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	d := o.bounded(seed)
	tr := &trial{
		T: t, oracle: o, f: d.family(kind), rand: r, tokens: make(map[string]string), pipe: o.client.Pipeline(),
	}
	tr.keys = keysSlice(o.times + "{" + kind + strconv.FormatUint(seed, 10) + "}")
	tr.m = &model{
		state: tr.keys[stateKey], grants: d.grants, dead: d.dead,
		now: time.Now().UnixMicro(), lock: kind == "lock", holders: make(map[string]*modelHolder),
		alive: make(map[string]int64), said: make(map[string]bool), listening: map[string]bool{"a1": true, "b2": true}, lapsed: make(map[string]bool),
	}
	for _, inst := range oracleInsts {
		for i := range 5 {
			form := []string{"w-", "r-", "rs"}[r.IntN(3)]
			if seed%2 == 0 && kind == "shared" {
				form = "rs"
			} else if form == "rs" {
				form = "r-"
			}
			tr.tokens[inst+"|"+strconv.Itoa(i)] = form + []string{"1", "1", "1", "0"}[r.IntN(4)]
		}
	}
	defer o.client.Del(context.Background(), tr.keys...)
	for range steps {
		tr.step()
	}
	return tr.judge()
}

func TestScriptsAgreeWithModel(t *testing.T) {
	o := newOracle(t)
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	for _, kind := range []string{"lock", "shared"} {
		t.Run(kind, func(t *testing.T) {
			for seed := range rounds {
				o.try(t, kind, uint64(seed), 150)
			}
		})
	}
}

// FuzzScripts is the same for as many seeds as there is time for.
func FuzzScripts(f *testing.F) {
	o := newOracle(f)
	for seed := range uint64(4) {
		f.Add(seed, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, lock bool) {
		kind := "shared"
		if lock {
			kind = "lock"
		}
		o.try(t, kind, seed, 1+rand.New(rand.NewPCG(seed, 2)).IntN(40))
	})
}

func keysSlice(state string) []string {
	k := keysOf(state)
	return k[:]
}
