package locktest

import (
	"context"
	"runtime"
	"strings"
	"time"

	"github.com/distlock/distlock-go/core"
)

// finish ends a case, whatever came of it, and looks at what it has left behind.
func (t *trial) finish() {
	t.Helper()
	defer func() {
		t.mu.Lock()
		t.over = true
		t.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), t.patience())
	defer cancel()
	for _, w := range t.waiters {
		w.cancel()
	}
	for _, proc := range t.started {
		proc.kill()
	}
	for _, f := range t.taken {
		f.free(ctx)
	}
	clean := !t.Failed() && !t.Skipped()
	if clean {
		t.nothingIsHeld(ctx)
	}
	t.closeAll()
	if !clean || t.Failed() {
		return // What a failed case leaves behind tells nothing new.
	}
	t.noGoroutineIsLeft()
	if t.h.Check != nil {
		t.h.Check(t.T)
	}
}

// nothingIsHeld asks the backend for holders and waiters under the names that the
// case has used. Whatever is given back in the background has time to arrive.
func (t *trial) nothingIsHeld(ctx context.Context) {
	t.Helper()
	if len(t.names) == 0 {
		return
	}
	inspector, ok := t.openFor(nil).(core.Inspector)
	if !ok {
		return
	}
	for _, name := range t.names {
		for {
			left, err := inspector.Inspect(ctx, name)
			if err == nil && len(left) == 0 {
				break
			}
			if ctx.Err() != nil {
				t.Errorf("a case that has released everything leaves something behind: %+v (error %v)", left, err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// closeAll closes the providers.
func (t *trial) closeAll() {
	t.Helper()
	for _, p := range t.opened {
		closed := make(chan error, 1)
		go func() { closed <- p.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Errorf("Close failed: %v", err)
			}
		case <-time.After(t.patience() + t.h.Lease):
			t.Errorf("Close does not return.\n%s", stacks())
			return
		}
	}
}

// noGoroutineIsLeft waits until those that the case has started have ended.
func (t *trial) noGoroutineIsLeft() {
	t.Helper()
	deadline := time.Now().Add(t.patience())
	for {
		var left []string
		for id, stack := range goroutines() {
			if t.before[id] == "" && (t.h.Foreign == nil || !t.h.Foreign(stack)) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("a provider that was closed leaves goroutines behind:\n%s", strings.Join(left, "\n\n"))
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// goroutines returns the stacks of all goroutines, by id.
func goroutines() map[string]string {
	all := make(map[string]string)
	for stack := range strings.SplitSeq(stacks(), "\n\n") {
		id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		all[id] = stack
	}
	return all
}

func stacks() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(buf[:n])
		}
	}
}
