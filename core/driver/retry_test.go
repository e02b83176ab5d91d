package driver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

// An error that may pass is waited out like a holder; the same error without the
// mark ends the wait, and so does the context, and neither shows the mark.
func TestRetryWaitsOutWhatMayPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{Backend: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		unmarked := func(err, want error) bool {
			_, marked := errors.AsType[passing](err)
			return !marked && errors.Is(err, want)
		}
		down := fmt.Errorf("%w: it is starting", core.ErrUnavailable)
		var told []error
		tries, start := 0, time.Now()
		_, err = e.Retry(t.Context(), nil, func(err error) { told = append(told, err) }, func(context.Context) (Claim, error) {
			switch tries++; tries {
			case 1, 2:
				return nil, MayPass(down)
			case 3:
				return nil, core.ErrNotAcquired
			}
			return nil, down
		})
		if !unmarked(err, down) || tries != 4 {
			t.Errorf("after %d attempts it returned %v; want the first error without the mark", tries, err)
		}
		if len(told) != 2 || !unmarked(told[0], down) || !errors.Is(told[1], core.ErrNotAcquired) {
			t.Errorf("busy was told %v; want the first error, and that it is held, once each", told)
		}
		if took := time.Since(start); took < e.cfg.Backstop.Min/2 {
			t.Errorf("there was no pause: it took %v", took)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = e.Retry(ctx, nil, nil, func(context.Context) (Claim, error) { return nil, MayPass(down) })
		if !unmarked(err, down) {
			t.Errorf("the context ended it with %v; want the last answer", err)
		}
		if !errors.Is(MayPass(down), core.ErrUnavailable) {
			t.Error("the mark hides what the error matches")
		}
	})
}
