package simredis

import (
	"context"
	"errors"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// A Way is how messages go between a client and a server.
type Way interface {
	// Carry calls do, once or not at all, and perhaps when it has returned. It
	// returns nil if do was called and the answer is there, or why it is not.
	Carry(ctx context.Context, do func()) error

	// Dial returns an error if there is no connection to be had. It must not wait: the
	// driver calls it under a mutex, and in a bubble time stands still for as long as a
	// goroutine waits for one.
	Dial() error

	// Pass returns how long a message to a subscriber takes, and false if it is
	// lost.
	Pass() (time.Duration, bool)
}

// Client returns a client of the server.
func (s *Server) Client(addr string, way Way) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{
		Addr: addr, Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			if err := way.Dial(); err != nil {
				return nil, err
			}
			return s.connect(way), nil
		},
	})
	c.AddHook(hook{s, way})
	return c
}

// A hook has the commands carried out without a connection.
type hook struct {
	s   *Server
	way Way
}

// DialHook implements goredis.Hook.
func (h hook) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessHook implements goredis.Hook.
func (h hook) ProcessHook(goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, c goredis.Cmder) error { return h.carry(ctx, []goredis.Cmder{c}) }
}

// ProcessPipelineHook implements goredis.Hook.
func (h hook) ProcessPipelineHook(goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return h.carry
}

func (h hook) carry(ctx context.Context, cmds []goredis.Cmder) error {
	if cmds[0].Name() == "hello" {
		// The greeting of a connection for a subscription.
		for _, c := range cmds {
			c.SetErr(refusal("ERR unknown command"))
		}
		return cmds[0].Err()
	}
	type outcome struct {
		value any
		err   error
	}
	var all []outcome
	err := h.way.Carry(ctx, func() {
		all = nil
		for _, c := range cmds {
			v, err := h.s.Do(c.Args()...)
			all = append(all, outcome{v, err})
		}
	})
	for i, c := range cmds {
		switch {
		case err != nil:
			c.SetErr(err)
		case all[i].err != nil:
			c.SetErr(all[i].err)
		case all[i].value == nil:
			c.SetErr(goredis.Nil)
		default:
			if to, ok := c.(interface{ SetVal(any) }); ok {
				v := all[i].value
				if word, ok := v.(status); ok {
					v = string(word)
				}
				to.SetVal(v)
			} else {
				c.SetErr(errors.New("simredis: a command of a kind that the library does not send"))
			}
		}
	}
	if err != nil {
		return err
	}
	for _, c := range cmds {
		if c.Err() != nil {
			return c.Err()
		}
	}
	return nil
}
