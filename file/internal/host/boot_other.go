//go:build !darwin && !linux

package host

// bootID: what other systems have is a time of boot, which follows the clock.
func bootID() string { return "" }
