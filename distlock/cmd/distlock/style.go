package main

import (
	"os"
	"strings"

	"golang.org/x/term"
)

// A style marks text on a terminal that can show it. Anywhere else, and if
// NO_COLOR (https://no-color.org) is set, text stays as it is.
type style struct{ on bool }

func styleOf(f *os.File) style {
	return style{on: isTerminal(f) && os.Getenv("NO_COLOR") == ""}
}

// isTerminal reports whether f is a terminal that understands escape sequences.
func isTerminal(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && enableEscapes(f)
}

// rows returns how many lines standard output shows, 0 if that is not known.
func rows() int {
	_, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return height
}

func (s style) good(text string) string { return s.mark("32", text) }
func (s style) warn(text string) string { return s.mark("33", text) }
func (s style) bad(text string) string  { return s.mark("31", text) }

// heading marks the first line of a table.
func (s style) heading(table string) string {
	first, rest, found := strings.Cut(table, "\n")
	if !found {
		return table
	}
	return s.mark("1", first) + "\n" + rest
}

func (s style) mark(code, text string) string {
	if !s.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
