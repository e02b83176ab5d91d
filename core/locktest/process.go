package locktest

import (
	"fmt"
	"strconv"
	"time"

	"github.com/distlock/distlock-go/core"
)

var processRules = []rule{
	{
		name:  "other-processes-are-excluded",
		text:  "A lock that another process holds cannot be had here, nor one that is held here there; a release frees it for both.",
		needs: []need{canStart},
		test: func(t *trial) { // A16
			p, other := t.open(), t.process()
			for _, a := range aspects {
				name := t.name()
				other.acquire(a, name)
				t.busy(a.object(p, name))
				other.release()
				h := t.try(a.object(p, name))
				other.busy(a, name)
				t.release(h)
				other.acquire(a, name)
				other.release()
			}
		},
	},
	{
		name:  "release-wakes-other-processes",
		text:  "A release wakes whoever waits in another process.",
		needs: []need{canStart},
		test: func(t *trial) { // A16
			p, other := t.open(), t.process()
			for _, a := range aspects {
				name := t.name()
				h := t.acquire(a.object(p, name))
				other.wait(a, name)
				t.release(h)
				other.granted()
				w := t.wait(a.object(p, name))
				other.release()
				t.release(w.granted())
			}
		},
	},
	{
		name:  "exit-frees-what-was-held",
		text:  "What a process held that has ended without a release goes to whoever waits.",
		needs: []need{canStart},
		test:  func(t *trial) { t.passesOn((*process).exit) }, // A17
	},
	{
		name:  "kill-frees-what-was-held",
		text:  "What a process held that was killed goes to whoever waits.",
		needs: []need{canStart},
		test:  func(t *trial) { t.passesOn((*process).kill) }, // A18, B24, C31
	},
	{
		name:  "killed-waiter-is-passed-over",
		text:  "A process that was killed while it waited gets nothing, and holds nobody up.",
		needs: []need{canStart},
		test: func(t *trial) {
			p, q := t.open(), t.open()
			var names []string
			var waiters []*waiter
			for _, a := range aspects {
				name, other := t.name(), t.process()
				h := t.acquire(a.object(p, name))
				other.wait(a, name)
				names, waiters = append(names, name), append(waiters, t.wait(a.object(q, name)))
				other.kill()
				t.release(h)
			}
			for i, a := range aspects {
				t.release(waiters[i].granted())
				t.release(t.soonFree(a.object(p, names[i])))
			}
		},
	},
	{
		name:  "killed-writer-lets-readers-in",
		text:  "A writer that was killed while it waited leaves no mark: readers get in.",
		needs: []need{canStart},
		test: func(t *trial) {
			p, name, other := t.open(), t.name(), t.process()
			r := t.acquire(reader(p, name))
			other.wait(aspect{kind: "writer"}, name)
			t.soonBusy(reader(p, name))
			w := t.wait(reader(p, name))
			other.kill()
			t.release(w.granted())
			t.release(t.soonFree(reader(p, name)))
			t.release(r)
		},
	},
	{
		name:  "close-in-another-process",
		text:  "Close of a provider frees what its process holds.",
		needs: []need{canStart},
		test:  func(t *trial) { t.passesOn((*process).close) },
	},
	{
		name:  "tokens-grow-over-processes",
		text:  "Tokens grow over all processes, also after one was killed.",
		needs: []need{canStart, hasTokens},
		test: func(t *trial) {
			p, other := t.open(), t.process()
			last := make([]uint64, len(aspects))
			names := make([]string, len(aspects))
			for i, a := range aspects {
				names[i] = t.name()
				for range 3 {
					h := t.acquire(a.object(p, names[i]))
					last[i] = t.greater(h, last[i])
					t.release(h)
					last[i] = other.greater(a, names[i], last[i])
					other.release()
				}
				victim := t.process()
				last[i] = victim.greater(a, names[i], last[i])
				victim.kill()
			}
			for i, a := range aspects {
				h := t.acquire(a.object(p, names[i]))
				t.greater(h, last[i])
				t.release(h)
			}
		},
	},
	{
		name:  "stopped-process-finds-out",
		text:  "A process that was stopped for longer than its lease finds its hold lost at the first look, and its release spares the next holder.",
		needs: []need{canStart, canStop, isRenewed},
		test: func(t *trial) {
			p, q := t.open(), t.open()
			var names []string
			var stopped []*process
			var tokens []uint64
			for _, a := range aspects {
				name, other := t.name(), t.process()
				names, tokens = append(names, name), append(tokens, other.acquire(a, name))
				other.is("held")
				other.stop()
				stopped = append(stopped, other)
			}
			time.Sleep(t.h.Lease + t.h.Lease/4)
			for i, a := range aspects {
				h := t.acquire(a.object(p, names[i]))
				if t.h.Tokens {
					t.greater(h, tokens[i])
				}
				stopped[i].goOn()
				stopped[i].is("lost")
				stopped[i].send("release")
				stopped[i].expect("failed")
				t.held(h)
				t.busy(a.object(q, names[i]))
				t.release(h)
			}
		},
	},
}

