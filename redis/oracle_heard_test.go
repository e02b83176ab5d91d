package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Heard is all that the scripts publish, also what reaches no process: as a replica
// hears it, and whoever listens there. It comes by a pattern, so it does not count
// for a subscription of theirs.
type heard struct {
	client  *goredis.Client
	channel string // prefix
	sent    chan []string
}

// The end of what one trial has published is a message to a channel of nobody's.
const endOfTrial = "end"

func listen(tb testing.TB, client *goredis.Client, channel string) *heard {
	tb.Helper()
	h := &heard{client, channel, make(chan []string, 1)}
	sub := client.PSubscribe(context.Background(), channel+"*")
	tb.Cleanup(func() { _ = sub.Close() })
	if _, err := sub.Receive(context.Background()); err != nil {
		tb.Fatal(err)
	}
	go func() {
		var sent []string
		for {
			m, err := sub.ReceiveMessage(context.Background())
			if err != nil {
				return
			}
			inst := strings.TrimPrefix(m.Channel, channel)
			if inst == endOfTrial {
				h.sent <- sent
				sent = nil
				continue
			}
			sent = append(sent, inst+" "+m.Payload)
		}
	}()
	return h
}

// all returns what has been published since it was asked last.
func (h *heard) all(t *trial) []string {
	t.Helper()
	if err := h.client.Publish(context.Background(), h.channel+endOfTrial, "").Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case sent := <-h.sent:
		return sent
	case <-time.After(time.Minute):
		t.Fatal("what was published does not arrive")
		return nil
	}
}
