package history

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	lock      = Object{Name: "l", Kind: Lock, Tokens: Increasing}
	strict    = Object{Name: "l", Kind: Lock, Tokens: Increasing, Strict: true}
	rw        = Object{Name: "rw", Kind: RWLock, Tokens: Fencing}
	rwStrict  = Object{Name: "rw", Kind: RWLock, Tokens: Fencing, Strict: true}
	semaphore = Object{Name: "s", Kind: Semaphore, Limit: 2, Tokens: Increasing}

	together = Object{Name: "s", Kind: Semaphore, Limit: 2, Tokens: Following}
	resource = Object{Name: "r", Kind: Resource}
)

func ok(a Action, seat uint64, call, ret int64, token uint64) Op {
	return Op{Seat: seat, Action: a, Call: call, Return: ret, Outcome: OK, Token: token}
}

func shared(op Op) Op { op.Shared = true; return op }

func without(op Op, o Outcome) Op { op.Outcome, op.Token = o, 0; return op }

// lasting returns an operation that never came back.
func lasting(a Action, seat uint64, call int64) Op {
	return Op{Seat: seat, Action: a, Call: call, Return: Never}
}

func TestRules(t *testing.T) {
	at := func(a Action, seat uint64, when int64) Op { return Op{Seat: seat, Action: a, Call: when, Return: when} }
	for _, c := range []struct {
		name   string
		object Object
		legal  bool
		ops    []Op
	}{
		{"one after the other", lock, true, []Op{
			ok(Acquire, 1, 0, 10, 1), ok(Release, 1, 20, 30, 0), ok(Acquire, 2, 5, 25, 2), ok(Release, 2, 40, 50, 0),
		}},
		{"two holders", lock, false, []Op{
			ok(Acquire, 1, 0, 10, 1), ok(Acquire, 2, 5, 19, 2), ok(Release, 1, 20, 30, 0), ok(Release, 2, 40, 50, 0),
		}},
		{"a holder without end and another", lock, false, []Op{ok(Acquire, 1, 0, 10, 1), ok(Try, 2, 11, 12, 2)}},
		{"twice by the same seat", lock, false, []Op{ok(Acquire, 1, 0, 10, 1), ok(Try, 1, 11, 12, 2)}},
		{"release of another's hold", lock, false, []Op{ok(Acquire, 1, 0, 10, 1), ok(Release, 2, 20, 30, 0)}},
		{"release twice", lock, false, []Op{
			ok(Acquire, 1, 0, 10, 1), ok(Release, 1, 20, 30, 0), ok(Release, 1, 40, 50, 0),
		}},
		{"a release that was lost too", lock, false, []Op{
			ok(Acquire, 1, 0, 10, 1), at(Lost, 1, 15), ok(Release, 1, 20, 30, 0),
		}},
		{"the same token", lock, false, []Op{
			ok(Acquire, 1, 0, 10, 7), ok(Release, 1, 20, 30, 0), ok(Acquire, 2, 40, 50, 7),
		}},
		{"a smaller token", lock, false, []Op{
			ok(Acquire, 1, 0, 10, 7), ok(Release, 1, 20, 30, 0), ok(Acquire, 2, 40, 50, 6),
		}},
		{"no token", lock, false, []Op{ok(Acquire, 1, 0, 10, 0)}},
		{"no token where none is promised", Object{}, true, []Op{ok(Acquire, 1, 0, 10, 0)}},

		{"free after a crash", lock, true, []Op{
			ok(Acquire, 1, 0, 10, 1), lasting(Crash, 1, 20), ok(Acquire, 2, 15, 21, 2),
		}},
		{"taken before the crash", lock, false, []Op{
			ok(Acquire, 1, 0, 10, 1), lasting(Crash, 1, 20), ok(Acquire, 2, 15, 19, 2),
		}},
		{"taken before the loss", lock, false, []Op{
			ok(Acquire, 1, 0, 10, 1), at(Lost, 1, 20), ok(Acquire, 2, 15, 19, 2),
		}},
		{"taken after the loss, told late", lock, true, []Op{
			ok(Acquire, 1, 0, 10, 1), {Seat: 1, Action: Lost, Call: 12, Return: 90}, ok(Acquire, 2, 15, 19, 2),
		}},
		{"lost before the acquire returned, and taken before that", lock, true, []Op{
			ok(Acquire, 1, 0, 50, 1), {Seat: 1, Action: Lost, Call: 10, Return: 90}, ok(Acquire, 2, 15, 19, 2),
		}},
		{"granted late and lost at once, after another hold", lock, true, []Op{
			ok(Acquire, 2, 1, 5, 1), ok(Release, 2, 30, 35, 0),
			ok(Acquire, 1, 0, 50, 2), {Seat: 1, Action: Lost, Call: 10, Return: 90}, ok(Acquire, 3, 55, 60, 3),
		}},
		{"lost before the acquire returned, but not before it was taken", lock, false, []Op{
			ok(Acquire, 1, 0, 50, 1), {Seat: 1, Action: Lost, Call: 20, Return: 90}, ok(Acquire, 2, 15, 19, 2),
			ok(Release, 2, 60, 61, 0),
		}},
		{"a loss of nothing", lock, true, []Op{at(Lost, 1, 5), ok(Acquire, 1, 10, 20, 1)}},
		{"released and found gone", lock, true, []Op{
			ok(Acquire, 1, 0, 10, 1), ok(Acquire, 2, 15, 19, 2), without(ok(Release, 1, 20, 30, 0), Gone),
		}},
		{"found gone before it was there", lock, false, []Op{
			ok(Acquire, 2, 3, 5, 2), ok(Acquire, 1, 6, 10, 3), without(ok(Release, 1, 20, 30, 0), Gone),
		}},
		{"release of unknown outcome", lock, true, []Op{
			ok(Acquire, 1, 0, 10, 1), without(ok(Release, 1, 20, 30, 0), Unknown), ok(Acquire, 2, 40, 50, 2),
		}},
		{"release in flight at the end", lock, true, []Op{
			ok(Acquire, 1, 0, 10, 1), lasting(Release, 1, 20), lasting(Crash, 1, 20), ok(Acquire, 2, 40, 50, 2),
		}},
		{"acquire in flight at the end", lock, true, []Op{
			lasting(Acquire, 1, 0), lasting(Crash, 1, 20), ok(Acquire, 2, 15, 19, 2), ok(Release, 2, 30, 31, 0),
		}},
		{"acquire of unknown outcome, and again", lock, true, []Op{
			without(ok(Acquire, 1, 0, 10, 0), Unknown), ok(Acquire, 1, 11, 20, 3), ok(Release, 1, 21, 22, 0),
		}},

		{"refused while held", strict, true, []Op{
			ok(Acquire, 1, 0, 10, 1), without(ok(Try, 2, 11, 12, 0), Refused), ok(Release, 1, 20, 30, 0),
		}},
		{"refused while free", strict, false, []Op{
			ok(Acquire, 1, 0, 10, 1), ok(Release, 1, 20, 30, 0), without(ok(Try, 2, 31, 32, 0), Refused),
		}},
		{"refused while free, by a lenient history", lock, true, []Op{without(ok(Try, 2, 31, 32, 0), Refused)}},
		{"a wait that was given up explains itself", strict, true, []Op{without(ok(Acquire, 2, 31, 32, 0), Refused)}},
		{"refused before what is unknown", strict, false, []Op{
			without(ok(Try, 2, 1, 2, 0), Refused), lasting(Acquire, 1, 3),
		}},
		{"refused for what is unknown", strict, true, []Op{
			lasting(Acquire, 1, 0), without(ok(Try, 2, 11, 12, 0), Refused), ok(Try, 3, 13, 14, 1),
		}},
		{"refused for a crashed holder, for a while", strict, true, []Op{
			ok(Acquire, 1, 0, 10, 1), lasting(Crash, 1, 20), without(ok(Try, 2, 31, 32, 0), Refused), ok(Try, 2, 33, 34, 2),
		}},
		{"refused for a crashed holder, who comes back", strict, false, []Op{
			ok(Acquire, 1, 0, 10, 1), lasting(Crash, 1, 20), ok(Try, 2, 31, 32, 2), ok(Release, 2, 33, 34, 0),
			without(ok(Try, 3, 35, 36, 0), Refused),
		}},
		{"refused for a release under way", strict, true, []Op{
			ok(Acquire, 1, 0, 10, 1), ok(Release, 1, 20, 30, 0), without(ok(Try, 2, 21, 22, 0), Refused), ok(Try, 3, 23, 24, 2),
		}},

		{"readers", rw, true, []Op{
			shared(ok(Acquire, 1, 0, 10, 5)), shared(ok(Acquire, 2, 0, 10, 5)), ok(Release, 1, 20, 30, 0),
			ok(Release, 2, 20, 35, 0), ok(Acquire, 3, 5, 36, 6), ok(Release, 3, 40, 50, 0), shared(ok(Acquire, 1, 45, 60, 7)),
		}},
		{"a reader beside a writer", rw, false, []Op{
			ok(Acquire, 1, 0, 10, 1), shared(ok(Acquire, 2, 5, 15, 2)), ok(Release, 1, 20, 30, 0),
		}},
		{"a writer beside a reader", rw, false, []Op{
			shared(ok(Acquire, 1, 0, 10, 1)), shared(ok(Acquire, 2, 0, 10, 2)), ok(Release, 1, 11, 12, 0), ok(Acquire, 3, 13, 15, 3),
		}},
		{"two writers", rw, false, []Op{ok(Acquire, 1, 0, 10, 1), ok(Acquire, 2, 5, 15, 2), ok(Release, 1, 20, 30, 0)}},
		{"a reader's token that is a writer's", rw, false, []Op{
			ok(Acquire, 1, 0, 10, 4), ok(Release, 1, 11, 12, 0), shared(ok(Acquire, 2, 13, 15, 4)),
		}},
		{"a writer's token that is a reader's", Object{Kind: RWLock, Tokens: Increasing}, false, []Op{
			shared(ok(Acquire, 1, 0, 10, 4)), ok(Release, 1, 11, 12, 0), ok(Acquire, 2, 13, 15, 4),
		}},
		{"a reader refused beside a reader", rwStrict, false, []Op{
			shared(ok(Acquire, 1, 0, 10, 1)), without(shared(ok(Try, 2, 11, 12, 0)), Refused),
		}},
		{"a reader refused beside a writer", rwStrict, true, []Op{
			ok(Acquire, 1, 0, 10, 1), without(shared(ok(Try, 2, 11, 12, 0)), Refused),
		}},

		{"as many as there are permits", semaphore, true, []Op{
			ok(Acquire, 1, 0, 10, 2), ok(Acquire, 2, 0, 10, 1), ok(Release, 1, 20, 30, 0), ok(Acquire, 3, 5, 25, 3),
		}},
		{"one too many", semaphore, false, []Op{
			ok(Acquire, 1, 0, 10, 2), ok(Acquire, 2, 0, 10, 1), ok(Release, 1, 20, 30, 0), ok(Acquire, 3, 5, 19, 3),
		}},
		{"a permit beside a crashed holder's", semaphore, true, []Op{
			ok(Acquire, 1, 0, 10, 1), ok(Acquire, 2, 11, 12, 2), lasting(Crash, 1, 20), ok(Acquire, 3, 15, 21, 3),
		}},
		{"a permit too many beside a crashed holder's", semaphore, false, []Op{
			ok(Acquire, 1, 0, 10, 1), ok(Acquire, 2, 11, 12, 2), lasting(Crash, 1, 20), ok(Acquire, 3, 15, 21, 3), ok(Acquire, 4, 15, 21, 4),
		}},
		{"permits whose tokens grow in another order than their holds began", semaphore, false, []Op{
			ok(Acquire, 1, 0, 1, 1), ok(Acquire, 2, 2, 10, 3), ok(Release, 1, 20, 21, 0), ok(Acquire, 3, 5, 25, 2),
		}},
		{"the same, where they may", together, true, []Op{
			ok(Acquire, 1, 0, 1, 1), ok(Acquire, 2, 2, 10, 3), ok(Release, 1, 20, 21, 0), ok(Acquire, 3, 5, 25, 2),
		}},
		{"a smaller token for one who came later", together, false, []Op{
			ok(Acquire, 1, 0, 1, 1), ok(Acquire, 2, 2, 10, 3), ok(Release, 1, 20, 21, 0), ok(Acquire, 3, 11, 25, 2),
		}},
		{"permits at the same time with the same token", together, false, []Op{ok(Acquire, 1, 0, 10, 1), ok(Acquire, 2, 0, 10, 1)}},
		{"permits with the same token", semaphore, false, []Op{ok(Acquire, 1, 0, 10, 1), ok(Acquire, 2, 0, 10, 1)}},

		{"writes", resource, true, []Op{
			ok(Write, 1, 0, 10, 3), ok(Write, 1, 11, 12, 3), ok(Write, 2, 5, 20, 4), refusedWrite(ok(Write, 1, 21, 22, 3)),
		}},
		{"a stale write that was accepted", resource, false, []Op{ok(Write, 1, 0, 10, 3), ok(Write, 2, 11, 20, 2)}},
		{"a fresh write that was refused", resource, false, []Op{ok(Write, 1, 0, 10, 3), refusedWrite(ok(Write, 2, 11, 20, 3))}},
		{"a write in flight that may count", resource, true, []Op{
			{Seat: 1, Action: Write, Call: 0, Return: Never, Token: 9}, refusedWrite(ok(Write, 2, 11, 20, 3)),
		}},
		{"a write in flight that need not", resource, true, []Op{
			{Seat: 1, Action: Write, Call: 0, Return: Never, Token: 9}, ok(Write, 2, 11, 20, 3),
		}},
		{"a write in flight that counted before", resource, false, []Op{
			{Seat: 1, Action: Write, Call: 0, Return: Never, Token: 9}, refusedWrite(ok(Write, 2, 11, 20, 3)), ok(Write, 3, 21, 22, 4),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check(c.object, c.ops, time.Minute)
			v := (*ViolationError)(nil)
			if errors.As(err, &v) == c.legal || c.legal && err != nil {
				t.Fatalf("legal: %v, and Check says %v", c.legal, err)
			}
			if v != nil {
				var page bytes.Buffer
				if err := v.WriteHTML(&page); err != nil || !strings.Contains(page.String(), "<html") {
					t.Errorf("there is no picture of it: %v", err)
				}
				if text := err.Error(); !strings.Contains(text, "none of these can be next") && !strings.Contains(text, "its token is not greater") {
					t.Errorf("the violation is told as %v", err)
				}
			}
		})
	}
}

