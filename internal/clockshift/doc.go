// Package clockshift sets the wall clock of servers that are written in C, each
// its own, while they run. A Go program reads the clock without the C library, so
// nothing here moves the clock of a client. It works on Linux.
package clockshift
