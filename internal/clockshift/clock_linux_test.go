package clockshift_test

import (
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/clockshift"
	"github.com/distlock/distlock-go/internal/testenv"
)

// The clock of a server goes where it is set, at once, there and back; and that of
// the machine does not.
func TestServerClock(t *testing.T) {
	clocks, err := clockshift.New(1)
	if err != nil {
		t.Fatal(err)
	}
	defer clocks.Close()
	server := testenv.NewRedis(t, testenv.RedisConfig{Env: clocks.All[0].Environ()})
	client := server.Client()
	defer client.Close()
	for _, shift := range []time.Duration{0, 2 * time.Minute, -time.Hour, 0} {
		clocks.All[0].Shift(shift)
		before := time.Now().Add(shift)
		at, err := client.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if after := time.Now().Add(shift); at.Before(before.Add(-time.Second)) || at.After(after.Add(time.Second)) {
			t.Errorf("the clock was set off by %v and is so by %v", shift, time.Until(at))
		}
	}
}
