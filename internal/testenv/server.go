//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// startTimeout bounds how long a server may take to answer. A machine busy with
// other tests takes seconds for what takes 50 ms alone.
const startTimeout = 60 * time.Second

// Server is the life of one server program: [Postgres], [Redis] and [PgBouncer]
// each have one. It keeps its port and its data through every stop and start.
// Its methods may be called from several goroutines, one at a time takes effect.
type Server struct {
	name     string // for errors
	port     int
	launcher launcher
	ready    func(context.Context) error // nil once the server answers a client

	mu      sync.Mutex
	current running // nil while stopped
}

// Addr returns the server's host:port.
func (s *Server) Addr() string { return address(s.port) }

// Port returns the server's port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Log returns the end of what the server has written to its log.
func (s *Server) Log() string { return s.launcher.log(context.Background()) }

// Running reports whether the server's program runs, which a paused one does.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isRunning()
}

func (s *Server) isRunning() bool {
	if s.current == nil {
		return false
	}
	select {
	case <-s.current.done():
		return false
	default:
		return true
	}
}

// Start starts a server that was stopped, killed, or has ended by itself, and
// returns when it answers. A server that runs is left alone.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isRunning() {
		return nil
	}
	current, err := s.launcher.launch(ctx)
	if err != nil {
		return fmt.Errorf("testenv: start %s: %w", s.name, err)
	}
	s.current = current
	err = until(ctx, startTimeout, func(ctx context.Context) error {
		select {
		case <-current.done():
			return errEnded
		default:
			return s.answers(ctx)
		}
	}, errEnded)
	if err != nil {
		log := s.Log()
		err = fmt.Errorf("testenv: start %s: %w\n%s", s.name, err, log)
		return errors.Join(err, s.kill(), portTaken(log))
	}
	return nil
}

// answers returns nil once the server takes connections and answers a client.
// The client is not asked before: some log every connection that is refused.
func (s *Server) answers(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	return s.ready(ctx)
}

// Kill ends the server as kill -9 or a power cut does: all its processes at
// once, none of which can say goodbye. What its kernel owes to clients, such as
// the end of their connections, they still get.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kill()
}

func (s *Server) kill() error {
	if !s.isRunning() {
		return nil
	}
	err := s.current.kill()
	if errors.Is(err, errEnded) {
		err = nil
	}
	if err == nil {
		<-s.current.done()
	}
	return err
}

// Pause freezes the server as SIGSTOP does: connections stay open and new ones
// are still accepted by the kernel, but nothing is answered.
func (s *Server) Pause() error { return s.with(running.pause) }

// Continue ends a pause.
func (s *Server) Continue() error { return s.with(running.resume) }

// stop asks the server to end and waits until it has. One that does not, because
// it is paused or waits for its clients, is an error when ctx is done.
func (s *Server) stop(ctx context.Context, how syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isRunning() {
		return nil
	}
	if err := s.current.signal(how); err != nil && !errors.Is(err, errEnded) {
		return fmt.Errorf("testenv: stop %s: %w", s.name, err)
	}
	select {
	case <-s.current.done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("testenv: stop %s: it has not ended: %w", s.name, ctx.Err())
	}
}

func (s *Server) with(do func(running) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isRunning() {
		return fmt.Errorf("testenv: %s: %w", s.name, errEnded)
	}
	return do(s.current)
}

// Close kills the server and removes its data.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.kill(), s.launcher.remove(context.Background()))
}
