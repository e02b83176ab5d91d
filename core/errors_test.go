package core_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

func TestErrorText(t *testing.T) {
	since := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	holder := core.Holder{Owner: core.Owner{Program: "worker", PID: 42, Host: "db1"}, Since: since}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&core.Error{Op: "acquire", Name: "invoice:42", Err: core.ErrNotAcquired}, `distlock: acquire "invoice:42": held elsewhere`},
		{&core.Error{Op: "open", Err: core.ErrUnavailable}, `distlock: open: backend is unavailable`},
		{&core.Error{Op: "acquire", Name: "a\nb\x00\"", Err: core.ErrInvalid}, `distlock: acquire "a\nb\x00\"": invalid`},
		{&core.Error{Op: "acquire", Name: strings.Repeat("x", 200), Err: core.ErrClosed},
			`distlock: acquire "` + strings.Repeat("x", 80) + `"... (200 bytes): provider is closed`},
		{&core.HeldError{Holder: holder}, `held by worker (pid 42) on db1 since 2026-11-22T09:30:00Z`},
		{&core.HeldError{Holder: core.Holder{Owner: core.Owner{Program: "ev\x1b[31mil\r\n", Host: "d\u009bb\x00\x7f\x9b"}}},
			"held by ev?[31mil?? on d?b??\ufffd"},
		{&core.HeldError{}, `held by an unknown owner`},
		{&core.HeldError{Holder: core.Holder{Owner: core.Owner{PID: 7}}}, `held by a process (pid 7)`},
		{&core.HeldError{Holder: core.Holder{Owner: core.Owner{Program: "cron"}}}, `held by cron`},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestLongNameIsCutBetweenCharacters(t *testing.T) {
	err := &core.Error{Op: "acquire", Name: "x" + strings.Repeat("é", 100), Err: core.ErrInvalid}
	if got := err.Error(); strings.Contains(got, `\x`) || strings.ContainsRune(got, '\ufffd') {
		t.Errorf("a name was cut within a character: %s", got)
	}
}

func TestErrorMatches(t *testing.T) {
	err := fmt.Errorf("payroll: %w", &core.Error{Op: "acquire", Name: "a", Err: &core.HeldError{}})
	var e *core.Error
	var held *core.HeldError
	switch {
	case !errors.Is(err, core.ErrNotAcquired):
		t.Error("a HeldError must match ErrNotAcquired")
	case errors.Is(err, core.ErrLost) || errors.Is(err, fs.ErrNotExist):
		t.Error("a HeldError must match nothing else")
	case !errors.As(err, &e) || e.Name != "a" || e.Op != "acquire":
		t.Error("the *Error must be found")
	case !errors.As(err, &held):
		t.Error("the *HeldError must be found")
	}
}

func TestBusyErrorTellsTheHolder(t *testing.T) {
	owner := core.Owner{Program: "worker", PID: 42, Host: "db1"}
	p := open(t, &memoryOptions{Owner: owner})
	l := p.NewLock("a")
	h, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.TryAcquire(t.Context())
	var held *core.HeldError
	if !errors.As(err, &held) || held.Holder.Owner != owner || held.Holder.Token != h.Token() {
		t.Errorf("TryAcquire: %v; the error must tell the holder", err)
	}
}

func TestThisProcess(t *testing.T) {
	o := core.ThisProcess()
	if o.PID == 0 || o.Host == "" || o.Program == "" {
		t.Errorf("ThisProcess is %+v", o)
	}
	if s := (core.Owner{}).String(); s != "an unknown owner" {
		t.Errorf("the zero Owner is told as %q", s)
	}
}
