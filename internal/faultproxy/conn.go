package faultproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one client's connection and the one to the server that belongs to it.
type conn struct {
	proxy  *Proxy
	id     int
	client *net.TCPConn
	gone   <-chan struct{} // closed when the connection is cut
	end    context.CancelFunc

	mu     sync.Mutex
	server *net.TCPConn // nil until dialled
	cutOff bool

	clientHasWord bool // guarded by proxy.mu: the last chunk came from the client

	// The way on which the connection ends after what is queued, plus one. What
	// comes the other way from then on is lost: the answer to a chunk that is the
	// last could otherwise arrive before the reset does.
	parting atomic.Int32
}

// chunk is what one read returned, and when it is due at the other side. A chunk
// without data is the end of the stream.
type chunk struct {
	data    []byte
	due     time.Time
	thenCut bool
}

// forward carries both ways until both have ended or the connection is cut.
func (c *conn) forward(ctx context.Context) {
	if !c.dial(ctx) {
		c.cut()
		return
	}
	var ways sync.WaitGroup
	for _, way := range []struct {
		direction Direction
		from, to  *net.TCPConn
	}{{Up, c.client, c.server}, {Down, c.server, c.client}} {
		queue := make(chan chunk, 1024)
		ways.Go(func() { c.read(way.direction, way.from, queue) })
		ways.Go(func() { c.write(way.direction, way.to, queue) })
	}
	ways.Wait()
	c.close((*net.TCPConn).Close)
}

// dial connects to the server. If it cannot, or the connection is cut first, the
// client gets a reset.
func (c *conn) dial(ctx context.Context) bool {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	server, err := dialer.DialContext(ctx, "tcp", c.proxy.target)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cutOff {
		_ = server.Close() // It has not been used.
		return false
	}
	c.server = server.(*net.TCPConn)
	return true
}

// cut resets both sides. It may be called more than once.
func (c *conn) cut() { c.close(reset) }

// close ends both sides, unless they have been ended already.
func (c *conn) close(side func(*net.TCPConn) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cutOff {
		return
	}
	c.cutOff = true
	c.end()
	for _, conn := range []*net.TCPConn{c.client, c.server} {
		if conn != nil {
			_ = side(conn) // It fails only on a side that is closed already.
		}
	}
}

// cutBehind ends the connection after the last write to one side, which is
// closed in order first: a reset could overtake what was written.
func (c *conn) cutBehind(to *net.TCPConn) {
	_ = to.Close()
	c.cut()
}

// read takes chunks from one side, asks the hook, and queues them.
func (c *conn) read(d Direction, from *net.TCPConn, queue chan<- chunk) {
	defer close(queue)
	buffer := make([]byte, 64<<10)
	muted := false
	for n := 1; ; n++ {
		size, err := from.Read(buffer)
		if size > 0 {
			hook := c.proxy.count(c, d, size)
			action := Forward
			if hook != nil && !muted {
				action = hook(Event{Conn: c.id, Direction: d, N: n, Data: buffer[:size], Closed: c.gone})
			}
			if room := c.proxy.room(d, size); room < size && action != Cut {
				size, action = room, ForwardThenCut
			}
			if action == Cut || size == 0 {
				c.cut()
				return
			}
			if action == ForwardThenCut {
				c.parting.CompareAndSwap(0, int32(d)+1)
			}
			ends := c.parting.Load()
			muted = muted || action == Mute || ends != 0 && ends != int32(d)+1
			if !muted {
				c.enqueue(d, queue, chunk{data: bytes.Clone(buffer[:size]), thenCut: action == ForwardThenCut})
			}
		}
		if err != nil {
			c.ended(d, queue, err, muted)
			return
		}
	}
}

// ended passes on how one side stopped talking. A way that has lost bytes does
// not end in order: its reader would take what it got for all there was.
func (c *conn) ended(d Direction, queue chan<- chunk, err error, muted bool) {
	switch {
	case !errors.Is(err, io.EOF):
		c.cut() // One side was reset, so the other is.
	case !muted:
		c.enqueue(d, queue, chunk{})
	}
}

func (c *conn) enqueue(d Direction, queue chan<- chunk, ch chunk) {
	ch.due = time.Now().Add(c.proxy.delayOf(d))
	select {
	case queue <- ch:
	case <-c.gone:
	}
}

// write delivers queued chunks when they are due and their way is not stalled.
func (c *conn) write(d Direction, to *net.TCPConn, queue <-chan chunk) {
	for ch := range queue {
		if !c.until(d, ch.due) {
			continue // Cut: drain the queue.
		}
		if ch.data == nil {
			_ = to.CloseWrite() // The peer may be gone already.
			continue
		}
		switch _, err := to.Write(ch.data); {
		case err != nil:
			c.cut()
		case ch.thenCut:
			c.cutBehind(to)
		}
	}
}

// until waits for the time and for the end of a stall, and reports whether the
// connection is still there.
func (c *conn) until(d Direction, due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.gone:
			return false
		}
	}
	for {
		stalled := c.proxy.stallOf(d)
		if stalled == nil {
			break
		}
		select {
		case <-stalled:
		case <-c.gone:
			return false
		}
	}
	select {
	case <-c.gone:
		return false
	default:
		return true
	}
}
