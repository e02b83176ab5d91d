package main

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

func TestBreakEndsAHold(t *testing.T) {
	url := locks(t)
	if out, _ := once(t, url, 0, "break", "--yes", "a"); out != "a is free" {
		t.Errorf("break of a free lock prints %q", out)
	}
	holder := start(t, url, "run", "a", "--", self(t), asHolder)
	token, _ := holder.holding()

	// Nobody can be asked, so nothing is done.
	for _, args := range [][]string{{"break", "a"}, {"break", "--json", "a"}} {
		if _, errs := once(t, url, 64, args...); !strings.Contains(errs, "--yes") {
			t.Errorf("%q says %q; want to hear of --yes", args, errs)
		}
	}
	if out, _ := once(t, url, 0, "break", "--yes", "--kind", "semaphore", "a"); out != "a is free" {
		t.Errorf("break of another kind prints %q", out)
	}
	once(t, url, 1, "run", "--try", "-q", "a", "--", self(t), asExit, "0")

	if runtime.GOOS == "windows" {
		// A file that is open cannot be removed there.
		once(t, url, 69, "break", "--yes", "a")
		holder.release()
		return
	}
	if out, _ := once(t, url, 0, "break", "--yes", "a"); out != "a (lock): 1 hold was ended" {
		t.Errorf("break prints %q", out)
	}
	holder.wait(79)
	next := start(t, url, "run", "--try", "a", "--", self(t), asHolder)
	if later, _ := next.holding(); later <= token {
		t.Errorf("token %d after %d: want a greater one", later, token)
	}
	next.release()
}

func TestBreakWantsToKnowTheKind(t *testing.T) {
	url := locks(t)
	lock := start(t, url, "run", "a", "--", self(t), asHolder)
	lock.holding()
	permit := start(t, url, "run", "--semaphore", "2", "a", "--", self(t), asHolder)
	permit.holding()
	if _, errs := once(t, url, 64, "break", "--yes", "a"); !strings.Contains(errs, "lock and semaphore") {
		t.Errorf("break says %q; want both kinds", errs)
	}
	once(t, url, 64, "break", "--yes", "--kind", "mutex", "a")
	if runtime.GOOS == "windows" {
		return // See above.
	}
	out, _ := once(t, url, 0, "break", "--yes", "--json", "--kind", "semaphore", "a")
	var done broken
	if err := json.Unmarshal([]byte(out), &done); err != nil || done != (broken{"a", "semaphore", 1}) {
		t.Errorf("break --json prints %q, %v", out, err)
	}
	permit.wait(79)
	lock.release()
}
