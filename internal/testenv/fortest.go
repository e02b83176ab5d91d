//go:build unix

package testenv

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// forTest starts something for one test and closes it when the test ends.
func forTest[T interface{ Close() error }](tb testing.TB, start func(context.Context) (T, error)) T {
	tb.Helper()
	// Time for a package to be installed or an image to be pulled, once.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	started, err := start(ctx)
	switch {
	case err == nil:
	case Unavailable(err):
		tb.Skip(err)
	default:
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := started.Close(); err != nil {
			tb.Errorf("testenv: close: %v", err)
		}
	})
	return started
}

// Unavailable reports whether an error of a start is for a test to skip: a server that
// cannot be in a container, or one that is not to be had and not required either.
func Unavailable(err error) bool {
	return errors.Is(err, ErrContained) || errors.Is(err, ErrMissing) && os.Getenv(RequireServers) != "1"
}
