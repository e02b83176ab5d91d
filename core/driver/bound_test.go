package driver

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A bound context ends as the one that it stands for would, whether Done was
// asked for before that, or after, or never.
func TestBoundEnds(t *testing.T) {
	cause := errors.New("the caller's cause")
	for name, c := range map[string]struct {
		end  func(e *Engine, cancel context.CancelCauseFunc)
		want error
		why  error
	}{
		"caller": {func(_ *Engine, cancel context.CancelCauseFunc) { cancel(cause) }, context.Canceled, cause},
		"close":  {func(e *Engine, _ context.CancelCauseFunc) { _ = e.Close() }, context.Canceled, core.ErrClosed},
	} {
		for _, asked := range []bool{false, true} {
			e, err := New(Config{Backend: "test"})
			if err != nil {
				t.Fatal(err)
			}
			parent, cancel := context.WithCancelCause(context.Background())
			ctx, stop := e.UntilClosed(parent)
			if asked {
				select {
				case <-ctx.Done():
					t.Errorf("%s: it ended at once", name)
				default:
				}
			}
			if err := ctx.Err(); err != nil {
				t.Errorf("%s: Err is %v before the end", name, err)
			}
			child, endChild := context.WithCancel(ctx)
			c.end(e, cancel)
			<-child.Done()
			<-ctx.Done()
			if err := ctx.Err(); !errors.Is(err, c.want) {
				t.Errorf("%s: Err is %v, not %v", name, err, c.want)
			}
			if why := context.Cause(ctx); !errors.Is(why, c.why) {
				t.Errorf("%s: the cause is %v, not %v", name, why, c.why)
			}
			endChild()
			stop()
			cancel(nil)
			_ = e.Close()
		}
	}
}

func TestBoundByTime(t *testing.T) {
	ctx, stop := WithTimeout(context.Background(), time.Hour)
	if at, ok := ctx.Deadline(); !ok || time.Until(at) < 59*time.Minute || ctx.Err() != nil {
		t.Errorf("within an hour: deadline %v %v, Err %v", at, ok, ctx.Err())
	}
	stop()
	if ctx.Err() == nil {
		t.Error("it has not ended with stop")
	}
	<-ctx.Done()
	sooner, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if ctx, stop = WithTimeout(sooner, time.Hour); true {
		defer stop()
	}
	if at, _ := ctx.Deadline(); time.Until(at) > time.Minute {
		t.Errorf("the deadline %v is after the caller's", at)
	}
	late, stop := WithTimeout(context.Background(), -1)
	defer stop()
	if err := late.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Err is %v after the deadline", err)
	}
	<-late.Done()
}

func TestUninterrupted(t *testing.T) {
	e, err := New(Config{Backend: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	cancelled, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, c := range []struct {
		ctx  context.Context
		want bool
	}{{context.Background(), true}, {cancelled, false}} {
		wait, stop := e.UntilClosed(c.ctx)
		release, stop2 := e.forRelease(c.ctx)
		for _, ctx := range []context.Context{c.ctx, wait, release} {
			if got := Uninterrupted(ctx); got != c.want {
				t.Errorf("Uninterrupted(%T) = %v", ctx, got)
			}
			_ = ctx.Done() // It is the caller's context that counts.
			if got := Uninterrupted(ctx); got != c.want {
				t.Errorf("Uninterrupted(%T) = %v after Done", ctx, got)
			}
		}
		stop()
		stop2()
	}
}

// Err costs no timer and no entry in a list, and Done is arranged for once.
func TestBoundIsArrangedForByDoneAlone(t *testing.T) {
	e, err := New(Config{Backend: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for name, begin := range map[string]func() (context.Context, context.CancelFunc){
		"by Close": func() (context.Context, context.CancelFunc) { return e.UntilClosed(context.Background()) },
		"by time":  func() (context.Context, context.CancelFunc) { return WithTimeout(context.Background(), time.Hour) },
	} {
		ctx, stop := begin()
		if err := ctx.Err(); err != nil || ctx.(*bound).full != nil {
			t.Errorf("%s: Err is %v, and Done is arranged for: %v", name, err, ctx.(*bound).full != nil)
		}
		first := ctx.Done()
		if ctx.Done() != first {
			t.Errorf("%s: Done is arranged for by every call", name)
		}
		child, cancel := context.WithCancel(ctx)
		stop()
		for _, done := range []<-chan struct{}{first, child.Done()} {
			select {
			case <-done:
			default:
				t.Errorf("%s: it goes on after the end of the call", name)
			}
		}
		if err := ctx.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Err is %v after the end of the call", name, err)
		}
		cancel()
	}
}

func TestBoundOfAClosedEngineHasEnded(t *testing.T) {
	e, err := New(Config{Backend: "test"})
	if err != nil {
		t.Fatal(err)
	}
	_ = e.Close()
	for range 100 { // What ends it a little later may be in time now and then.
		ctx, stop := e.UntilClosed(context.Background())
		select {
		case <-ctx.Done():
		default:
			t.Fatal("Done is open although Close has been called")
		}
		stop()
	}
}
