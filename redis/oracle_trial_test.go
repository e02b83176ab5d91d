package redis

import (
	"context"
	"fmt"
	"maps"
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

	pipe   goredis.Pipeliner
	judged []judgement // in the end
}

// A judgement compares a reply with what the model said.
type judgement struct {
	done  int // of trial.done, when the reply's command was sent
	judge func()
}

// then has a reply judged when all are there.
func (t *trial) then(judge func()) { t.judged = append(t.judged, judgement{len(t.done), judge}) }

// run has a script judged by what it answers.
func (t *trial) run(s *script, judge func(answer any), args ...any) {
	t.Helper()
	if s.joint != nil && t.rand.IntN(2) == 0 {
		t.runJointly(s, judge, args)
		return
	}
	cmd := t.pipe.EvalSha(context.Background(), s.digest, t.keys, args...)
	t.then(func() { judge(t.answer(s, cmd)) })
}

func (t *trial) answer(s *script, cmd *goredis.Cmd) any {
	t.Helper()
	if err := cmd.Err(); err != nil {
		t.failf("%s: %v", s.name, err)
	}
	return cmd.Val()
}

// judge sends all, and reports whether the server knew the scripts. If so, the
// trial is judged.
func (t *trial) judge() bool {
	t.Helper()
	sent, _ := t.pipe.Exec(context.Background()) // The error is that of one of them.
	heard := t.heard.all(t)
	for _, cmd := range sent {
		if goredis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			return false
		}
	}
	all := t.done
	for _, v := range t.judged {
		t.done = all[:v.done]
		v.judge()
	}
	t.done = all
	slices.Sort(heard)
	slices.Sort(t.m.sent)
	if !slices.Equal(heard, t.m.sent) {
		t.failf("the server has published\n%s\nand the model\n%s", strings.Join(heard, "\n"), strings.Join(t.m.sent, "\n"))
	}
	return true
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
	ctx := context.Background()
	t.pipe.MSet(ctx, t.times+"s", t.m.now/1e6, t.times+"us", t.m.now%1e6)
	if t.m.lock {
		for _, h := range t.m.holders {
			if h.until <= t.m.ms() {
				t.pipe.Del(ctx, t.keys[0])
			}
		}
		t.m.purge()
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
		fence, place, rank := t.m.acquire(token, record, ticket, mode, limit)
		t.run(t.f.acquire, func(answer any) { t.acquired(verdict(answer), fence, place, rank) }, args...)
	case n < 6:
		t.note("release %s", token)
		want := t.m.release(token)
		lapsed := t.lapsed(token)
		t.run(t.f.release, func(got any) {
			if got != want && !lapsed {
				t.failf("release answered %v; the model says %d", got, want)
			}
		}, append([]any{token}, extra...)...)
	case n < 7:
		t.note("cancel %s", record)
		want := t.m.cancel(token, record)
		lapsed := t.lapsed(token)
		t.run(t.f.cancel, func(got any) {
			if got != want && !lapsed {
				t.failf("cancel answered %v; the model says %d", got, want)
			}
		}, append([]any{token, record}, extra...)...)
	case n < 8:
		listens := t.rand.IntN(2) == 0
		args, records := []any{inst, "", map[bool]string{true: "1"}[listens]}, []string{}
		for _, other := range slices.Sorted(maps.Keys(t.tokens)) {
			if kind := t.tokens[other]; strings.HasPrefix(other, inst) {
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
		each, states := 2, t.m.poll(inst, listens, records)
		if t.m.lock {
			each = 1
		}
		t.run(t.f.poll, func(answer any) {
			r := reply(answer.([]any))
			if len(r) != 3+len(records)*each {
				t.failf("poll answered %v for %d records; every holder is ours", r, len(records))
			}
			for i, want := range states {
				if got := r.number(3 + i*each); got != want {
					t.failf("poll answered %v for %s; the model says %d", got, records[i], want)
				}
			}
		}, args...)
	case n < 9:
		t.note("extend %s", token)
		keys := t.keys
		t.keys = keys[:1]
		member := token
		if !t.m.lock {
			t.keys, member = []string{keys[0], keys[2]}, mode+"|"+token
		}
		want := t.m.extend(token)
		t.run(t.f.extend, func(answer any) {
			if got := reply(answer.([]any)).number(0); got != want {
				t.failf("extend answered %v; the model says %d", got, want)
			}
		}, member)
		t.keys = keys
	default:
		if t.rand.IntN(4) > 0 {
			return
		}
		t.note("break")
		want := t.m.sever()
		t.run(t.f.sever, func(answer any) {
			if got := reply(answer.([]any)).number(0); got != want {
				t.failf("break answered %v; the model says %d", got, want)
			}
		})
	}
}

// lapsed reports whether a token's hold ended by its deadline. The server may
// still have had it, which it then says, once.
func (t *trial) lapsed(token string) bool {
	defer delete(t.m.lapsed, token)
	return t.m.lapsed[token]
}

// compare has it checked that server and model are in the same state, and that the
// state is one that may be.
func (t *trial) compare() {
	ctx := context.Background()
	var holder *goredis.StringCmd
	var holders *goredis.ZSliceCmd
	if t.m.lock {
		holder = t.pipe.Get(ctx, t.keys[0])
	} else {
		holders = t.pipe.ZRangeWithScores(ctx, t.keys[0], 0, -1)
	}
	waiters, hash := t.pipe.ZRange(ctx, t.keys[1], 0, -1), t.pipe.Exists(ctx, t.keys[3])
	now, want := t.m.ms(), []string(nil)
	for token, h := range t.m.holders {
		switch {
		case t.m.lock:
			want = append(want, token)
		case h.until > now:
			want = append(want, fmt.Sprint(h.mode, "|", token, " ", h.until))
		}
	}
	slices.Sort(want)
	var queue []string
	for _, w := range t.m.queue {
		queue = append(queue, w.record)
	}
	t.then(func() {
		t.Helper()
		var got []string
		if holder != nil {
			if v := holder.Val(); v != "" {
				got = append(got, v)
			}
		} else {
			for _, z := range holders.Val() {
				if int64(z.Score) > now {
					got = append(got, fmt.Sprint(z.Member, " ", int64(z.Score)))
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.failf("the server has the holders %v, the model %v", got, want)
		}
		if q, err := waiters.Result(); err != nil || !slices.Equal(q, queue) {
			t.failf("the server has the queue %v (%v), the model %v", q, err, queue)
		}
		if n, err := hash.Result(); err != nil || len(queue) == 0 && n != 0 {
			t.failf("nobody waits, and the hash of waiters is still there: %v", err)
		}
	})
}
