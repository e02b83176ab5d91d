//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// until calls check every few milliseconds until it succeeds or fails with
// hopeless. If the time runs out first, its last error says why.
func until(ctx context.Context, within time.Duration, check func(context.Context) error, hopeless ...error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(3 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		for _, h := range hopeless {
			if errors.Is(err, h) {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%w (waited for %v)", err, within)
		}
	}
}
