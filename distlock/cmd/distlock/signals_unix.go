//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// catch begins to catch the signals that distlock passes on. One that is
// ignored, as nohup does with SIGHUP, stays so.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, sig := range []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
	} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	return signals
}

// dieOf ends the process by a signal, if that is one of those by which people
// and systems end programs: a shell leaves its loop only if it sees that the
// program died of the signal, and did not handle it. It returns for other
// signals, of which some leave a core, and where a signal does not end this
// process: number 1 of a container is immune.
func dieOf(sig syscall.Signal) {
	switch sig {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP:
		signal.Reset(sig)
		_ = syscall.Kill(os.Getpid(), sig)
		time.Sleep(100 * time.Millisecond) // It takes its time to be delivered.
	}
}
