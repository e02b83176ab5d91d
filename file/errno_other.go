//go:build !unix && !windows

package file

// cureOf says what can be done about an error number.
func cureOf(error) string { return "" }

// tooMany reports whether closing files would help.
func tooMany(error) bool { return false }
