package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// A trial drives a model and a server through the same operations.
type trial struct {
	*testing.T
	*oracle
	m      *model
	f      *family
	keys   []string
	rand   *rand.Rand
	done   []string // what was done, for the report
	tokens map[string]string
}

func (t *trial) run(s *script, args ...any) any {
	t.Helper()
	if s.joint != nil && t.rand.IntN(2) == 0 {
		return t.runJointly(s, args)
	}
	ctx := context.Background()
	v, err := t.client.EvalSha(ctx, s.digest, t.keys, args...).Result()
	if goredis.HasErrorPrefix(err, "NOSCRIPT") {
		v, err = t.client.Eval(ctx, s.source, t.keys, args...).Result()
	}
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return v
}

func (t *trial) anyToken() string {
	return oracleInsts[t.rand.IntN(3)] + "|" + strconv.Itoa(t.rand.IntN(5))
}

func (t *trial) lockRecord(token string) string { return token + "|w|1|" + t.tokens[token][2:] }

// acquired compares the answer to an acquire with what the model says.
func (t *trial) acquired(r reply, fence, place int64, rank int) {
	t.Helper()
	if fence != 0 && (r.number(0) != 1 || r.number(1) != fence) {
		t.failf("acquire answered %v; the model grants with fence %d", r, fence)
	}
	if fence == 0 && (r.number(0) != 0 || r.number(3) != place || r.number(4) != int64(rank)) {
		t.failf("acquire answered %v; the model says ticket %d, rank %d", r, place, rank)
	}
}

func (t *trial) note(format string, args ...any) {
	t.done = append(t.done, fmt.Sprintf("%d: ", t.m.now)+fmt.Sprintf(format, args...))
}

func (t *trial) failf(format string, args ...any) {
	t.Helper()
	t.Fatalf("%s\nafter\n%s", fmt.Sprintf(format, args...), strings.Join(t.done[max(0, len(t.done)-25):], "\n"))
}

