package postgrestest

import (
	"context"
	"errors"
	"os"
	osexec "os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/internal/testenv"
)

// A client that vanishes behind a network which is cut without a word: it gives
// up within 6 s, the server frees its lock within 20 s, and the former comes
// first. So does one that waits: it does not come to own the lock after its end.
//
// The network is that of a process of its own: it has nothing but a loopback
// device, which is switched off. The server is asked over its Unix socket.
func TestVanishedClient(t *testing.T) {
	const inside = "DISTLOCK_TEST_PRIVATE_NETWORK"
	if os.Getenv(inside) != "" {
		vanish(t)
		return
	}
	waits(t)
	if os.Geteuid() != 0 {
		t.Skip("a private network needs root")
	}
	self := osexec.Command("/proc/self/exe", "-test.run=^TestVanishedClient$", "-test.v", "-test.timeout=3m")
	self.Env = append(os.Environ(), inside+"=1")
	self.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := self.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL) {
		t.Skipf("this system does not give a process a private network: %v", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// vanish is TestVanishedClient in its private network.
func vanish(t *testing.T) {
	loopback(t, true)
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.SocketURL())
	p, q := open(t, pg.URL(), nil), open(t, pg.URL(), nil)
	h := acquire(t, p.NewLock("a"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	waited := make(chan error, 1)
	go func() {
		_, err := q.NewLock("a").Acquire(ctx)
		waited <- err
	}()
	eventually(t, "the other one waits", func() bool { return waitingFor(t, c) == 1 })

	start := time.Now()
	loopback(t, false)
	told := lostWithin(t, h, 6*time.Second, start)
	for locks(t, c) > 0 {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("after %v the server still has %d locks of clients that have vanished", time.Since(start), locks(t, c))
		}
		time.Sleep(20 * time.Millisecond)
	}
	freed := time.Since(start)
	t.Logf("the client gave up after %v, the server after %v", told, freed)
	if freed < told {
		t.Errorf("the server freed the lock after %v, before the client gave up after %v", freed, told)
	}
	loopback(t, true)
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended by %v", err)
	}
	release(t, acquire(t, q.NewLock("a")))
}

// loopback switches the loopback device of this network on or off.
func loopback(t *testing.T, on bool) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	r, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	flags := uint16(0)
	if on {
		flags = unix.IFF_UP
	}
	r.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r); err != nil {
		t.Fatal(err)
	}
}