// An aspect is a way to hold something that excludes others who do likewise.
type aspect struct {
	kind  string // as in the commands of Main
	limit int
}

var aspects = []aspect{{kind: "lock"}, {kind: "writer"}, {kind: "semaphore", limit: 1}}

func (a aspect) object(p core.Provider, name string) core.Lock {
	return objectOf(p, a.kind, a.limit, name)
}

func (a aspect) args(name string) string {
	return fmt.Sprintf("%s %d %s", a.kind, a.limit, strconv.Quote(name))
}

// passesOn checks that what a process holds goes to whoever waits when the
// process ends, in whatever way.
func (t *trial) passesOn(end func(*process)) {
	t.Helper()
	p := t.open()
	var waiters []*waiter
	for holds, waits := range map[aspect]aspect{
		{kind: "lock"}:                {kind: "lock"},
		{kind: "writer"}:              {kind: "reader"},
		{kind: "reader"}:              {kind: "writer"},
		{kind: "semaphore", limit: 1}: {kind: "semaphore", limit: 1},
	} {
		name, other := t.name(), t.process()
		other.acquire(holds, name)
		waiters = append(waiters, t.wait(waits.object(p, name)))
		end(other)
	}
	for _, w := range waiters {
		t.release(w.granted())
	}
}

// greater acquires what is free, checks the token against the last one, and
// returns it.
func (p *process) greater(a aspect, name string, last uint64) uint64 {
	p.t.Helper()
	token := p.acquire(a, name)
	if token <= last {
		p.t.Fatalf("the token %d of another process comes after %d", token, last)
	}
	return token
}

// acquire acquires what is free, and returns the token.
func (p *process) acquire(a aspect, name string) uint64 {
	p.t.Helper()
	p.send("acquire " + a.args(name))
	return p.granted()
}

// granted waits until an acquire has succeeded, and returns the token.
func (p *process) granted() uint64 {
	p.t.Helper()
	token, err := strconv.ParseUint(p.expect("acquired"), 10, 64)
	if err != nil {
		p.t.Fatalf("a token is not a number: %v", err)
	}
	return token
}

// wait starts an acquire of what is held, and returns when it waits.
func (p *process) wait(a aspect, name string) {
	p.t.Helper()
	p.send("acquire " + a.args(name))
	p.expect("waiting")
	select {
	case line := <-p.lines:
		if line != "waiting" { // Or it is "", because the process has ended.
			p.t.Fatalf("an acquire of another process that must wait has returned: %q", line)
		}
	case <-time.After(p.t.h.Pause):
	}
}

func (p *process) busy(a aspect, name string) {
	p.t.Helper()
	p.send("try " + a.args(name))
	p.expect("failed")
}

func (p *process) release() {
	p.t.Helper()
	p.send("release")
	p.expect("released")
}

func (p *process) close() {
	p.t.Helper()
	p.send("close")
	p.expect("closed")
}

// is checks the state of the last handle.
func (p *process) is(state string) {
	p.t.Helper()
	p.send("state")
	p.expect(state)
}

// exit has the process end without a release.
func (p *process) exit() {
	p.t.Helper()
	p.send("exit")
	p.t.closed(p.exited, "another process exits")
}
