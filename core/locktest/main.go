package locktest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/distlock/distlock-go/core"
)

// processVariable tells, in the environment, that this process is one that the
// suite has started, and carries Harness.Process.
const processVariable = "DISTLOCK_LOCKTEST_PROCESS"

// Main is the TestMain of a package that sets Harness.Process. It runs the tests
// and exits. The suite starts the test binary again as a second process; in that
// one Main opens a provider with open, which is given Harness.Process and an
// observer, and does what the suite says.
func Main(m interface{ Run() int }, open func(process string, o core.Observer) (core.Provider, error)) {
	process, second := os.LookupEnv(processVariable)
	if !second {
		os.Exit(m.Run())
	}
	p, err := open(process, core.ObserverFunc(func(_ context.Context, ev core.Event) {
		if ev.Type == core.EventWaiting {
			fmt.Println("waiting")
		}
	}))
	if err != nil {
		fmt.Println("failed", strconv.Quote(err.Error()))
		os.Exit(2)
	}
	fmt.Println("ready")
	obey(p)
}

// obey carries out commands, a line each, until the suite closes the pipe or is
// no more. Each is answered by a line.
//
//	acquire KIND LIMIT NAME    "acquired TOKEN", or "failed ERROR"; when it waits, "waiting" before
//	try KIND LIMIT NAME        likewise
//	release                    what was acquired last: "released", or "failed ERROR"
//	state                      of what was acquired last: "held", "lost" or "released"
//	close                      the provider: "closed", or "failed ERROR"
//	exit                       at once, with nothing released
func obey(p core.Provider) {
	var h core.Handle
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			os.Exit(0)
		}
		command, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch command {
		case "acquire", "try":
			h, err = acquireAs(p, command, args)
			answer(err, func() string { return "acquired " + strconv.FormatUint(h.Token(), 10) })
		case "release":
			answer(h.Release(context.Background()), func() string { return "released" })
		case "state":
			switch err := h.Err(); {
			case err == nil:
				fmt.Println("held")
			case errors.Is(err, core.ErrLost):
				fmt.Println("lost")
			default:
				fmt.Println("released")
			}
		case "close":
			answer(p.Close(), func() string { return "closed" })
		case "exit":
			os.Exit(0)
		}
	}
}

func answer(err error, ok func() string) {
	if err != nil {
		fmt.Println("failed", strconv.Quote(err.Error()))
		return
	}
	fmt.Println(ok())
}

// acquireAs carries out an acquire command.
func acquireAs(p core.Provider, command, args string) (core.Handle, error) {
	f := strings.SplitN(args, " ", 3)
	limit, _ := strconv.Atoi(f[1])
	name, err := strconv.Unquote(f[2])
	if err != nil {
		return nil, err
	}
	l := objectOf(p, f[0], limit, name)
	if command == "try" {
		return l.TryAcquire(context.Background())
	}
	return l.Acquire(context.Background())
}

func objectOf(p core.Provider, kind string, limit int, name string) core.Lock {
	switch kind {
	case "reader":
		return reader(p, name)
	case "writer":
		return writer(p, name)
	case "semaphore":
		return p.NewSemaphore(name, limit)
	}
	return p.NewLock(name)
}
