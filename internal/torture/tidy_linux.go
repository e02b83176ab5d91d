package torture

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

// tidy counts the descriptors and goroutines of the process, and returns a
// function that fails if there are more of them after a while to settle.
func tidy() func() error {
	descriptors() // Whatever the first look opens for good, such as the poller, is not the provider's.
	files, routines := descriptors(), runtime.NumGoroutine()
	return func() error {
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			f, r := descriptors(), runtime.NumGoroutine()
			if f <= files && r <= routines {
				return nil
			}
			if time.Now().After(deadline) {
				var stacks bytes.Buffer
				_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
				return fmt.Errorf("leaked: %d descriptors, were %d; %d goroutines, were %d\n%s", f, files, r, routines, &stacks)
			}
		}
	}
}

func descriptors() int {
	all, _ := os.ReadDir("/proc/self/fd") // With an error there is nothing to compare.
	return len(all)
}
