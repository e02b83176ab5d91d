package distlock

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/postgres"
)

// server returns what a variable says of a server, or skips the test.
func server(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		if os.Getenv("DISTLOCK_REQUIRE_SERVERS") == "1" {
			t.Fatalf("%s is not set, and DISTLOCK_REQUIRE_SERVERS is", variable)
		}
		t.Skipf("%s is not set", variable)
	}
	return value
}

// with adds a parameter to a URL.
func with(target, param string) string {
	if strings.Contains(target, "?") {
		return target + "&" + param
	}
	return target + "?" + param
}

// One program runs on every backend: only the URL differs.
func TestOneProgramOnEveryBackend(t *testing.T) {
	for _, test := range []struct {
		name string
		url  func(t *testing.T) string
	}{
		{"mem", func(*testing.T) string { return "mem:" }},
		{"file", func(t *testing.T) string { return "file://" + urlPath(t.TempDir()) }},
		{"postgres", func(t *testing.T) string {
			return with(server(t, "DISTLOCK_TEST_POSTGRES"), "namespace=umbrella&max_waiters=2")
		}},
		{"redis", func(t *testing.T) string { return with(server(t, "DISTLOCK_TEST_REDIS"), "prefix=umbrella&lease=5s") }},
		{"cluster", func(t *testing.T) string {
			return "redis://" + server(t, "DISTLOCK_TEST_REDIS_CLUSTER") + "/?mode=cluster&prefix=umbrella"
		}},
		{"sentinel", func(t *testing.T) string {
			name, addrs, _ := strings.Cut(server(t, "DISTLOCK_TEST_REDIS_SENTINEL"), "@")
			return "redis://" + addrs + "/?mode=sentinel&prefix=umbrella&master=" + name
		}},
		{"redlock", func(t *testing.T) string {
			return "redis://" + server(t, "DISTLOCK_TEST_REDIS_NODES") + "/?mode=redlock&prefix=umbrella&lease=2s&claim=1s"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Open(t.Context(), test.url(t))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			program(t, p)
		})
	}
}

// program uses each primitive as an application would.
func program(t *testing.T, p Provider) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := Do(ctx, p.NewLock("umbrella"), func(ctx context.Context) error {
		if _, err := p.NewLock("umbrella").TryAcquire(ctx); !errors.Is(err, ErrNotAcquired) {
			t.Errorf("a second TryAcquire: %v, want ErrNotAcquired", err)
		}
		rw := p.NewRWLock("umbrella")
		all, err := AcquireAll(ctx, Reader(rw), p.NewSemaphore("umbrella", 2), p.NewLock("another"))
		if err != nil {
			return err
		}
		if _, err := rw.TryAcquireWrite(ctx); !errors.Is(err, ErrNotAcquired) {
			t.Errorf("TryAcquireWrite while it is read: %v, want ErrNotAcquired", err)
		}
		return all.Release(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	first, err := p.NewLock("umbrella").TryAcquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before := first.Token()
	if err := first.Release(ctx); err != nil {
		t.Fatal(err)
	}
	second, err := p.NewLock("umbrella").Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if second.Token() <= before || before == 0 {
		t.Errorf("tokens were %d and then %d, want them to grow", before, second.Token())
	}
	if err := second.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestServerURLsAreChecked(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"postgres://h/d?max_holds=many", `parameter max_holds is "many"; it must be a whole number`},
		{"postgres://h/d?keys=md5", `it must be hashed, medallion or raw`},
		{"postgres://h/d?namespace=", `it must be a text that is not empty`},
		{"postgresql://h/d?wait_slice=5", `it must be a duration`},
		{"postgres://h/d?require_token=1", `it must be true or false`},
		{"redis://h/?leas=3s", `unknown parameter "leas"`},
		{"redis://h/?lease=3", `lease`},
		{"redis://a,b/", `mode`},
		{"redis://a,b,c/?mode=redlock&replica_acks=1", `unknown parameter "replica_acks"; redis: URLs take mode, prefix, lease`},
		{"redis:///?mode=redlock", `mode=redlock needs the servers as hosts`},
		{"redis://a,a,b/?mode=redlock", `twice`},
	} {
		p, err := Open(t.Context(), test.url)
		if err == nil {
			p.Close()
			t.Errorf("Open(%q) succeeded", test.url)
			continue
		}
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Open(%q): %v; want ErrInvalid, and %q in it", test.url, err, test.want)
		}
	}
}

func TestPostgresParametersSetOptions(t *testing.T) {
	var o PostgresOptions
	query := "namespace=n&keys=medallion&max_holds=1&holds_per_session=2&max_waiters=3&wait_slice=4s&ping_interval=5s&" +
		"ping_timeout=6s&server_timeout=7s&idle_timeout=8s&token_sequence=a.b&no_create=true&require_token=true&allow_pooler=true"
	if err := parseQuery(t, "postgres", query).apply(postgresParams(&o)); err != nil {
		t.Fatal(err)
	}
	want := PostgresOptions{Namespace: "n", Keys: postgres.Medallion, MaxHolds: 1, HoldsPerSession: 2, MaxWaiters: 3,
		WaitSlice: 4 * time.Second, PingInterval: 5 * time.Second, PingTimeout: 6 * time.Second, ServerTimeout: 7 * time.Second,
		IdleTimeout: 8 * time.Second, TokenSequence: "a.b", NoCreate: true, RequireToken: true, AllowPooler: true}
	if o != want {
		t.Errorf("the query sets %+v, want %+v", o, want)
	}
}

// What a driver is given is what Open was given, less what is ours.
func TestAnAddressCanBeWrittenAgain(t *testing.T) {
	for _, raw := range []string{
		"postgres://user:p%40ss%2Fw%3Ard@a:1,[::1]:2/my%20db?sslmode=disable",
		"postgres:///db?host=%2Frun%2Fpostgresql",
		"postgres://h/a%40b?user=c%40d",
		"redis://:secret@h/0",
		"unix:///run/redis.sock?db=1",
	} {
		scheme, rest, _ := cutScheme(raw)
		a, err := parseAddress(scheme, rest)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseAddress(scheme, strings.TrimPrefix(a.with(a.query), scheme+":"))
		if err != nil {
			t.Errorf("%s becomes %s: %v", raw, a.with(a.query), err)
			continue
		}
		if again.path != a.path || strings.Join(again.hosts, ",") != strings.Join(a.hosts, ",") ||
			again.query.Encode() != a.query.Encode() || userOf(again.user) != userOf(a.user) {
			t.Errorf("%s becomes %s", raw, a.with(a.query))
		}
	}
}

func userOf(u *url.Userinfo) string {
	if u == nil {
		return ""
	}
	password, has := u.Password()
	if has {
		return u.Username() + ":" + password
	}
	return u.Username()
}
