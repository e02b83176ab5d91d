package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/distlock/distlock-go/distlock"
)

// A watch shows a list again and again: on a terminal in place, elsewhere each
// time that it has changed.
type watch struct {
	out    io.Writer
	errs   io.Writer // for what goes wrong meanwhile, where out is no terminal
	live   bool      // out is a terminal
	style  style
	rows   func() int // of the terminal, 0: not known
	asJSON bool       // an array a line, for a program that reads
	list   func(context.Context) ([]distlock.Status, error)

	last string // what was shown
}

// run goes on until ctx ends. Backends come and go, so an error is shown and the
// next look may do better; only the first one is returned.
func (w *watch) run(ctx context.Context, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for first := true; ; first = false {
		all, err := w.list(ctx)
		if ctx.Err() != nil || first && err != nil {
			return err
		}
		if err := w.show(all, err, time.Now()); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// show shows one state. Its error is that of the output.
func (w *watch) show(all []distlock.Status, trouble error, now time.Time) error {
	var page bytes.Buffer
	if err := printList(&page, all, now); err != nil {
		return err
	}
	if w.live {
		return w.redraw(page.String(), trouble, now)
	}
	state, err := fingerprint(all)
	if trouble != nil {
		state = message(trouble)
	}
	if err != nil || state == w.last {
		return err
	}
	w.last = state
	switch {
	case trouble != nil:
		_, err = fmt.Fprintln(w.errs, state)
	case w.asJSON:
		err = json.NewEncoder(w.out).Encode(complete(all))
	case len(all) == 0:
		_, err = fmt.Fprintf(w.out, "%s  nothing is held\n\n", now.Format(time.DateTime))
	default:
		_, err = fmt.Fprintf(w.out, "%s\n%s\n", now.Format(time.DateTime), page.String())
	}
	return err
}

// redraw writes over what the terminal shows.
func (w *watch) redraw(page string, trouble error, now time.Time) error {
	const erase = "\x1b[2J\x1b[H" // and begin at the top
	text := now.Format(time.DateTime)
	switch {
	case trouble != nil:
		text += "  " + w.style.bad(printable(message(trouble))) + "\n"
	case page == "":
		text += "  nothing is held\n"
	default:
		text += "\n\n" + w.style.heading(fitting(page, w.rows()-3))
	}
	_, err := io.WriteString(w.out, erase+text)
	return err
}

// fitting cuts a table to so many lines, if that is not too few to know.
func fitting(page string, most int) string {
	lines := strings.SplitAfter(page, "\n")
	if most < 2 || len(lines)-1 <= most {
		return page
	}
	return strings.Join(lines[:most-1], "") + fmt.Sprintf("... and %d more\n", len(lines)-most)
}

// fingerprint is what of a list counts as a change: not that leases are renewed.
func fingerprint(all []distlock.Status) (string, error) {
	list := complete(all)
	for i := range list {
		holders := make([]distlock.Holder, len(list[i].Holders))
		for j, h := range list[i].Holders {
			h.Until = time.Time{}
			holders[j] = h
		}
		list[i].Holders = holders
	}
	text, err := json.Marshal(list)
	return string(text), err
}
