package memory

import (
	"context"
	"runtime"
	"strconv"
	"testing"
)

// Names that were used once cost nothing afterwards.
func TestManyNamesLeaveNothing(t *testing.T) {
	p, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	use := func(from, n int) (heap uint64) {
		for i := from; i < from+n; i++ {
			h, err := p.NewLock(strconv.Itoa(i)).Acquire(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Release(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const many = 20000
	before := use(0, many)
	if grown := int64(use(many, many)) - int64(before); grown > 8*many {
		t.Errorf("%d names that were used have left %d bytes", many, grown)
	}
}
