//go:build unix

package redistest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// is checks that an error is that trouble, and that it tells of no holder.
func is(t testing.TB, err error, want redis.Trouble) {
	t.Helper()
	var got *redis.TroubleError
	if !errors.As(err, &got) || got.Trouble != want {
		t.Errorf("the error is %v; it must be the trouble %q", err, want)
	}
	if !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) || errors.Is(err, core.ErrLost) {
		t.Errorf("the error %v must match ErrUnavailable and nothing about holders", err)
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{Password: "sesame"})
	for _, user := range []string{"", "default", "nobody"} {
		_, err := redis.Open(patient(t), withUser(t, server.URL(), user, "hunter2"), nil)
		is(t, err, redis.WrongLogin)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer client.Close() // after the provider, which leaves a client that it was given
	none, err := redis.New(client, lenient())
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	_, err = none.NewLock("a").TryAcquire(patient(t))
	is(t, err, redis.WrongLogin)
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	p := open(t, server.URL(), quick())
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err := p.NewLock("a").Acquire(patient(t))
	is(t, err, redis.Unreachable)
	_, err = redis.Open(patient(t), server.URL(), quick())
	is(t, err, redis.Unreachable)
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v to say that nobody is there", d)
	}
}

func TestReplicaIsRefused(t *testing.T) {
	t.Parallel()
	master, replica := start(t, testenv.RedisConfig{}), start(t, testenv.RedisConfig{})
	p := open(t, replica.URL(), lenient())
	c := admin(t, replica)
	follow(t, c, master)
	for _, l := range []core.Lock{p.NewLock("a"), core.Writer(p.NewRWLock("a")), p.NewSemaphore("a", 1)} {
		_, err := l.Acquire(patient(t))
		is(t, err, redis.ReadOnly)
	}
}

func follow(t testing.TB, replica *goredis.Client, master *testenv.Redis) {
	t.Helper()
	if err := replica.SlaveOf(context.Background(), "127.0.0.1", fmt.Sprint(master.Port())).Err(); err != nil {
		t.Fatal(err)
	}
	inStep(t, replica)
}

// inStep waits until a replica has all that its master had.
func inStep(t testing.TB, replica *goredis.Client) {
	t.Helper()
	eventually(t, "the replica follows its master", 20*time.Second, func() bool {
		return strings.Contains(replica.Info(context.Background(), "replication").Val(), "master_link_status:up")
	})
}

// A server that starts tells so; a wait goes on until it has.
func TestLoading(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{Settings: map[string]string{"key-load-delay": "2000", "loading-process-events-interval-bytes": "1024"}})
	c := admin(t, server)
	p := open(t, server.URL(), quick())
	big := strings.Repeat("x", 200)
	for i := range 1000 { // It takes two seconds to load these.
		c.Set(context.Background(), fmt.Sprint("filling", i), big, 0)
	}
	reload := make(chan error, 1)
	go func() { reload <- c.Do(context.Background(), "debug", "reload").Err() }()
	for seen := false; !seen; {
		_, err := p.NewLock("a").TryAcquire(patient(t))
		var trouble *redis.TroubleError
		seen = errors.As(err, &trouble) && trouble.Trouble == redis.Loading
		select {
		case err := <-reload:
			if !seen {
				t.Fatalf("the server has loaded without ever saying so (%v)", err)
			}
		default:
		}
	}
	release(t, acquire(t, p.NewLock("b")))
}

