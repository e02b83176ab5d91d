package faultproxy

import (
	"net"
	"sync"
	"testing"
)

// Impostor starts a server that is none, and returns its address: whatever it
// hears on a connection, it answers by say. It ends with the test.
func Impostor(tb testing.TB, say func(net.Conn)) (addr string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			running.Go(func() {
				for heard := make([]byte, 4096); ; say(c) {
					if _, err := c.Read(heard); err != nil {
						return
					}
				}
			})
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close() // Its client may be gone already.
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().String()
}
