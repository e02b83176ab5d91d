package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/distlock"
)

func TestWatchTellsOfChanges(t *testing.T) {
	url := locks(t)
	lines := start(t, url, "ls", "--watch", "--interval", "5ms", "--json")
	lines.expect(lines.out, "[]")
	table := start(t, url, "ls", "--watch", "--interval", "5ms")
	if line := <-table.out; !strings.HasSuffix(line, "  nothing is held") {
		t.Errorf("ls --watch prints %q", line)
	}
	holder := start(t, url, "run", "nightly report", "--", self(t), asHolder)
	holder.expect(holder.out, "holding nightly report ")
	lines.expect(lines.out, `[{"name":"nightly report","kind":"lock",`)
	table.find(table.out, "NAME")
	table.expect(table.out, `"nightly report"`)
	holder.release()
	// A look may have found the holder in passing, between two of its steps.
	lines.find(lines.out, "[]")
	table.find(table.out, "20")
	once(t, url, 64, "ls", "--watch", "--interval", "0s")
}

func TestWatchPassesOverWhatIsNoChange(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	list := func(until time.Duration) []distlock.Status {
		return []distlock.Status{{Name: "a", Kind: distlock.KindLock, Holders: []distlock.Holder{{Token: 7, Until: now.Add(until)}}}}
	}
	var out, errs strings.Builder
	w := &watch{out: &out, errs: &errs}
	away := errors.New("the server is away")
	for i, step := range []struct {
		all     []distlock.Status
		trouble error
		prints  bool
		says    string
	}{
		{list(1), nil, true, ""},
		{list(2), nil, false, ""}, // The lease was renewed.
		{nil, away, false, "distlock: the server is away\n"},
		{nil, away, false, ""},
		{list(3), nil, true, ""},
		{nil, nil, true, ""},
	} {
		out.Reset()
		errs.Reset()
		if err := w.show(step.all, step.trouble, now); err != nil {
			t.Fatal(err)
		}
		if (out.Len() > 0) != step.prints || errs.String() != step.says {
			t.Errorf("step %d prints %q and says %q", i, out.String(), errs.String())
		}
	}
}

func TestWatchOnATerminal(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var out strings.Builder
	w := &watch{out: &out, live: true, style: style{on: true}, rows: func() int { return 6 }}
	var all []distlock.Status
	for _, name := range []string{"a", "b", "c", "d"} {
		all = append(all, distlock.Status{Name: name, Kind: distlock.KindLock, Holders: []distlock.Holder{{}}})
	}
	if err := w.show(all, nil, now); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "\x1b[2J\x1b[H2026-11-23 12:00:00\n\n\x1b[1mNAME") ||
		!strings.HasSuffix(got, "... and 3 more\n") || strings.Count(got, "\n") != 5 {
		t.Errorf("it shows %q", got)
	}
	out.Reset()
	if err := w.show(nil, errors.New("gone\x1b[2J"), now); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "\x1b[31mdistlock: gone?[2J\x1b[0m\n") {
		t.Errorf("it shows %q", got)
	}
}