// A server without memory refuses new holds; those that exist are renewed,
// handed over to waiters, and released.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{Settings: map[string]string{"maxmemory-policy": "noeviction"}})
	c := admin(t, server)
	var events log
	o := quick()
	o.Observer = &events
	p, q := open(t, server.URL(), o), open(t, server.URL(), quick())
	listening(t, c, q)
	held := []core.Handle{acquire(t, p.NewLock("a")), acquire(t, core.Reader(p.NewRWLock("a"))), acquire(t, core.Writer(p.NewRWLock("b"))), acquire(t, p.NewSemaphore("a", 1))}
	w := waiting(patient(t), q.NewSemaphore("a", 1))
	eventually(t, "it waits", 5*time.Second, func() bool { return c.Exists(context.Background(), "distlock:{a}:sem:q").Val() == 1 })
	if err := c.ConfigSet(context.Background(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	for _, l := range []core.Lock{p.NewLock("c"), core.Writer(p.NewRWLock("c")), p.NewSemaphore("c", 1)} {
		_, err := l.Acquire(patient(t))
		is(t, err, redis.OutOfMemory)
	}
	_, err := p.NewLock("a").Acquire(patient(t)) // No place in the queue either.
	is(t, err, redis.OutOfMemory)
	time.Sleep(3 * time.Second) // More than the lease.
	for i, h := range held {
		if err := h.Err(); err != nil {
			t.Errorf("hold %d was lost without memory: %v", i, err)
		}
	}
	for _, h := range held {
		release(t, h)
	}
	release(t, granted(t, w))
	if events.saw(core.EventRenewFailed, core.EventLost) {
		t.Error("renewals failed")
	}
}

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	p, q := open(t, server.URL(), lenient()), open(t, server.URL(), lenient())
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for _, l := range []core.Lock{p.NewLock("a"), q.NewLock("a"), p.NewSemaphore("a", 2), q.NewSemaphore("a", 2), core.Reader(p.NewRWLock("a")), core.Writer(q.NewRWLock("a")), p.NewLock("b"), q.NewLock("c")} {
		wg.Go(func() {
			for ctx.Err() == nil {
				h, err := l.Acquire(patient(t))
				if err == nil {
					err = h.Release(context.Background())
				}
				if err != nil {
					t.Errorf("after SCRIPT FLUSH: %v", err)
					return
				}
			}
		})
	}
	for ctx.Err() == nil {
		c.ScriptFlush(context.Background())
		time.Sleep(5 * time.Millisecond)
	}
	wg.Wait()
}

// The data is lost: holds are lost at their next renewal, waiters queue again,
// and tokens go on growing.
func TestFlushAll(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	p, q := open(t, server.URL(), quick()), open(t, server.URL(), quick())
	listening(t, c, q)
	for kind, l := range map[string][2]core.Lock{
		"lock": {p.NewLock("a"), q.NewLock("a")}, "writer": {core.Writer(p.NewRWLock("a")), core.Writer(q.NewRWLock("a"))}, "permit": {p.NewSemaphore("a", 1), q.NewSemaphore("a", 1)},
	} {
		h := acquire(t, l[0])
		w := waiting(patient(t), l[1])
		eventually(t, "it waits", 5*time.Second, func() bool {
			return c.Exists(context.Background(), "distlock:{a}:q", "distlock:{a}:rw:q", "distlock:{a}:sem:q").Val() == 1
		})
		c.FlushAll(context.Background())
		start := time.Now()
		select {
		case <-h.Done():
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: the hold was not lost", kind)
		}
		if d := time.Since(start); d > 1500*time.Millisecond {
			t.Errorf("%s: the loss was noticed after %v; a third of the lease is 0.7s", kind, d)
		}
		next := granted(t, w)
		if next.Token() <= h.Token() {
			t.Errorf("%s: the token %d follows %d", kind, next.Token(), h.Token())
		}
		release(t, next)
		if err := h.Release(patient(t)); !errors.Is(err, core.ErrLost) {
			t.Errorf("%s: Release of a lost hold returned %v", kind, err)
		}
	}
}

// The server sleeps for longer than the lease: the holder knows before anybody
// else can hold.
func TestServerSleeps(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	p, q := open(t, server.URL(), quick()), open(t, server.URL(), quick())
	h := acquire(t, p.NewLock("a"))
	lostAt := make(chan time.Time, 1)
	go func() { <-h.Done(); lostAt <- time.Now() }()
	sleep := make(chan error, 1)
	go func() { sleep <- c.Do(context.Background(), "debug", "sleep", "3").Err() }()
	time.Sleep(100 * time.Millisecond)
	var next core.Handle
	eventually(t, "the next one gets it", 10*time.Second, func() (ok bool) {
		var err error
		next, err = q.NewLock("a").TryAcquire(patient(t)) // The server may not answer for a while.
		return err == nil
	})
	gotAt := time.Now()
	select {
	case at := <-lostAt:
		if at.After(gotAt) {
			t.Errorf("the loss was known %v after the next grant", at.Sub(gotAt))
		}
	default:
		t.Error("the next one holds, and the first does not know that it has lost")
	}
	release(t, next)
	<-sleep
}

// A script of somebody else keeps the server busy.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{Settings: map[string]string{"lua-time-limit": "50"}})
	c := admin(t, server)
	p := open(t, server.URL(), quick())
	release(t, acquire(t, p.NewLock("a")))
	script := make(chan error, 1)
	go func() { script <- c.Eval(context.Background(), "while true do end", nil).Err() }()
	var err error
	eventually(t, "the server says that it is busy", 5*time.Second, func() bool {
		var h core.Handle
		if h, err = p.NewLock("a").TryAcquire(patient(t)); err == nil {
			_ = h.Release(context.Background())
		}
		return err != nil && !errors.Is(err, context.DeadlineExceeded)
	})
	is(t, err, redis.ScriptRuns)
	if err := admin(t, server).ScriptKill(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	<-script
	release(t, acquire(t, p.NewLock("a")))
}

