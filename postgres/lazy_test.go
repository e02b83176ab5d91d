package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/distlock/distlock-go/core"
)

// A lazy attempt is sent as soon as the release is told, also if it waits on another
// session than the one that listens, and if the release is told before it is added. On
// a busy machine that may take its time, but not every time.
func TestALazyAttemptIsSentByTheNotification(t *testing.T) {
	for _, kind := range []core.Kind{core.KindLock, core.KindSemaphore} {
		t.Run(string(kind), func(t *testing.T) {
			later, before := time.Hour, time.Hour
			for trial := 0; trial < 10 && max(later, before) > lazyDelay/2; trial++ {
				later = min(later, sentAfter(t, kind, false))
				before = min(before, sentAfter(t, kind, true))
			}
			if max(later, before) > lazyDelay/2 {
				t.Errorf("at best it was sent %v after it was told, and %v if that was before", later, before)
			}
		})
	}
}

// sentAfter returns how long after the notification an attempt is sent.
func sentAfter(t *testing.T, kind core.Kind, before bool) time.Duration {
	t.Helper()
	listens, s := overTCP(t), overTCP(t)
	p := s.provider()
	k, err := p.opts.makeKeys(kind, "a")
	if err != nil {
		t.Fatal(err)
	}
	var w waiter = &locker{provider: p, kind: kind, name: "a", keys: k, take: opLock}
	if kind == core.KindSemaphore {
		w = newPermits(p, "a", k, 2, nil)
		// The first attempt shows the limit, and is urgent.
		s.session.families = map[int64]*family{k.data.value: {keys: k, held: make(map[int64]struct{}), limits: []int{2}}}
	}
	l := newListener(listens.session)
	listens.session.subscribe(k.flag, l)
	listens.gets("")
	listens.backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("LISTEN")})
	listens.ready()
	notify := func() time.Time {
		listens.backend.Send(&pgproto3.NotificationResponse{PID: 1, Channel: channel(k.flag)})
		if err := listens.backend.Flush(); err != nil {
			t.Fatal(err)
		}
		return time.Now()
	}
	var start time.Time
	if before {
		notify()
		<-l.ch
		start = time.Now()
	}
	tried := make(chan error, 1)
	go func() {
		_, err := w.poll(t.Context(), l)
		tried <- err
	}()
	if !before {
		for added := 0; added == 0; time.Sleep(time.Millisecond) {
			s.session.mu.Lock()
			added = len(s.session.pending)
			s.session.mu.Unlock()
		}
		start = notify()
	}
	s.batch()
	took := time.Since(start)
	s.session.end(core.ErrClosed)
	<-tried
	return took
}
