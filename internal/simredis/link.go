package simredis

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A link is a connection of a subscriber.
type link struct {
	s    *Server
	way  Way
	conn net.Conn // the server's end

	channels map[string]bool // guarded by Server.mu

	mu    sync.Mutex
	ended bool
	out   chan string // never full: who does not read for so long is cut off
}

func (s *Server) connect(way Way) net.Conn {
	ours, theirs := net.Pipe()
	l := &link{s: s, way: way, conn: ours, channels: make(map[string]bool), out: make(chan string, 1000)}
	s.mu.Lock()
	s.links[l] = true
	s.mu.Unlock()
	go l.read()
	go l.write()
	return theirs
}

// end closes the connection.
func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.ended = true
		close(l.out)
		_ = l.conn.Close()
	}
}

func (l *link) push(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	select {
	case l.out <- text:
	default:
	}
}

func (l *link) write() {
	for text := range l.out {
		if _, err := io.WriteString(l.conn, text); err != nil {
			return
		}
	}
}

// read has what the subscriber asks for carried out. It never keeps the subscriber from
// writing: the driver does that under a mutex, and in a bubble time stands still for as
// long as a goroutine waits for one.
func (l *link) read() {
	defer func() {
		l.s.mu.Lock()
		delete(l.s.links, l)
		l.s.mu.Unlock()
		l.end()
	}()
	in := bufio.NewReader(l.conn)
	for {
		words, err := request(in)
		if err != nil || len(words) == 0 {
			return
		}
		if d, arrives := l.way.Pass(); arrives { // Or the connection hangs.
			time.AfterFunc(d, func() { l.carryOut(words) })
		}
	}
}

func (l *link) carryOut(words []string) {
	switch verb := strings.ToLower(words[0]); verb {
	case "subscribe", "unsubscribe":
		for _, channel := range words[1:] {
			l.s.mu.Lock()
			if verb == "subscribe" {
				l.channels[channel] = true
			} else {
				delete(l.channels, channel)
			}
			n := len(l.channels)
			l.s.mu.Unlock()
			l.push(fmt.Sprintf("*3\r\n%s%s:%d\r\n", bulk(verb), bulk(channel), n))
		}
	case "ping":
		l.push("*2\r\n" + bulk("pong") + bulk(""))
	default:
		l.push("-ERR unknown command\r\n")
	}
}

// publish sends a message to all who listen, and returns how many they are. Its
// caller holds s.mu.
func (s *Server) publish(channel, payload string) int64 {
	n := int64(0)
	for l := range s.links {
		if !l.channels[channel] {
			continue
		}
		n++
		if d, arrives := l.way.Pass(); arrives {
			text := "*3\r\n" + bulk("message") + bulk(channel) + bulk(payload)
			time.AfterFunc(d, func() { l.push(text) })
		}
	}
	return n
}

// listeners returns how many listen. Its caller holds s.mu.
func (s *Server) listeners(channel string) int64 {
	n := int64(0)
	for l := range s.links {
		if l.channels[channel] {
			n++
		}
	}
	return n
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// request reads an array of bulk strings.
func request(in *bufio.Reader) ([]string, error) {
	n, err := size(in, '*')
	if err != nil {
		return nil, err
	}
	words := make([]string, n)
	for i := range words {
		length, err := size(in, '$')
		if err != nil {
			return nil, err
		}
		text := make([]byte, length+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, err
		}
		words[i] = string(text[:length])
	}
	return words, nil
}

func size(in *bufio.Reader, mark byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 3 || line[0] != mark {
		return 0, fmt.Errorf("simredis: %q is no request", line)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}
