package history

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/distlock/distlock-go/core"
)

// An Op is one operation on one object, as its caller saw it.
type Op struct {
	// Object is the number of the object in the caller's own list.
	Object int

	// Seat is who calls: one goroutine of one process. Of a seat's acquires one
	// has returned before the next is called.
	Seat uint64

	Action Action

	// Shared says that an acquire is a reader's. The end of a hold does not
	// repeat it.
	Shared bool

	// Call and Return are times in nanoseconds on one clock, CLOCK_MONOTONIC
	// where several processes take part ([Now]). Return is [Never] if the
	// operation did not come back.
	Call, Return int64

	Outcome Outcome

	// Token is the fencing token of a hold that was acquired, or with which a
	// [Resource] was written to.
	Token uint64
}

// Never is the Return of an operation that did not come back.
const Never = math.MaxInt64

// An Action is what an operation does.
type Action uint8

const (
	// Acquire waits for the object. Unless it is OK it has no hold.
	Acquire Action = iota
	// Try does not wait. In a strict history it may be Refused only for a reason.
	Try
	// Release ends the seat's hold. If it is OK the seat must have had one.
	Release
	// Lost says that the seat's hold has ended by itself, at Call or later. It
	// means nothing if the seat has no hold, so it may be told too often.
	Lost
	// Crash says that the seat's process was alive until Call. What it held
	// becomes free at Call or later.
	Crash
	// Write is a write to a [Resource] that checks tokens.
	Write
)

// An Outcome is what an operation has led to, as far as its caller knows.
type Outcome uint8

const (
	// Unknown: it may have happened, or may happen yet. An acquire of unknown
	// outcome may hold for a while, and ends by itself.
	Unknown Outcome = iota
	// OK: it has happened.
	OK
	// Refused: it has not happened. The object was held, or the write's token
	// was too old.
	Refused
	// Gone, of a release: the hold had ended before, at some time since it was
	// acquired. It is the weakest thing that a release can say, so where the loss
	// was promised to be told, a Lost with its time belongs before it.
	Gone
)

// OutcomeOf returns what an error of the library says about an acquire or a
// release.
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OK
	case errors.Is(err, core.ErrLost):
		return Gone
	case errors.Is(err, core.ErrNotAcquired), errors.Is(err, core.ErrInvalid):
		return Refused
	}
	return Unknown
}

// A Kind is what rules an object has.
type Kind uint8

const (
	// Lock has at most one holder.
	Lock Kind = iota
	// RWLock has readers, or one writer.
	RWLock
	// Semaphore has at most Object.Limit holders.
	Semaphore
	// Resource accepts a write if no write with a greater token came before, and
	// refuses it otherwise.
	Resource
)

// Tokens says what is expected of the fencing tokens of an object.
type Tokens uint8

const (
	// NoTokens: nothing.
	NoTokens Tokens = iota
	// Fencing: the token of an exclusive hold is greater than that of any
	// exclusive hold before it, and so is that of a shared hold or a permit. It
	// is what a resource needs that is written to under exclusive holds.
	Fencing
	// Following: each token is greater than all that had been returned before it was
	// asked for, and no two are the same. Those who acquire at the same time may get
	// theirs in any order, whoever was let in first.
	Following
	// Increasing: each token is greater than all before it.
	Increasing
)

// An Object is what a history is about.
type Object struct {
	Name   string
	Kind   Kind
	Limit  int // of a Semaphore
	Tokens Tokens

	// Strict says that a Try that was refused must have found the object held.
	// It is for histories without waiters, because a free lock may be kept for
	// one; and for short ones, because what is unknown may then explain what is
	// seen, and every explanation must be tried.
	Strict bool
}

// ByObject sorts operations by their object.
func ByObject(ops []Op) map[int][]Op {
	m := make(map[int][]Op)
	for _, op := range ops {
		m[op.Object] = append(m[op.Object], op)
	}
	return m
}

// String tells an operation in a line, with its times in microseconds.
func (op Op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seat %s: %s", seatName(op.Seat), op.what())
	if op.Return == Never {
		fmt.Fprintf(&b, " [%s, ...)", micros(op.Call))
	} else {
		fmt.Fprintf(&b, " [%s, %s]", micros(op.Call), micros(op.Return))
	}
	return b.String()
}

// what tells an operation without who and when.
func (op Op) what() string {
	s := [...]string{Acquire: "acquire", Try: "try", Release: "release", Lost: "lost", Crash: "crash", Write: "write"}[op.Action]
	if op.Shared {
		s += " shared"
	}
	if op.Action != Lost && op.Action != Crash {
		s += " -> " + [...]string{Unknown: "unknown", OK: "ok", Refused: "refused", Gone: "gone"}[op.Outcome]
	}
	if op.Token != 0 {
		s += fmt.Sprintf(" token %d", op.Token)
	}
	return s
}

// seatName tells the process too, if [Read] has numbered the seats.
func seatName(seat uint64) string {
	if process := seat >> 32; process > 0 {
		return fmt.Sprintf("%d.%d", process, seat&math.MaxUint32)
	}
	return fmt.Sprint(seat)
}

func micros(ns int64) string { return fmt.Sprintf("%.3fµs", float64(ns)/float64(time.Microsecond)) }
