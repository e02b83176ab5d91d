package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestRedLockWithAServerDown has one of three servers down from the beginning: a
// run holds the lock, another one waits for it, a third one is refused, and each
// command has a greater token than the one before. The servers are new to the
// prefix, so the first run also waits until they vote.
func TestRedLockWithAServerDown(t *testing.T) {
	nodes := os.Getenv("DISTLOCK_TEST_REDIS_NODES")
	if nodes == "" {
		if os.Getenv("DISTLOCK_REQUIRE_SERVERS") == "1" {
			t.Fatal("DISTLOCK_TEST_REDIS_NODES is not set")
		}
		t.Skip("DISTLOCK_TEST_REDIS_NODES is not set: no servers to test with")
	}
	up := strings.Split(nodes, ",")[:2]
	const dead = "127.0.0.1:1" // A port that is reserved.
	url := fmt.Sprintf("redis://%s/?mode=redlock&prefix=tool%d&lease=2s&claim=1s",
		strings.Join(append(up, dead), ","), time.Now().UnixNano())

	first := start(t, "", "run", "--backend", url, "a", "--", self(t), asHolder)
	before, _ := first.holding()
	once(t, url, codeBusy, "run", "--try", "a", "--", self(t), asPrinter)
	second := start(t, url, "run", "-q", "a", "--", self(t), asHolder)
	out, _ := once(t, url, 0, "inspect", "a")
	if want := fmt.Sprint(first.cmd.Process.Pid); !strings.Contains(out, want) {
		t.Errorf("inspect says %q; the holder is process %s", out, want)
	}
	first.release()
	after, _ := second.holding()
	second.release()
	if after <= before {
		t.Errorf("the token %d comes after %d", after, before)
	}
	for _, line := range rest(second.errs) {
		t.Errorf("with -q it said %q", line)
	}
}
