package simredis

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Server is one server.
type Server struct {
	now func() time.Time

	mu      sync.Mutex
	keys    map[string]*item
	scripts map[string]*program
	links   map[*link]bool
}

// New returns a server without data whose clock is now.
func New(now func() time.Time) *Server {
	return &Server{now: now, keys: make(map[string]*item), scripts: make(map[string]*program), links: make(map[*link]bool)}
}

// Restart ends everything that is not data, and the data too if it is lost.
func (s *Server) Restart(lossy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.scripts)
	if lossy {
		clear(s.keys)
	}
	for l := range s.links {
		l.end()
	}
	clear(s.links)
}

// Members returns what a key holds that has not expired: a string, or the members
// of a set with their scores.
func (s *Server) Members(key string) (string, map[string]float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.find(key)
	if it == nil {
		return "", nil
	}
	return it.text, maps.Clone(it.set)
}

// Now returns the time in milliseconds as the scripts see it.
func (s *Server) Now() int64 { return s.now().UnixMilli() }

// An item is a value. One of text, set and hash is in use.
type item struct {
	text    string
	set     map[string]float64
	hash    map[string]string
	expires int64 // in ms; 0: never
}

// A refusal is an error that the server answers.
type refusal string

func (r refusal) Error() string { return string(r) }

// RedisError makes the driver take it for an answer.
func (r refusal) RedisError() {}

const errType = refusal("WRONGTYPE Operation against a key holding the wrong kind of value")

// A status is an answer such as OK.
type status string

// Do carries out one command and returns an int64, a string, a status, nil, a list
// of those, or an error that is an answer.
func (s *Server) Do(args ...any) (any, error) {
	words := make([]string, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case string:
			words[i] = a
		case []byte:
			words[i] = string(a)
		default:
			words[i] = fmt.Sprint(a)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch strings.ToUpper(words[0]) {
	case "EVALSHA":
		p := s.scripts[words[1]]
		if p == nil {
			return nil, refusal("NOSCRIPT No matching script. Please use EVAL.")
		}
		return s.run(p, words[2:])
	case "EVAL":
		p, err := compile(words[1])
		if err != nil {
			return nil, err
		}
		s.scripts[p.digest] = p
		return s.run(p, words[2:])
	case "SCRIPT":
		p, err := compile(words[2])
		if err != nil {
			return nil, err
		}
		s.scripts[p.digest] = p
		return p.digest, nil
	}
	return s.command(words)
}

func (s *Server) run(p *program, words []string) (any, error) {
	n, err := strconv.Atoi(words[0])
	if err != nil {
		return nil, refusal("ERR value is not an integer or out of range")
	}
	return p.run(s, words[1:1+n], words[1+n:])
}

// find returns what a key holds, or nil.
func (s *Server) find(key string) *item {
	it := s.keys[key]
	if it != nil && it.expires > 0 && s.Now() >= it.expires {
		delete(s.keys, key)
		return nil
	}
	return it
}
