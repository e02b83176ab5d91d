//go:build unix

package redlocktest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// TestReleaseAmidRenewals releases holds just when they are renewed. A renewal that
// reaches a server after the release finds nothing there, and that is no loss.
func TestReleaseAmidRenewals(t *testing.T) {
	f := newFleet(t, 3)
	p := f.open(t)
	for range 3 {
		begun := time.Now()
		var all sync.WaitGroup
		for i := range 300 {
			h := must[core.Handle](t)(p.NewLock(fmt.Sprint("a", i)).TryAcquire(t.Context()))
			all.Go(func() {
				time.Sleep(time.Until(begun.Add(lease/3 + time.Duration(rand.N(100)-20)*time.Millisecond)))
				// On a busy machine the lease may have run out, which is another matter.
				if err := h.Release(t.Context()); err != nil && strings.Contains(err.Error(), "servers still had it") {
					t.Errorf("Release: %v", err)
				}
			})
		}
		all.Wait()
	}
}
