package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/history"
	"github.com/distlock/distlock-go/internal/judge"
)

// An Object is what the processes fight for.
type Object struct {
	Kind  core.Kind
	Name  string
	Limit int // of a semaphore
}

// arena opens the judge's memory about the object.
func (o Object) arena(dir string) (*judge.Arena, error) {
	return judge.OpenArena(filepath.Join(dir, o.Name+"."+string(o.Kind)))
}

// rules returns what the history of the object must obey. Tokens grow with each
// hold, that of a permit and of a reader too.
func (o Object) rules() history.Object {
	rules := history.Object{Name: string(o.Kind) + " " + o.Name, Kind: history.Lock, Limit: o.Limit, Tokens: history.Increasing}
	switch {
	case o.Kind == core.KindRWLock:
		rules.Kind = history.RWLock
	case o.Kind == core.KindSemaphore && o.Limit > 1:
		rules.Kind = history.Semaphore
	}
	return rules
}

// jobVar tells a process, by the environment, that it is a worker, and its job.
const jobVar = "DISTLOCK_TORTURE_JOB"

// A Job is what one process does.
type Job struct {
	URL      string // of the backend
	Dir      string // of the arenas
	History  string // the file in which to write down what it does and sees
	Objects  []Object
	Seats    int // how many goroutines it has; the first one's seat is on standard input
	Lease    time.Duration
	Bound    time.Duration
	Patience time.Duration // in the calm
}

func (j Job) environ() string {
	text, _ := json.Marshal(j) // There is nothing in it that cannot be.
	return jobVar + "=" + string(text)
}

// WorkIfTold makes the process a worker if its environment says so, and does not
// return then. It is the first thing that a program does which workers run.
func WorkIfTold() {
	text, told := os.LookupEnv(jobVar)
	if !told {
		return
	}
	var j Job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		err = j.work()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
