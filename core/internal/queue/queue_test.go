package queue_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core/internal/queue"
)

var (
	key   = queue.Key{Kind: "k", Name: "n"}
	lock  = queue.Request{Limit: 1}
	try   = queue.Request{Limit: 1, Try: true}
	read  = queue.Request{Limit: 1, Shared: true}
	readT = queue.Request{Limit: 1, Shared: true, Try: true}
)

// entering is an Enter that is under way.
type entering struct {
	turn   *queue.Turn
	err    error
	over   bool
	cancel context.CancelFunc
}

// enter starts an Enter in a bubble and lets it come to rest.
func enter(t *testing.T, table *queue.Table, req queue.Request) *entering {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	e := &entering{cancel: cancel}
	go func() {
		e.turn, e.err = table.Enter(ctx, key, req, nil)
		e.over = true
	}()
	synctest.Wait()
	return e
}

func (e *entering) mustBe(t *testing.T, what string, over bool, err error) {
	t.Helper()
	synctest.Wait()
	if e.over != over || !errors.Is(e.err, err) {
		t.Fatalf("%s: over = %v with error %v, want %v with %v", what, e.over, e.err, over, err)
	}
}

func TestExclusiveEntriesAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table queue.Table
		first := enter(t, &table, lock)
		first.mustBe(t, "the first", true, nil)
		var behind []*entering
		for range 10 {
			behind = append(behind, enter(t, &table, lock))
		}
		turn := first.turn
		for i, e := range behind {
			e.mustBe(t, "a waiter before its turn", false, nil)
			turn.Holding()
			e.mustBe(t, "a waiter while the object is held", false, nil)
			turn.Leave()
			e.mustBe(t, "the waiter whose turn it is", true, nil)
			for _, later := range behind[i+1:] {
				later.mustBe(t, "a later waiter", false, nil)
			}
			turn = e.turn
		}
		turn.Leave()
	})
}

func TestTryAwaitsTheOutcomeOfAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table queue.Table
		attempt := enter(t, &table, lock)
		granted := enter(t, &table, try)
		granted.mustBe(t, "a Try during an attempt", false, nil)
		attempt.turn.Leave() // It failed.
		granted.mustBe(t, "the Try after the attempt failed", true, nil)

		refused := enter(t, &table, try)
		granted.turn.Holding()
		refused.mustBe(t, "a Try when the attempt succeeded", true, queue.ErrBusy)
		granted.turn.Leave()
	})
}

func TestTryIsRefusedByWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table queue.Table
		attempt := enter(t, &table, lock)
		queued := enter(t, &table, lock)
		enter(t, &table, try).mustBe(t, "a Try behind a queued entry", true, queue.ErrBusy)
		attempt.turn.Waiting(queue.ErrBusy)
		enter(t, &table, try).mustBe(t, "a Try behind one that waits at the server", true, queue.ErrBusy)
		if table.TryEnter(key, try) != nil {
			t.Error("TryEnter passed a waiter")
		}
		attempt.turn.Leave()
		queued.mustBe(t, "the queued entry", true, nil)
		queued.turn.Leave()
	})
}

