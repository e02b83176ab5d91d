//go:build !unix

package host

// Dead reports whether there is certainly no process with that id here.
func Dead(int) bool { return false }
