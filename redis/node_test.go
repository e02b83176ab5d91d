package redis

import (
	"errors"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// full returns a node of which no more pipelines may be sent, with so many calls
// that wait.
func full(timeout time.Duration, waiting int) (*node, []*call) {
	n := &node{timeout: timeout, window: window{size: 1}, flights: 1}
	calls := make([]*call, waiting)
	for i := range calls {
		calls[i] = &call{done: make(chan struct{})}
	}
	n.send(calls...)
	return n, calls
}

// Each call that cannot be sent waits for the timeout, however long others have
// waited before it.
func TestOverdueGivesUpWhatHasWaited(t *testing.T) {
	n, calls := full(time.Hour, 2)
	calls[0].came = calls[0].came.Add(-time.Hour)
	n.overdue()
	<-calls[0].done
	if !errors.Is(calls[0].err, errNoneBack) {
		t.Error("what has waited for the timeout ended with", calls[0].err)
	}
	if calls[1].isDone() {
		t.Error("what has come just now ended with", calls[1].err)
	}
	if !n.hurry.Stop() {
		t.Error("nobody looks after the one that is left")
	}
}

// Whatever leaves calls pending sees to it that they are looked after.
func TestWhatIsLeftIsLookedAfter(t *testing.T) {
	for name, leave := range map[string]func(*node){
		"more than a batch":        func(n *node) { n.next() },
		"a pipeline that boards":   func(n *node) { n.boarding = true; n.overdue() },
		"one that is one too many": func(n *node) { n.flights, n.closed = 2, true; n.fly() },
		"a server that is silent":  func(n *node) { n.overdue() },
	} {
		t.Run(name, func(t *testing.T) {
			n, _ := full(time.Hour, maxBatch+1)
			n.hurry.Stop()
			leave(n)
			if len(n.pending) == 0 || !n.hurry.Stop() {
				t.Errorf("nobody looks after %d calls", len(n.pending))
			}
		})
	}
}

// What was never sent was not carried out.
func TestWhatWasNotSentIsNotOpen(t *testing.T) {
	if open(errNoneBack) || !open(errors.New("the connection was closed")) {
		t.Error("it is not told apart from what got no answer")
	}
}

// What a cluster has no master for any more is forgotten, with its goroutines; who
// has got it just before may still send by it, and Close waits for that.
func TestNodesOfFormerMasters(t *testing.T) {
	client, _ := down(t)
	master, former := goredis.NewClient(client.Options()), client
	defer master.Close()
	s, err := newServers(former, &Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.node(master)
	n, fresh := s.node(former)
	if fresh {
		t.Error("a node is new twice")
	}
	ask := func() {
		c := &call{args: []any{"ping"}, done: make(chan struct{})}
		n.send(c)
		<-c.done
	}
	ask()
	s.retire(map[*goredis.Client]bool{master: true})
	n.wg.Wait() // None rests.
	if len(s.nodes) != 1 || s.nodes[master] == nil || len(s.former) != 1 {
		t.Errorf("%d nodes and %d former ones, want one each", len(s.nodes), len(s.former))
	}
	ask()
	n.wg.Wait()
	s.retire(map[*goredis.Client]bool{master: true})
	if len(s.former) != 0 {
		t.Error("a former one that has nothing to do is kept")
	}
	s.close()
}