// What an entry that is turned away is told: whether somebody holds the object, as far
// as the server has told this process while the entry was in line.
func TestWhyAnEntryIsTurnedAway(t *testing.T) {
	errAway := errors.New("the server is away")
	permit := queue.Request{Limit: 2}
	why := func(t *testing.T, what string, e *entering, want error) {
		t.Helper()
		e.cancel()
		synctest.Wait()
		refused, ok := errors.AsType[*queue.RefusedError](e.err)
		if !ok || !errors.Is(refused.Why, want) {
			t.Errorf("%s: %v, why: %v; want %v", what, e.err, refused.Why, want)
		}
	}
	for name, run := range map[string]func(t *testing.T, table *queue.Table){
		"what was answered before it came is none of its business": func(t *testing.T, table *queue.Table) {
			away, next := enter(t, table, lock), enter(t, table, lock)
			away.turn.Waiting(errAway)
			away.turn.Leave()
			why(t, "behind one who is not answered", enter(t, table, lock), nil)
			next.turn.Leave()
		},
		"what held when it came": func(t *testing.T, table *queue.Table) {
			first := enter(t, table, lock)
			first.turn.Holding()
			next, last := enter(t, table, lock), enter(t, table, lock)
			first.turn.Leave()
			why(t, "behind one who held", last, queue.ErrBusy)
			next.turn.Leave()
		},
		"a holder beside one who left": func(t *testing.T, table *queue.Table) {
			first, second := enter(t, table, permit), enter(t, table, permit)
			first.turn.Holding()
			second.turn.Waiting(errAway)
			second.turn.Leave()
			third := enter(t, table, permit)
			why(t, "of a limit of one", enter(t, table, lock), queue.ErrBusy)
			first.turn.Leave()
			third.turn.Leave()
		},
		"a Try behind a queued entry": func(t *testing.T, table *queue.Table) {
			attempt, queued := enter(t, table, lock), enter(t, table, lock)
			why(t, "a Try", enter(t, table, try), queue.ErrBusy)
			attempt.turn.Leave()
			queued.mustBe(t, "the queued entry", true, nil)
			queued.turn.Leave()
		},
		"a Try where one holds and another one waits": func(t *testing.T, table *queue.Table) {
			holds, waits := enter(t, table, read), enter(t, table, read)
			holds.turn.Holding()
			waits.turn.Waiting(errAway)
			why(t, "a writer's Try", enter(t, table, try), queue.ErrBusy)
			holds.turn.Leave()
			why(t, "a writer's Try, with the one who waits", enter(t, table, try), errAway)
			waits.turn.Leave()
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { run(t, new(queue.Table)) }) })
	}
}

func TestReadersEnterTogetherAndAWaitingWriterStopsLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table queue.Table
		a, b := enter(t, &table, read), enter(t, &table, read)
		a.mustBe(t, "the first reader", true, nil)
		b.mustBe(t, "the second reader", true, nil)
		a.turn.Waiting(queue.ErrBusy)
		enter(t, &table, readT).turn.Leave() // A reader joins one that waits at the server.
		writer := enter(t, &table, lock)
		c, d := enter(t, &table, read), enter(t, &table, read)
		enter(t, &table, readT).mustBe(t, "a reader's Try behind a writer", true, queue.ErrBusy)
		a.turn.Leave()
		writer.mustBe(t, "the writer with a reader left", false, nil)
		b.turn.Leave()
		writer.mustBe(t, "the writer", true, nil)
		c.mustBe(t, "a reader behind the writer", false, nil)
		writer.turn.Leave()
		c.mustBe(t, "the readers after the writer", true, nil)
		d.mustBe(t, "the readers after the writer", true, nil)
		writer = enter(t, &table, lock)
		if table.TryEnter(key, read) != nil {
			t.Error("TryEnter let a reader pass a queued writer")
		}
		c.turn.Leave()
		d.turn.Leave()
		writer.mustBe(t, "the second writer", true, nil)
	})
}

func TestNobodyPassesATryThatAwaitsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table queue.Table
		a := enter(t, &table, read) // Its attempt is under way.
		writer := enter(t, &table, try)
		b := enter(t, &table, read)
		writer.mustBe(t, "a writer's Try during a reader's attempt", false, nil)
		b.mustBe(t, "a reader behind that Try", false, nil)
		a.turn.Leave()
		writer.mustBe(t, "the Try when the attempt has failed", true, nil)
		b.mustBe(t, "the reader behind the Try that was admitted", false, nil)
		writer.turn.Leave()
		b.mustBe(t, "the reader in the end", true, nil)
	})
}

func TestLinesAreIndependent(t *testing.T) {
	var table queue.Table
	enter := func(name string) *queue.Turn {
		turn := table.TryEnter(queue.Key{Kind: "k", Name: name}, lock)
		if turn == nil {
			t.Fatalf("the line of %q is not empty", name)
		}
		return turn
	}
	enter("a").Leave()
	a, b := enter("a"), enter("b")
	if table.TryEnter(queue.Key{Kind: "k", Name: "a"}, lock) != nil {
		t.Error("a name was entered twice")
	}
	other := table.TryEnter(queue.Key{Kind: "other", Name: "a"}, lock)
	if other == nil {
		t.Fatal("two kinds of one name share a line")
	}
	for _, turn := range []*queue.Turn{a, b, other} {
		turn.Holding()
	}
	if table.TryEnter(queue.Key{Kind: "k", Name: "a"}, lock) != nil || table.Lines() != 3 {
		t.Errorf("3 names are held, and %d lines are known", table.Lines())
	}
	for _, turn := range []*queue.Turn{a, b, other} {
		turn.Leave()
	}
	if n := table.Lines(); n != 0 {
		t.Errorf("%d lines are kept although nobody is in them", n)
	}
	if n := testing.AllocsPerRun(100, func() { enter("c").Leave() }); n > 1 {
		t.Errorf("a lone entry makes %v allocations, want one, for its turn", n)
	}
}

