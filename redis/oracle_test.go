package redis

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// The scripts are compared, reply by reply and state by state, with a model in
// plain Go, under random operations, deliveries that are repeated, processes
// that do not listen, and time that jumps.

const (
	modelLease = 1000
	modelClaim = 300
	modelWait  = 900
)

type modelHolder struct {
	mode  string
	until int64 // ms
	fence int64
}

type modelWaiter struct {
	record string
	ticket int64
}

// A model is what one object should be.
type model struct {
	now       int64 // µs
	lock      bool  // the string family
	holders   map[string]*modelHolder
	queue     []modelWaiter // in order
	alive     map[string]int64
	last      int64
	listening map[string]bool
	lapsed    map[string]bool // ended by their deadlines, and perhaps not removed yet
}

func (m *model) ms() int64 { return m.now / 1000 }

func (m *model) draw() int64 {
	m.last = max(m.last+1, m.now)
	return m.last
}

func (m *model) purge() {
	maps.DeleteFunc(m.holders, func(token string, h *modelHolder) bool {
		if h.until <= m.ms() {
			m.lapsed[token] = !m.lock
			return true
		}
		return false
	})
}

func (m *model) fits(mode string, limit int) bool {
	for _, h := range m.holders {
		if mode == "w" || h.mode == "w" {
			return false
		}
	}
	return limit == 0 || len(m.holders) < limit || len(m.holders) == 0
}

func (m *model) promote() {
	m.purge()
	for len(m.queue) > 0 && !(m.lock && len(m.holders) > 0) {
		f := strings.Split(m.queue[0].record, "|")
		limit, _ := strconv.Atoi(f[3])
		if m.alive[f[0]] > m.ms() {
			if !m.fits(f[2], limit) {
				break
			}
			fence := m.draw()
			if f[4] == "1" && !m.listening[f[0]] {
				delete(m.alive, f[0])
			} else {
				m.holders[f[0]+"|"+f[1]] = &modelHolder{f[2], m.ms() + modelClaim, fence}
			}
		}
		m.queue = m.queue[1:]
	}
	m.tidy()
}

func (m *model) tidy() {
	if len(m.queue) == 0 {
		clear(m.alive)
	}
}

func (m *model) rank(record string) int {
	return slices.IndexFunc(m.queue, func(w modelWaiter) bool { return w.record == record })
}

func (m *model) unqueue(record string) bool {
	i := m.rank(record)
	if i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
	}
	return i >= 0
}

// acquire returns the fence, or the ticket and the rank.
func (m *model) acquire(token, record, ticket, mode string, limit int) (fence, place int64, rank int) {
	m.purge()
	if !m.lock || len(m.holders) == 0 {
		if len(m.queue) > 0 {
			m.promote()
		}
	}
	if h := m.holders[token]; h != nil {
		h.until = m.ms() + modelLease
		m.unqueue(record)
		return h.fence, 0, 0
	}
	if len(m.queue) == 0 && m.fits(mode, limit) {
		f := m.draw()
		m.holders[token] = &modelHolder{mode, m.ms() + modelLease, f}
		return f, 0, 0
	}
	if ticket == "" {
		return 0, 0, -1
	}
	if i := m.rank(record); i >= 0 {
		place = m.queue[i].ticket
	} else {
		if place, _ = strconv.ParseInt(ticket, 10, 64); place == 0 {
			place = m.now
			if n := len(m.queue); n > 0 {
				place = max(place, m.queue[n-1].ticket+1)
			}
		}
		m.queue = append(m.queue, modelWaiter{record, place})
		slices.SortFunc(m.queue, func(a, b modelWaiter) int {
			if a.ticket != b.ticket {
				return int(a.ticket - b.ticket)
			}
			return strings.Compare(a.record, b.record)
		})
	}
	inst, _, _ := strings.Cut(record, "|")
	m.alive[inst] = m.ms() + modelWait
	return 0, place, m.rank(record)
}

func (m *model) release(token string) int64 {
	m.purge()
	h := m.holders[token]
	delete(m.holders, token)
	if len(m.queue) > 0 {
		m.purge()
		if !m.lock || len(m.holders) == 0 {
			m.promote()
		}
	}
	if h == nil {
		return 0
	}
	return 1
}

func (m *model) cancel(token, record string) int64 {
	var r int64
	if m.unqueue(record) {
		r = 1
	}
	m.purge()
	if m.holders[token] != nil {
		r = 2
	}
	delete(m.holders, token)
	m.tidy()
	if len(m.queue) > 0 && !(m.lock && len(m.holders) > 0) {
		m.promote()
	}
	return r
}

func (m *model) poll(inst string, records []string) []int64 {
	if len(m.queue) > 0 {
		m.alive[inst] = m.ms() + modelWait
	}
	m.purge()
	if !m.lock || len(m.holders) == 0 {
		m.promote()
	}
	var out []int64
	for _, record := range records {
		f := strings.Split(record, "|")
		state := int64(0)
		if i := m.rank(record); i >= 0 {
			state = -1 - int64(i)
		} else if h := m.holders[f[0]+"|"+f[1]]; h != nil {
			state = h.fence
		}
		out = append(out, state)
	}
	return out
}

