//go:build !unix && !windows

package file

// cureOf says what can be done about an error number.
func cureOf(error) string { return "" }

// tooManyOpen reports whether closing files would help.
func tooManyOpen(error) bool { return false }
