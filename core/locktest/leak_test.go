package locktest

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a test package leaves behind is noticed, and nothing else.
func TestLeavesNothing(t *testing.T) {
	before := takeCensus()
	if leftovers(before, time.Minute) != nil {
		t.Error("something is left of nothing")
	}
	end := make(chan struct{})
	go func() { <-end }()
	if leftovers(before, 0) == nil {
		t.Error("a goroutine is not noticed")
	}
	close(end)
	if leftovers(before, time.Minute) != nil {
		t.Error("a goroutine that has ended is left")
	}
	if len(before.files) == 0 {
		t.Skip("this system does not list descriptors")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	if leftovers(before, 0) == nil {
		t.Error("a descriptor is not noticed")
	}
	f.Close()
	if leftovers(before, time.Minute) != nil {
		t.Error("a descriptor that was closed is left")
	}
}
