package postgres

import (
	"context"
	"slices"

	"github.com/distlock/distlock-go/core"
)

// settled waits until no wait that was given up is still at the server: it could
// be granted there, for an instant, what this process wants to try, or keep it out
// by the turnstile that it has passed. So it does not matter from which side, or under
// which limit, the key was waited for. Close does not wait for that, because it takes
// as long as the server is away.
func (q *queue) settled(ctx context.Context, k Key) error {
	if !q.some.Load() {
		return nil
	}
	q.mu.Lock()
	all := slices.Clone(q.keyed[k])
	q.mu.Unlock()
	for _, w := range all {
		if !w.close() {
			continue
		}
		if err := q.awaitOver(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// awaitOver waits until a wait that has ended has left nothing at the server.
func (q *queue) awaitOver(ctx context.Context, w *wait) error {
	select {
	case <-w.over:
		return nil
	case <-q.pool.closing:
		return core.ErrClosed
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trouble != nil {
		return unavailable(w.trouble)
	}
	return ctx.Err()
}