func TestCancelOfAWriterLetsTheReadersBehindItIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table queue.Table
		a := enter(t, &table, read)
		a.turn.Holding()
		writer, b := enter(t, &table, lock), enter(t, &table, read)
		b.mustBe(t, "a reader behind the writer", false, nil)
		writer.cancel()
		writer.mustBe(t, "the cancelled writer", true, context.Canceled)
		b.mustBe(t, "the reader when the writer has gone", true, nil)
		a.turn.Leave()
		b.turn.Leave()
		enter(t, &table, lock).mustBe(t, "a writer in the end", true, nil)
	})
}

func TestPermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table queue.Table
		three := queue.Request{Limit: 3}
		a, b := enter(t, &table, three), enter(t, &table, three)
		a.turn.Holding()
		b.turn.Waiting(queue.ErrBusy) // The server has no more, whatever the limit says here.
		c := enter(t, &table, three)
		c.mustBe(t, "a permit behind one that waits at the server", false, nil)
		b.turn.Holding()
		c.mustBe(t, "the third permit", true, nil)
		d := enter(t, &table, three)
		d.mustBe(t, "a fourth permit", false, nil)
		a.turn.Leave()
		d.mustBe(t, "a queued permit while another attempt is under way", false, nil)
		c.turn.Holding()
		d.mustBe(t, "a permit after another left", true, nil)
	})
}

func TestPassOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table queue.Table
		a := enter(t, &table, lock)
		a.turn.Holding()
		offered := false
		offer := func() (any, bool) { offered = true; return "gift", true }
		if a.turn.PassOn(offer) || offered {
			t.Fatal("PassOn passed on to nobody")
		}
		b, c := enter(t, &table, lock), enter(t, &table, lock)
		if a.turn.PassOn(func() (any, bool) { return nil, false }) {
			t.Fatal("PassOn went on without a gift")
		}
		if !a.turn.PassOn(offer) {
			t.Fatal("PassOn found nobody")
		}
		b.mustBe(t, "the heir", true, nil)
		if b.turn.Gift() != "gift" {
			t.Errorf("the heir got %v", b.turn.Gift())
		}
		c.mustBe(t, "the one behind the heir", false, nil)
		b.turn.Leave()
		c.mustBe(t, "the one behind the heir, when it left", true, nil)
		if c.turn.Gift() != nil {
			t.Errorf("an entry that was not passed on has the gift %v", c.turn.Gift())
		}
	})
}

// TestNobodyIsForgotten runs random entries, cancels and moves: exclusion must
// hold throughout, and everybody must get through or be refused.
func TestNobodyIsForgotten(t *testing.T) {
	var table queue.Table
	var writers, readers atomic.Int32
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 400 {
				req := queue.Request{Limit: 1, Shared: r.IntN(2) == 0, Try: r.IntN(3) == 0}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if r.IntN(4) == 0 {
					time.AfterFunc(time.Duration(r.IntN(200))*time.Microsecond, cancel)
				}
				turn, err := table.Enter(ctx, key, req, nil)
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error("an entry waited for a minute")
				}
				if err == nil {
					count, others := &writers, &readers
					if req.Shared {
						count, others = others, count
					}
					n := count.Add(1)
					if others.Load() != 0 || !req.Shared && n != 1 {
						t.Error("entries that exclude each other were admitted together")
					}
					if r.IntN(2) == 0 {
						turn.Waiting(queue.ErrBusy)
					}
					runtime.Gosched() // Let the others queue up.
					turn.Holding()
					runtime.Gosched()
					count.Add(-1)
					turn.Leave()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if turn := table.TryEnter(key, lock); turn == nil {
		t.Error("the line is not empty at the end")
	}
}
