package redistest

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// A server that cannot write its snapshot, as when its disk is full, refuses all
// that writes (MISCONF). That is told as what it is; a hold is kept until its
// deadline, because nobody else is granted the lock either; and when there is room
// again, work goes on.
func TestSnapshotCannotBeWritten(t *testing.T) {
	server := start(t, testenv.RedisConfig{Settings: map[string]string{"save": "3600 1000000"}})
	admin := admin(t, server)
	dir := admin.ConfigGet(t.Context(), "dir").Val()["dir"]
	if dir == "" {
		t.Fatal("the server does not say where it is")
	}
	save := func(want string) {
		t.Helper()
		eventually(t, "the server tries to write its snapshot: "+want, 20*time.Second, func() bool {
			_ = admin.BgSave(t.Context()).Err() // It may be at it.
			return strings.Contains(admin.Info(t.Context(), "persistence").Val(), "rdb_last_bgsave_status:"+want)
		})
	}
	p := open(t, server.URL(), nil) // with leases much longer than this takes
	held := acquire(t, p.NewLock("held"))
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	save("err")
	_, err := p.NewLock("other").TryAcquire(t.Context())
	var trouble *redis.TroubleError
	if !errors.Is(err, core.ErrUnavailable) || !errors.As(err, &trouble) || trouble.Trouble != redis.NotSaving {
		t.Errorf("acquire from a server that cannot save: %v", err)
	}
	if err := held.Err(); err != nil {
		t.Errorf("the hold has ended before its deadline: %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	save("ok")
	release(t, acquire(t, p.NewLock("other")))
	// It may have taken too long.
	if err := held.Release(t.Context()); err != nil && !errors.Is(err, core.ErrLost) {
		t.Error(err)
	}
}
