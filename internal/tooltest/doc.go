//go:build unix

// Package tooltest runs the command-line tool against real servers, healthy and
// not, as an operator would.
package tooltest