func (m *model) extend(token string) int64 {
	h := m.holders[token]
	if h == nil || h.until <= m.ms() {
		return 0
	}
	h.until = m.ms() + modelLease
	return 1
}

func (m *model) sever() int64 {
	m.purge()
	n := len(m.holders)
	clear(m.holders)
	m.promote()
	return int64(n)
}

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
	v, err := t.client.Eval(context.Background(), s.source, t.keys, args...).Result()
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return v
}

// runJointly is run by way of the script for several, between two that are for
// another lock.
func (t *trial) runJointly(s *script, args []any) any {
	t.Helper()
	other := keysSlice(t.keys[0] + "beside")
	defer t.client.Del(context.Background(), other...)
	beside := "a1|beside"
	part := &call{script: s, keys: t.keys, token: new(string), form: gives}
	*part.token = args[0].(string)
	if len(args) > 1 {
		part.form = deaf
		if args[2] == "" {
			part.form = tries
		} else if strings.HasSuffix(args[3].(string), "|1") {
			part.form = listens
		}
	}
	last := &call{script: t.f.acquire, keys: other, token: &beside, form: listens}
	j := jointly([]*call{{script: t.f.release, keys: other, token: &beside, form: gives}, part, last})
	j.node, j.until = new(node), "9007199254740992"
	cmd := j.prepare(context.Background(), true)
	j.err = t.client.Process(context.Background(), cmd)
	j.value = cmd.Val()
	if again := j.deal(); j.err != nil || len(again) > 0 || j.parts[0].number() != 0 || verdict(last.value).number(0) != 1 {
		t.failf("%s: %v %v", j.script.name, j.value, j.err)
	}
	return part.value
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
	t.client.MSet(ctx, t.times+"s", t.m.now/1e6, t.times+"us", t.m.now%1e6)
	if t.m.lock {
		for _, h := range t.m.holders {
			if h.until <= t.m.ms() {
				t.client.Del(ctx, t.keys[0])
			}
		}
		t.m.purge()
	}
}

var oracleInsts = []string{"a1", "b2", "dead"} // the last one does not listen

func (t *trial) step() {
	t.advance(t.rand.Int64N(50_000))
	if t.rand.IntN(12) == 0 {
		t.advance(t.rand.Int64N(1_500_000))
	}
	inst := oracleInsts[t.rand.IntN(3)]
	token := inst + "|" + strconv.Itoa(t.rand.IntN(5))
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
		if fence != 0 && (r.number(0) != 1 || r.number(1) != fence) {
			t.failf("acquire answered %v; the model grants with fence %d", r, fence)
		}
		if fence == 0 && (r.number(0) != 0 || r.number(3) != place || r.number(4) != int64(rank)) {
			t.failf("acquire answered %v; the model says ticket %d, rank %d", r, place, rank)
		}
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
		args, records := []any{inst, ""}, []string{}
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
		t.note("poll %v", records)
		r := reply(t.run(t.f.poll, args...).([]any))
		each := 2
		if t.m.lock {
			each = 1
		}
		for i, want := range t.m.poll(inst, records) {
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
	var got, want []string
	if t.m.lock {
		if v := t.client.Get(ctx, t.keys[0]).Val(); v != "" {
			got = append(got, v)
		}
		for token := range t.m.holders {
			want = append(want, token)
		}
	} else {
		for _, z := range t.client.ZRangeWithScores(ctx, t.keys[0], 0, -1).Val() {
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
	if q := t.client.ZRange(ctx, t.keys[1], 0, -1).Val(); !slices.Equal(q, queue) {
		t.failf("the server has the queue %v, the model %v", q, queue)
	}
	if len(queue) == 0 && t.client.Exists(ctx, t.keys[3]).Val() != 0 {
		t.failf("nobody waits, and the hash of waiters is still there")
	}
}

// An oracle is a server whose scripts go by a clock that it has been given, with
// subscribers for those who listen.
type oracle struct {
	client *goredis.Client
	times  string // prefix of the keys of its clock
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
	return &oracle{client, times, d}
}

// try runs a trial of so many steps, all of which follow from the seed.
func (o *oracle) try(t *testing.T, kind string, seed uint64, steps int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	tr := &trial{T: t, oracle: o, f: o.family(kind), rand: r, tokens: make(map[string]string)}
	tr.keys = keysSlice(o.times + "{" + kind + strconv.FormatUint(seed, 10) + "}")
	tr.m = &model{
		now: time.Now().UnixMicro(), lock: kind == "lock", holders: make(map[string]*modelHolder),
		alive: make(map[string]int64), listening: map[string]bool{"a1": true, "b2": true}, lapsed: make(map[string]bool),
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
		o.try(t, kind, seed, 40)
	})
}

func keysSlice(state string) []string {
	k := keysOf(state)
	return k[:]
}
