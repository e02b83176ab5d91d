package history

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
)

func create(t *testing.T, path string, capacity int) *Recorder {
	t.Helper()
	r, err := Create(path, capacity)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t *testing.T, paths ...string) []Op {
	t.Helper()
	ops, err := Read(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

func TestRecordAndRead(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	r := create(t, a, 10)
	before := Now()
	acquire := r.Begin(Op{Object: 7, Seat: 3, Action: Try, Shared: true, Token: 99})
	r.End(acquire, OutcomeOf(nil), 41)
	open := r.Begin(Op{Object: 7, Seat: 3, Action: Release})
	r.Note(Op{Object: 8, Seat: 4, Action: Lost, Call: before})
	after := Now()

	other := create(t, b, 10)
	refused := other.Begin(Op{Object: 8, Seat: 3})
	other.End(refused, OutcomeOf(&core.Error{Op: "acquire", Err: core.ErrNotAcquired}), 0)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := MarkKilled(a, after); err != nil {
		t.Fatal(err)
	}

	ops := read(t, a, b)
	for i, op := range ops {
		if op.Call < before || op.Return != Never && op.Return > Now() {
			t.Errorf("the times of %v are not between %d and now", op, before)
		}
		if op.Call > after && op.Seat>>32 == 1 {
			t.Errorf("%v is later than %d", op, after)
		}
		ops[i].Call = 0
		if op.Return != Never {
			ops[i].Return = 0
		}
	}
	want := []Op{
		{Object: 8, Seat: 1<<32 | 4, Action: Lost},
		{Object: 7, Seat: 1<<32 | 3, Action: Try, Shared: true, Outcome: OK, Token: 41},
		{Object: 7, Seat: 1<<32 | 3, Action: Release, Return: Never},
		{Object: 7, Seat: 1<<32 | 3, Action: Crash, Return: Never},
		{Object: 8, Seat: 1<<32 | 4, Action: Crash, Return: Never},
		{Object: 8, Seat: 2<<32 | 3, Outcome: Refused},
	}
	if !slices.Equal(ops, want) {
		t.Errorf("Read tells\n%v\nand not\n%v", ops, want)
	}
	r.End(open, OK, 0)
}

// A hold that was assured ends after that at the earliest, and not with the kill:
// who has been stopped for a while before may have lost it.
func TestAssuredHoldsMayEndBeforeTheKill(t *testing.T) {
	for name, assure := range map[string]bool{"assured": true, "not": false} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "record")
			rec, err := Create(path, 10)
			if err != nil {
				t.Fatal(err)
			}
			ticket := rec.Begin(Op{Seat: 7, Action: Acquire})
			rec.End(ticket, OK, 1)
			sure := Now()
			if assure {
				rec.Assure(7, sure)
			}
			if err := MarkKilled(path, sure+1000); err != nil {
				t.Fatal(err)
			}
			ops := read(t, path)
			want := sure + 1000
			if assure {
				want = sure
			}
			if end := ops[len(ops)-1]; end.Action != Crash || end.Call != want {
				t.Errorf("the record ends with %v, want a crash at %d", end, want)
			}
		})
	}
}

func TestOutcomeOf(t *testing.T) {
	for err, want := range map[error]Outcome{
		nil:                    OK,
		core.ErrLost:           Gone,
		core.ErrNotAcquired:    Refused,
		core.ErrUnavailable:    Unknown,
		os.ErrDeadlineExceeded: Unknown,
	} {
		if got := OutcomeOf(err); got != want {
			t.Errorf("the outcome of %v is %d, not %d", err, got, want)
		}
	}
}

func TestFullRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	r := create(t, path, 2)
	for range 2 {
		r.End(r.Begin(Op{}), OK, 1)
	}
	if len(read(t, path)) != 3 { // and a crash
		t.Error("two operations do not fit in")
	}
	r.End(r.Begin(Op{}), OK, 1)
	r.Note(Op{})
	if _, err := Read(path); !errors.Is(err, ErrFull) {
		t.Errorf("the error of a record that was too small is %v", err)
	}
	if _, err := Create(path, 2); !errors.Is(err, os.ErrExist) {
		t.Errorf("the error of a record that exists is %v", err)
	}
	short := filepath.Join(t.TempDir(), "b")
	if err := os.WriteFile(short, []byte("no record"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(short); err == nil {
		t.Error("what is no record can be read")
	}
}

// TestMain is also the process that TestSurvivesKill kills.
func TestMain(m *testing.M) {
	if path := os.Getenv("HISTORY_TEST_RECORD"); path != "" {
		record(path)
	}
	os.Exit(locktest.Tidy(m).Run())
}

// record fills a file from several goroutines until it is killed.
func record(path string) {
	r, err := Create(path, 1<<20)
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	var token uint64
	var all sync.WaitGroup
	for seat := range uint64(4) {
		all.Go(func() {
			for n := 0; ; n++ {
				t := r.Begin(Op{Seat: seat, Action: Acquire})
				mu.Lock()
				token++
				r.End(t, OK, token)
				t = r.Begin(Op{Seat: seat, Action: Release})
				mu.Unlock()
				r.End(t, OK, 0)
				if n == 100 && seat == 0 {
					os.Stdout.WriteString("recording\n")
				}
			}
		})
	}
	all.Wait()
}

// What a process has recorded until it is killed can be read and is a legal
// history, also with that of the next process.
func TestSurvivesKill(t *testing.T) {
	var paths []string
	for range 3 {
		path := filepath.Join(t.TempDir(), "record")
		paths = append(paths, path)
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "HISTORY_TEST_RECORD="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "recording") {
			t.Errorf("the process says %q, %v", line, err)
		}
		if err := MarkKilled(path, Now()); err != nil {
			t.Error(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}
	object := Object{Name: "mutex", Tokens: Increasing}
	for i, path := range paths {
		ops := read(t, path)
		if len(ops) < 100 {
			t.Errorf("process %d has recorded %d operations", i, len(ops))
		}
		if err := Check(object, ops, time.Minute); err != nil {
			t.Error(err)
		}
	}
	// Each of the processes had a mutex of its own: together they are illegal, by
	// their tokens.
	v := (*ViolationError)(nil)
	if err := Check(object, read(t, paths...), time.Minute); !errors.As(err, &v) {
		t.Errorf("the records of three mutexes are those of one: %v", err)
	}
}
