package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/distlock/distlock-go/distlock"
)

// A notice tells for whom the command waits: on a terminal by one line that is
// kept up to date and goes away with the wait, elsewhere by one plain line.
type notice struct {
	out       *os.File
	name      string
	kind      distlock.Kind
	inspector distlock.Inspector // or nil

	holders []distlock.Holder // as far as known
}

// show begins with what err says of the holder. The function that it returns
// ends the notice, and waits until nothing more is written.
func (n *notice) show(err error) (end func()) {
	if held, ok := errors.AsType[*distlock.HeldError](err); ok {
		n.holders = []distlock.Holder{held.Holder}
	}
	write := n.once
	if isTerminal(n.out) {
		write = n.live
	}
	ctx, cancel := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	writer.Go(func() { write(ctx) })
	return func() {
		cancel()
		writer.Wait()
	}
}

// once writes one line.
func (n *notice) once(ctx context.Context) {
	if len(n.holders) == 0 {
		n.look(ctx)
	}
	if len(n.holders) > 0 || ctx.Err() == nil {
		fmt.Fprintln(n.out, "distlock: "+n.line(time.Now()))
	}
}

// live writes the line anew each second, because its time passes and the holder
// may change.
func (n *notice) live(ctx context.Context) {
	const erase = "\r\x1b[K"
	defer fmt.Fprint(n.out, erase)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for known := len(n.holders) > 0; ; known = false {
		if !known {
			n.look(ctx)
		}
		fmt.Fprint(n.out, erase+n.fit(n.line(time.Now())))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look asks the backend who holds the lock now. A failure changes nothing: the
// acquire will tell of it, if it lasts.
func (n *notice) look(ctx context.Context) {
	if n.inspector == nil {
		return
	}
	all, _ := n.inspector.Inspect(ctx, n.name)
	i := slices.IndexFunc(all, func(s distlock.Status) bool { return s.Kind == n.kind })
	if i >= 0 && len(all[i].Holders) > 0 {
		n.holders = all[i].Holders
	}
}

// line is the notice as of now.
func (n *notice) line(now time.Time) string {
	s := "waiting for " + show(n.name)
	if len(n.holders) == 0 {
		return s + ", held elsewhere"
	}
	first := n.holders[0]
	for _, h := range n.holders {
		if !h.Since.IsZero() && h.Since.Before(first.Since) {
			first = h
		}
	}
	switch o := first.Owner; {
	case o.PID == 0 || o.Host == "":
		s += ", held by " + o.String()
	default:
		s += fmt.Sprintf(", held by pid %d on %s", o.PID, printable(o.Host))
	}
	if !first.Since.IsZero() {
		s += " for " + age(first.Since, now)
	}
	if others := len(n.holders) - 1; others > 0 {
		s += fmt.Sprintf(", and by %d more", others)
	}
	return s
}

// fit cuts the line so that it does not wrap: only one line can be cleared.
func (n *notice) fit(s string) string {
	width, _, err := term.GetSize(int(n.out.Fd()))
	runes := []rune(s)
	if err != nil || width < 8 || len(runes) < width {
		return s
	}
	return string(runes[:width-4]) + "..."
}

// age is how long ago since was, in whole seconds. Clocks of two machines may
// differ; nothing is held for less than no time.
func age(since, now time.Time) string {
	return max(0, now.Sub(since)).Truncate(time.Second).String()
}

// show returns a name for a message: as it is if it is plain, and otherwise
// quoted and, if it is very long, cut, so that no name can forge a message or
// flood a terminal.
func show(name string) string {
	const most = 80
	quoted := strconv.Quote(name)
	switch {
	case len(name) > most:
		return strconv.Quote(name[:most]) + "..."
	case quoted[1:len(quoted)-1] == name && !strings.ContainsAny(name, " ,"):
		return name
	}
	return quoted
}
