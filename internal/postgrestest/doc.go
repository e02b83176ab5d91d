//go:build unix

// Package postgrestest has the tests of package postgres that need a server of
// their own: to stop, kill, pause and restart it, to cut the network before it,
// or to count what goes there. The others are in the package itself.
package postgrestest