// advance moves the clock of both. The server's own clock does not move, so a
// lock whose lease has ended by the model is deleted, as the server would.
func (t *trial) advance(us int64) {
	t.m.now += us
	pipe := t.client.Pipeline()
	ctx := context.Background()
	pipe.MSet(ctx, t.times+"s", t.m.now/1e6, t.times+"us", t.m.now%1e6)
	if t.m.lock {
		for _, h := range t.m.holders {
			if h.until <= t.m.ms() {
				pipe.Del(ctx, t.keys[0])
			}
		}
		t.m.purge()
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
}

var oracleInsts = []string{"a1", "b2", "dead"} // the last one does not listen

func (t *trial) step() {
	t.advance(t.rand.Int64N(50_000_000))
	if t.rand.IntN(12) == 0 {
		t.advance(t.rand.Int64N(1_500_000_000))
	}
	if t.m.lock && t.rand.IntN(5) == 0 {
		t.several()
		t.compare()
		return
	}
	token := t.anyToken()
	inst, _, _ := strings.Cut(token, "|")
	mode, limit := t.tokens[token][:1], 0
	if t.m.lock {
		mode, limit = "w", 1
	} else if t.tokens[token][1] == 's' {
		mode, limit = "r", 2
	}
	record := token + "|" + mode + "|" + strconv.Itoa(limit) + "|" + t.tokens[token][2:]
	for again := true; again; again = t.rand.IntN(4) == 0 { // A message may be delivered twice.
		t.do(inst, token, mode, limit, record)
		t.compare()
		t.advance(t.rand.Int64N(500))
	}
}

func (t *trial) do(inst, token, mode string, limit int, record string) {
	var extra []any
	if !t.m.lock {
		extra = []any{mode}
	}
	switch n := t.rand.IntN(10); {
	case n < 4:
		ticket := []string{"", "0", "0"}[t.rand.IntN(3)]
		t.note("acquire %s ticket %q", record, ticket)
		args := []any{token, "9007199254740992", ticket, record}
		if !t.m.lock {
			args = append(args, mode, limit)
		}
		r := verdict(t.run(t.f.acquire, args...))
		fence, place, rank := t.m.acquire(token, record, ticket, mode, limit)
		t.acquired(r, fence, place, rank)
	case n < 6:
		t.note("release %s", token)
		got, want := t.run(t.f.release, append([]any{token}, extra...)...), t.m.release(token)
		if got != want && !t.lapsed(token) {
			t.failf("release answered %v; the model says %d", got, want)
		}
	case n < 7:
		t.note("cancel %s", record)
		got, want := t.run(t.f.cancel, append([]any{token, record}, extra...)...), t.m.cancel(token, record)
		if got != want && !t.lapsed(token) {
			t.failf("cancel answered %v; the model says %d", got, want)
		}
	case n < 8:
		listens := t.rand.IntN(2) == 0
		args, records := []any{inst, "", map[bool]string{true: "1"}[listens]}, []string{}
		for other, kind := range t.tokens {
			if strings.HasPrefix(other, inst) {
				m, l := kind[:1], "0"
				if t.m.lock {
					m, l = "w", "1"
				} else if kind[1] == 's' {
					m, l = "r", "2"
				}
				records = append(records, other+"|"+m+"|"+l+"|"+kind[2:])
				args = append(args, records[len(records)-1])
			}
		}
		t.note("poll %v, listening: %v", records, listens)
		r := reply(t.run(t.f.poll, args...).([]any))
		each := 2
		if t.m.lock {
			each = 1
		}
		if len(r) != 3+len(records)*each {
			t.failf("poll answered %v for %d records; every holder is ours", r, len(records))
		}
		for i, want := range t.m.poll(inst, listens, records) {
			if got := r.number(3 + i*each); got != want {
				t.failf("poll answered %v for %s; the model says %d", got, records[i], want)
			}
		}
	case n < 9:
		t.note("extend %s", token)
		keys := t.keys
		t.keys = keys[:1]
		member := token
		if !t.m.lock {
			t.keys, member = []string{keys[0], keys[2]}, mode+"|"+token
		}
		got, want := reply(t.run(t.f.extend, member).([]any)).number(0), t.m.extend(token)
		t.keys = keys
		if got != want {
			t.failf("extend answered %v; the model says %d", got, want)
		}
	default:
		if t.rand.IntN(4) > 0 {
			return
		}
		t.note("break")
		got, want := reply(t.run(t.f.sever).([]any)).number(0), t.m.sever()
		if got != want {
			t.failf("break answered %v; the model says %d", got, want)
		}
	}
}

// lapsed reports whether a token's hold ended by its deadline. The server may
// still have had it, which it then says.
func (t *trial) lapsed(token string) bool {
	defer delete(t.m.lapsed, token)
	return t.m.lapsed[token]
}

// compare checks that server and model are in the same state, and that the state
// is one that may be.
func (t *trial) compare() {
	t.Helper()
	ctx := context.Background()
	pipe := t.client.Pipeline()
	var holder *goredis.StringCmd
	var holders *goredis.ZSliceCmd
	if t.m.lock {
		holder = pipe.Get(ctx, t.keys[0])
	} else {
		holders = pipe.ZRangeWithScores(ctx, t.keys[0], 0, -1)
	}
	waiters, hash := pipe.ZRange(ctx, t.keys[1], 0, -1), pipe.Exists(ctx, t.keys[3])
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, goredis.Nil) {
		t.Fatal(err)
	}
	var got, want []string
	if t.m.lock {
		if v := holder.Val(); v != "" {
			got = append(got, v)
		}
		for token := range t.m.holders {
			want = append(want, token)
		}
	} else {
		for _, z := range holders.Val() {
			if int64(z.Score) > t.m.ms() {
				got = append(got, fmt.Sprint(z.Member, " ", int64(z.Score)))
			}
		}
		for token, h := range t.m.holders {
			if h.until > t.m.ms() {
				want = append(want, fmt.Sprint(h.mode, "|", token, " ", h.until))
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.failf("the server has the holders %v, the model %v", got, want)
	}
	var queue []string
	for _, w := range t.m.queue {
		queue = append(queue, w.record)
	}
	if q := waiters.Val(); !slices.Equal(q, queue) {
		t.failf("the server has the queue %v, the model %v", q, queue)
	}
	if len(queue) == 0 && hash.Val() != 0 {
		t.failf("nobody waits, and the hash of waiters is still there")
	}
}
