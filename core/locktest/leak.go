package locktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Tidy returns m with a Run that fails if the tests have passed but have left
// behind goroutines or, on Linux, descriptors, and so connections, that were not
// there before; it tells which. A package says so in its TestMain:
//
//	os.Exit(locktest.Tidy(m).Run())
//	locktest.Main(locktest.Tidy(m), open)
func Tidy(m interface{ Run() int }) interface{ Run() int } { return tidy{m} }

type tidy struct{ m interface{ Run() int } }

// Run runs the tests.
func (t tidy) Run() int {
	before := takeCensus()
	code := t.m.Run()
	if code != 0 {
		return code
	}
	left := leftovers(before, patience)
	if left == nil {
		return 0
	}
	fmt.Printf("the tests have ended, and this is left:\n\n%s\n", strings.Join(left, "\n\n"))
	return 1
}

// A census is what a process has: its goroutines, by their numbers, and its open
// files, by descriptor, where the system lists them.
type census struct {
	goroutines map[string]string
	files      map[string]string
}

func takeCensus() census {
	c := census{make(map[string]string), make(map[string]string)}
	stacks := make([]byte, 1<<20)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			stacks = stacks[:n]
			break
		}
		stacks = make([]byte, 2*len(stacks))
	}
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		number, _, _ := strings.Cut(stack, " [")
		if !ofTheRuntime(stack) {
			c.goroutines[number] = stack
		}
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return c
	}
	for _, e := range entries {
		// That of the directory itself is closed by now, and is no link any more.
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:[event") {
			c.files[e.Name()] = to
		}
	}
	return c
}

// ofTheRuntime reports whether the standard library has started a goroutine once
// and for all.
func ofTheRuntime(stack string) bool {
	_, by, _ := strings.Cut(stack, "\ncreated by ")
	return strings.HasPrefix(by, "runtime.") || strings.HasPrefix(by, "os/signal.") || strings.HasPrefix(by, "unique.")
}

// since returns what there is now and was not before. A descriptor that has been
// given to another file counts.
func (c census) since(before census) (left []string) {
	for number, stack := range c.goroutines {
		if _, was := before.goroutines[number]; !was {
			left = append(left, stack)
		}
	}
	for fd, to := range c.files {
		if before.files[fd] != to {
			left = append(left, "descriptor "+fd+": "+to)
		}
	}
	return left
}

// patience is how long what is on its way out may take: a give-back that waits
// for a server that is gone, for one.
const patience = 15 * time.Second

// leftovers waits until nothing is left that was not there before, or else
// returns what is.
func leftovers(before census, patience time.Duration) (left []string) {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		left = takeCensus().since(before)
		if left == nil || time.Now().After(end) {
			return left
		}
	}
}
