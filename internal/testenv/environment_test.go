//go:build unix

package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core/locktest"
)

func TestNeedsFollowTheWorkspace(t *testing.T) {
	for _, test := range []struct {
		modules string
		want    Needs
	}{
		{"./core ./file ./internal", Needs{}},
		{"./core ./postgres", Needs{Postgres: true}},
		{"./core ./redis ./postgres", Needs{Postgres: true, Redis: true}},
	} {
		if got := NeedsOf(strings.Fields(test.modules)); got != test.want {
			t.Errorf("NeedsOf(%s) = %+v, want %+v", test.modules, got, test.want)
		}
	}
}

func TestEnvironmentTakesWhatIsNamed(t *testing.T) {
	for _, name := range []string{PostgresVar, RedisVar, RedisClusterVar, RedisSentinelVar, RedisNodesVar} {
		t.Setenv(name, "somebody else's")
	}
	env, err := StartEnvironment(t.Context(), Needs{Postgres: true, Redis: true})
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	if got := fmt.Sprint(env.Vars()); got != "["+RequireServers+"=1]" || len(env.closers) != 0 {
		t.Errorf("started %d servers and set %s; want nothing but %s", len(env.closers), got, RequireServers)
	}
}

// helper runs this test binary again as a process that starts a Redis, tells its
// process id and address, and waits for ever.
const helperVar = "DISTLOCK_TESTENV_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVar) == "" {
		os.Exit(locktest.Tidy(m).Run())
	}
	r, err := StartRedis(context.Background(), RedisConfig{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(r.current.(*process).pid, r.Addr())
	select {}
}

func TestServersDieWithUs(t *testing.T) {
	if where, err := choose(t.Context(), redisFamily); err != nil || where.dir == "" {
		t.Skipf("no Redis on this machine: %v", err)
	}
	if !parentDeathSignals {
		t.Skip("only Linux tells children of their parent's death")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	helper := exec.Command(exe)
	helper.Env = append(os.Environ(), helperVar+"=1")
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	defer sweep()
	var pid int
	var addr string
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, serr := fmt.Sscan(line, &pid, &addr); serr != nil {
		helper.Process.Kill()
		t.Fatal(line, err)
	}
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer c.Close()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait()
	within(t, 10*time.Second, "the server's end", func() error {
		if !areAll(0, []int{pid}) {
			return errors.New("it lives")
		}
		return nil
	})
}

func TestDescendants(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 1000 & (sleep 1000 & wait) & wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}()
	within(t, 10*time.Second, "three descendants", func() error {
		if got := descendants(cmd.Process.Pid); len(got) != 3 {
			return fmt.Errorf("descendants: %v", got)
		}
		return nil
	})
}
