package redis

import (
	"errors"
	"testing"

	"github.com/distlock/distlock-go/core"
)

// A request that got no answer is taken back twice. When the second time comes, the
// next request may be out, and a release must wait for what comes of that.
func TestSecondCancellationIsNotOfTheNextRequest(t *testing.T) {
	l := peers(t, newMutable(t))[0].l
	u := &union{e: l.claimer(core.KindLock, "a", 'w', 1), series: l.series(), asked: make([]*undo, 1), free: make(chan struct{}, 1)}
	_, first := u.inquire(0)
	first(errors.New("no answer"))
	if _, next := u.inquire(0); next != nil {
		t.Fatal("a second request goes out while the first is being taken back")
	}
	first(nil)
	_, second := u.inquire(0)
	if second == nil {
		t.Fatal("no second request goes out when the first was taken back")
	}
	first(nil)
	if _, next := u.inquire(0); next != nil || u.asked[0].done {
		t.Error("a second cancellation of the first request marks the second as done")
	}
	second(nil)
	if _, third := u.inquire(0); third == nil {
		t.Error("no third request goes out when the second was taken back")
	}
}