func TestForeignValues(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	ctx := context.Background()
	p := open(t, server.URL(), lenient())

	// Somebody else's SET NX PX excludes us, and we exclude it.
	c.SetNX(ctx, "distlock:{plain}", "theirs", time.Second)
	_, err := p.NewLock("plain").TryAcquire(patient(t))
	if !errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("a key of somebody else: %v", err)
	}
	h := acquire(t, p.NewLock("plain")) // When their lease has ended.
	if c.SetNX(ctx, "distlock:{plain}", "theirs", time.Second).Val() {
		t.Error("SET NX got a lock that is held")
	}
	release(t, h)
	c.SetNX(ctx, "distlock:{plain}", "theirs", 0)
	w := waiting(patient(t), p.NewLock("plain"))
	queued(t, c, "plain", 1)
	c.Del(ctx, "distlock:{plain}") // They release, and tell nobody.
	start := time.Now()
	release(t, granted(t, w))
	if d := time.Since(start); d > time.Second {
		t.Errorf("it took %v to notice that a foreign holder has left", d)
	}

	// A key of another type is neither touched nor believed.
	h = acquire(t, p.NewLock("typed"))
	c.Del(ctx, "distlock:{typed}")
	c.RPush(ctx, "distlock:{typed}", "data")
	select {
	case <-h.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("an overwritten lock was not lost")
	}
	if err := h.Release(patient(t)); !errors.Is(err, core.ErrLost) {
		t.Errorf("Release: %v", err)
	}
	_, err = p.NewLock("typed").TryAcquire(patient(t))
	is(t, err, redis.WrongType)
	if c.LLen(ctx, "distlock:{typed}").Val() != 1 {
		t.Error("somebody else's data was touched")
	}
}

func TestProtocolsAndNames(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	for _, protocol := range []string{"2", "3"} {
		p, q := open(t, server.URL()+"?protocol="+protocol, lenient()), open(t, server.URL()+"?protocol="+protocol, lenient())
		for _, name := range []string{"{", "}", "{}", "a}{b", "%7B", "{%}", "nul\x00l", "cr\r\nlf", strings.Repeat("{", 1000), "世界", "a|b|c", "*?[x]\\"} {
			h := acquire(t, p.NewLock(name))
			if _, err := q.NewLock(name).TryAcquire(patient(t)); !errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("%q: %v", name, err)
			}
			w := waiting(patient(t), q.NewLock(name))
			eventually(t, "it waits", 5*time.Second, func() bool {
				st, err := p.Inspect(patient(t), name)
				return err == nil && len(st) == 1 && len(st[0].Waiters) == 1
			})
			release(t, h)
			release(t, granted(t, w))
			if len(name) < 100 {
				h = acquire(t, p.NewLock(name))
				if st, err := p.List(patient(t), name); err != nil || len(st) != 1 || st[0].Name != name {
					t.Errorf("List(%q) = %+v, %v", name, st, err)
				}
				release(t, h)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	p := open(t, server.URL(), lenient())
	r, err := p.Check(patient(t))
	if err != nil || len(r.Warnings) != 0 || !r.Push || r.Version == "" {
		t.Errorf("Check of a sound server: %+v, %v", r, err)
	}
	c.ConfigSet(context.Background(), "maxmemory-policy", "allkeys-lru")
	r, err = p.Check(patient(t))
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "noeviction") {
		t.Errorf("Check of an evicting server: %+v, %v", r, err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // The server is another user.
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	certificate(t, dir)
	port := freePort(t)
	start(t, testenv.RedisConfig{Settings: map[string]string{
		"tls-port": fmt.Sprint(port), "tls-cert-file": filepath.Join(dir, "cert.pem"), "tls-key-file": filepath.Join(dir, "key.pem"), "tls-auth-clients": "no",
	}})
	url := fmt.Sprintf("rediss://127.0.0.1:%d", port)
	p := open(t, url+"?ca="+filepath.Join(dir, "cert.pem"), lenient())
	release(t, acquire(t, p.NewLock("a")))
	p = open(t, url+"?insecure=true", lenient())
	release(t, acquire(t, p.NewLock("a")))
	_, err := redis.Open(patient(t), url, lenient())
	is(t, err, redis.Unreachable)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	_, err = redis.Open(patient(t), url+"?server_name=other&ca="+filepath.Join(dir, "cert.pem"), lenient())
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("a certificate of another server: %v", err)
	}
}

func certificate(t testing.TB, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
