package scale

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/distlock/distlock-go/distlock"
)

// jobVar carries, in the environment, what a worker has to do.
const jobVar = "DISTLOCK_SCALE_JOB"

// A job is what each process of a crowd does: some goroutines that acquire and
// release names at random.
type job struct {
	URL        string
	Names      int
	Goroutines int
	For        time.Duration
}

// A result is what came of it.
type result struct {
	Acquired int
	Waits    waits
	Memory   int64 // bytes, of the process
	Err      string
}

// Crowd is many processes that want many names.
type Crowd struct {
	Processes, Goroutines, Names int
	For                          time.Duration
}

// crowdReport is what was measured of a crowd.
type crowdReport struct {
	Crowd
	perSecond       float64
	p50, p99, worst time.Duration
	cpu             time.Duration // of the server, for each acquire and release
	memory          int64         // of the server at the end
	connections     int
	client          int64 // memory of each process
}

// Worker does the job of this process, if it is a worker, and then does not
// return.
func Worker() {
	text, ok := os.LookupEnv(jobVar)
	if !ok {
		return
	}
	var j job
	r := result{}
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		r.Err = err.Error()
	} else if err := j.do(&r); err != nil {
		r.Err = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		os.Exit(2)
	}
	os.Exit(0)
}

func (j job) do(r *result) error {
	ctx := context.Background()
	p, err := distlock.Open(ctx, j.URL)
	if err != nil {
		return err
	}
	defer p.Close()
	h, err := p.NewLock(fmt.Sprint("warm ", os.Getpid())).Acquire(ctx) // It is connected now.
	if err != nil {
		return err
	}
	if err := h.Release(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	end := time.Now().Add(j.For)
	for range j.Goroutines {
		all.Go(func() {
			var w waits
			var err error
			for err == nil && time.Now().Before(end) {
				var h distlock.Handle
				start := time.Now()
				if h, err = p.NewLock(fmt.Sprint("scale ", rand.IntN(j.Names))).Acquire(ctx); err == nil {
					w.add(time.Since(start))
					err = h.Release(ctx)
				}
			}
			mu.Lock()
			r.Waits.merge(w)
			r.Acquired += w.count()
			if failed == nil {
				failed = err
			}
			mu.Unlock()
		})
	}
	all.Wait()
	r.Memory = memory(os.Getpid())
	return failed
}

// measure has the crowd do its work.
func (c Crowd) measure(ctx context.Context, p *place) (crowdReport, error) {
	r := crowdReport{Crowd: c}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // Whoever is still there when something has failed is killed.
	text, err := json.Marshal(job{URL: p.url, Names: c.Names, Goroutines: c.Goroutines, For: c.For})
	if err != nil {
		return r, err
	}
	var workers []*worker
	defer func() {
		cancel()
		for _, w := range workers {
			_ = w.cmd.Wait()
		}
	}()
	for range c.Processes {
		w, err := startWorker(ctx, string(text))
		if err != nil {
			return r, err
		}
		workers = append(workers, w)
	}
	for _, w := range workers {
		if line, err := w.out.ReadString('\n'); err != nil || line != "ready\n" {
			return r, fmt.Errorf("a process says %q (%w)", line, err)
		}
	}
	before, err := p.usage(ctx)
	if err != nil {
		return r, err
	}
	for _, w := range workers {
		if _, err := io.WriteString(w.in, "go\n"); err != nil {
			return r, err
		}
	}
	timer := time.NewTimer(c.For * 9 / 10)
	defer timer.Stop()
	<-timer.C
	during, err := p.usage(ctx)
	if err != nil {
		return r, err
	}
	var all waits
	var acquired int
	for _, w := range workers {
		var one result
		if err := json.NewDecoder(w.out).Decode(&one); err != nil {
			return r, err
		}
		if one.Err != "" {
			return r, fmt.Errorf("a process failed: %s", one.Err)
		}
		all.merge(one.Waits)
		acquired += one.Acquired
		r.client += one.Memory / int64(c.Processes)
	}
	after, err := p.usage(ctx)
	if err != nil {
		return r, err
	}
	r.perSecond = float64(acquired) / c.For.Seconds()
	r.p50, r.p99, r.worst = all.quantile(0.5), all.quantile(0.99), all.quantile(1)
	r.cpu = (after.cpu - before.cpu) / time.Duration(max(acquired, 1))
	r.memory, r.connections = during.memory, during.connections
	return r, nil
}

// A worker is a process of a crowd.
type worker struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

func startWorker(ctx context.Context, text string) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), jobVar+"="+text)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &worker{cmd, in, bufio.NewReader(out)}, cmd.Start()
}
