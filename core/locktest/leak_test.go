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

// Tidy fails a run that has passed, and no other.
func TestTidy(t *testing.T) {
	if code := Tidy(run(0)).Run(); code != 0 {
		t.Errorf("the code of a run that has passed is %d", code)
	}
	if code := Tidy(run(2)).Run(); code != 2 {
		t.Errorf("the code of a run that has failed with 2 is %d", code)
	}
}

type run int

func (r run) Run() int { return int(r) }
