package redis

import (
	"strconv"
	"testing"
	"time"
)

// A request to a server of which nothing is known has a limit too: one that is carried
// out after it was taken back would leave a place in the queue for good.
func TestARequestToAnUnknownServerHasALimit(t *testing.T) {
	var s serverClock
	at := time.Now().Add(5 * time.Second)
	if got := s.until(at); got != strconv.FormatInt(at.UnixMilli(), 10) {
		t.Errorf("nothing is known: until %s", got)
	}
	sent := time.Now()
	s.note(&call{sent: sent, back: sent.Add(time.Millisecond)}, sent.Add(time.Hour).UnixMilli())
	if got, _ := strconv.ParseInt(s.until(at), 10, 64); got < at.Add(time.Hour-10*time.Millisecond).UnixMilli() || got > at.Add(time.Hour).UnixMilli() {
		t.Errorf("the server is an hour ahead: until %d, for %d here", got, at.UnixMilli())
	}
}