// refusedWrite is a write that was refused: it keeps its token.
func refusedWrite(op Op) Op { op.Outcome = Refused; return op }

func TestDefectiveRecords(t *testing.T) {
	for name, ops := range map[string][]Op{
		"two acquires of a seat at once": {ok(Acquire, 1, 0, 10, 1), ok(Acquire, 1, 5, 20, 2)},
		"returned before it was called":  {ok(Acquire, 1, 10, 0, 1)},
		"an outcome without a return":    {ok(Acquire, 1, 10, Never, 1)},
		"a write to a lock":              {ok(Write, 1, 0, 10, 1)},
		"a reader of a lock":             {shared(ok(Acquire, 1, 0, 10, 1))},
	} {
		err := Check(lock, ops, time.Minute)
		if v := (*ViolationError)(nil); err == nil || errors.As(err, &v) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
	if err := Check(Object{Kind: Semaphore}, nil, time.Minute); err == nil {
		t.Error("a semaphore without permits is accepted")
	}
	strict := lock
	strict.Strict = true // so that a search is needed
	if err := Check(strict, []Op{ok(Acquire, 1, 0, 1, 1)}, -1); !errors.Is(err, ErrUndecided) {
		t.Errorf("without time the error is %v", err)
	}
}

// A run is a history that an object which keeps its rules has produced, with
// every operation's instant between its call and its return; and with crashes,
// losses and unknown outcomes.
type run struct {
	object  Object
	rng     *rand.Rand
	ops     []Op
	clock   int64
	token   uint64
	holders map[uint64]bool // seat: shared
	resting []uint64
	last    map[uint64]int64 // when a seat's last operation returned
	granted map[uint64]int   // the index of its last acquire
}

func newRun(object Object, seed uint64, seats int) *run {
	r := &run{object: object, rng: rand.New(rand.NewPCG(seed, 1)), holders: make(map[uint64]bool), last: make(map[uint64]int64), granted: make(map[uint64]int)}
	for seat := range seats {
		r.resting = append(r.resting, uint64(seat+1))
	}
	return r
}

func (r *run) play(steps int) []Op {
	next := uint64(1000)
	for range steps {
		r.clock += 10
		if len(r.holders) > 0 && (len(r.resting) == 0 || r.rng.IntN(2) == 0) {
			r.end(&next)
			continue
		}
		if len(r.resting) > 0 {
			r.begin()
		}
	}
	return r.ops
}

// around gives an operation a call and a return some way off from now, but its
// seat's operations one after the other.
func (r *run) around(op Op, early int64) Op {
	op.Call = max(r.clock-r.rng.Int64N(early), r.last[op.Seat])
	op.Return = r.clock + r.rng.Int64N(9)
	r.last[op.Seat] = op.Return
	return op
}

func (r *run) begin() {
	i := r.rng.IntN(len(r.resting))
	seat := r.resting[i]
	early := []int64{9, 200}[r.rng.IntN(2)] // At times it has waited.
	op := r.around(Op{Seat: seat, Outcome: OK, Shared: r.object.Kind == RWLock && r.rng.IntN(3) > 0}, early)
	var s state
	for h, shared := range r.holders {
		s = s.with(holder{h, shared})
	}
	if !r.object.admits(s, holder{seat, op.Shared}) {
		op.Action, op.Outcome = Try, Refused
		r.ops = append(r.ops, op)
		return
	}
	r.token++
	op.Token = r.token
	r.granted[seat] = len(r.ops)
	r.ops = append(r.ops, op)
	r.holders[seat] = op.Shared
	r.resting[i] = r.resting[len(r.resting)-1]
	r.resting = r.resting[:len(r.resting)-1]
}

func (r *run) end(next *uint64) {
	seats := sorted(r.holders)
	seat := seats[r.rng.IntN(len(seats))]
	op := r.around(Op{Seat: seat, Action: Release, Outcome: OK}, 9)
	switch r.rng.IntN(8) {
	case 0:
		op.Outcome = Unknown
	case 1:
		op.Action, op.Outcome = Lost, Unknown
		if r.rng.IntN(2) == 0 { // Its acquire returns after that.
			grant := &r.ops[r.granted[seat]]
			grant.Return = r.clock + r.rng.Int64N(100)
			op.Call, op.Return = r.clock, grant.Return+1
			*next++
			seat = *next
		}
	case 2:
		op.Action, op.Outcome, op.Return = Crash, Unknown, Never
		*next++
		seat = *next // its successor
	}
	r.ops = append(r.ops, op)
	delete(r.holders, op.Seat)
	r.resting = append(r.resting, seat)
}

// Histories of an object that keeps its rules are legal, cut into pieces or not;
// and those of one that has broken them once are not.
func TestCutsChangeNoVerdict(t *testing.T) {
	for _, object := range []Object{
		lock, {Name: "rw", Kind: RWLock, Tokens: Increasing}, {Name: "s", Kind: Semaphore, Limit: 3, Tokens: Increasing},
	} {
		pieces := 0
		for seed := range uint64(60) {
			ops := newRun(object, seed, 8).play(600)
			if seed%2 == 1 {
				ops = spoil(object, ops, seed)
			}
			all, err := moves(object, ops)
			if err != nil {
				t.Fatal(err)
			}
			pieces += len(object.cut(all))
			whole := object
			whole.Strict = true // leaves it whole, and explains refusals
			cut := Check(object, ops, time.Minute)
			if legal := seed%2 == 0; (cut == nil) != legal {
				t.Fatalf("kind %d, seed %d: legal: %v, and Check says %v", object.Kind, seed, legal, cut)
			}
			if seed%2 == 0 {
				if err := Check(whole, ops, time.Minute); err != nil {
					t.Fatalf("kind %d, seed %d: as a whole: %v", object.Kind, seed, err)
				}
			}
		}
		if pieces < 120 {
			t.Errorf("kind %d: 60 histories of 600 steps were cut into %d pieces", object.Kind, pieces)
		}
	}
}

// spoil breaks a rule once: a hold that begins while the object is full, or a
// token that has been given before.
func spoil(object Object, ops []Op, seed uint64) []Op {
	rng := rand.New(rand.NewPCG(seed, 2))
	for {
		i := len(ops)/4 + rng.IntN(len(ops)/2)
		op := ops[i]
		if op.Outcome != OK || op.Action > Try {
			continue
		}
		if seed%4 == 1 {
			op.Token -= 5
			op.Call = op.Return // nobody else's acquire can come after
			ops[i] = op
			return ops
		}
		// Twins of it, that stay until the end, are too many for any limit.
		last := ops[len(ops)-1].Call
		for n := range uint64(max(object.Limit, 1)) {
			twin := op
			twin.Seat = 1<<20 + n
			twin.Shared = false
			twin.Token = 1<<40 + n
			ops = append(ops, twin, Op{Seat: twin.Seat, Action: Crash, Call: last + 1000, Return: Never})
		}
		return ops
	}
}

func TestLongHistory(t *testing.T) {
	for _, object := range []Object{
		lock, {Name: "rw", Kind: RWLock, Tokens: Increasing}, {Name: "s", Kind: Semaphore, Limit: 3, Tokens: Increasing},
	} {
		ops := newRun(object, 1, 12).play(50_000)
		start := time.Now()
		if err := Check(object, ops, time.Minute); err != nil {
			t.Error(err)
		}
		t.Logf("kind %d: %d operations in %v", object.Kind, len(ops), time.Since(start))
	}
}

// Permits that are granted at the same time may return in any order, and that of the
// tokens is then the only one: it is tried without a search.
func TestTheOrderOfTokensIsTriedFirst(t *testing.T) {
	var ops []Op
	for round := range uint64(2000) {
		at := int64(round) * 100
		for seat := range uint64(2) {
			ops = append(ops, ok(Acquire, seat, at, at+10+int64(seat), 2*round+2-seat), ok(Release, seat, at+50, at+60, 0))
		}
	}
	moves, err := moves(semaphore, ops)
	if err != nil {
		t.Fatal(err)
	}
	if !semaphore.obvious(piece{moves: moves}) {
		t.Error("a search is needed")
	}
	ops[len(ops)-2].Token = ops[0].Token
	if v := (*ViolationError)(nil); !errors.As(Check(semaphore, ops, time.Minute), &v) {
		t.Error("a token that comes again after 2000 rounds is accepted")
	}
}
