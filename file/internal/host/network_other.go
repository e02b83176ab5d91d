//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package host

// Remote returns "": it cannot be told here.
func Remote(string) string { return "" }
