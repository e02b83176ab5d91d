package distlock

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/postgres"
)

func TestOpenMemory(t *testing.T) {
	p, err := Open(t.Context(), "mem:?lease=30s")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = Do(t.Context(), p.NewLock("a"), func(ctx context.Context) error {
		_, err := p.NewLock("a").TryAcquire(ctx)
		if !errors.Is(err, ErrNotAcquired) {
			t.Errorf("a second acquire: %v; want ErrNotAcquired", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenWithTellsOwnerAndObserver(t *testing.T) {
	for _, url := range []string{"mem:", "file://" + urlPath(t.TempDir())} {
		var events []EventType
		p, err := OpenWith(t.Context(), url, &Options{
			Owner:    Owner{Program: "importer"},
			Observer: ObserverFunc(func(_ context.Context, e Event) { events = append(events, e.Type) }),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		h, err := p.NewLock("a").Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all, err := p.(Inspector).Inspect(t.Context(), "a")
		if err != nil || len(all) != 1 || len(all[0].Holders) != 1 || all[0].Holders[0].Owner.Program != "importer" {
			t.Errorf("%s: Inspect = %+v, %v; want one holder, importer", url, all, err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if len(events) != 2 || events[0] != EventAcquired || events[1] != EventReleased {
			t.Errorf("%s: the observer was told %v; want acquired and released", url, events)
		}
	}
}

func TestOpenRefusesBadURLs(t *testing.T) {
	for _, test := range []struct{ url, want string }{
		{"", `no scheme: a URL begins with one of`},
		{"/var/lib/locks", `a directory is written file:///directory`},
		{"host=db password=hunter2", `no scheme`},
		{"ftp://example.com/", `unknown scheme "ftp"; known are`},
		{"FTP://example.com/", `unknown scheme "ftp"`},
		{"mem:?leas=3s", `unknown parameter "leas"; mem: URLs take lease`},
		{"mem:?lease=3", `parameter lease is "3"; it must be a duration such as 30s or 1m30s`},
		{"mem:?lease=", `parameter lease is "";`},
		{"mem:?lease=-1s", `it must be a duration such as 30s or 1m30s`},
		{"mem:?lease=3s&lease=4s", `parameter lease is given 2 times`},
		{"mem:?lease=3s;x=1", `is not a list of name=value`},
		{"mem:?lease=%zz", `does not begin an escape`},
		{"mem:?lease=1ms", `the lease is 1ms; it must be at least`},
		{"mem:db", `mem: takes neither a host nor a path`},
		{"mem://localhost", `mem: takes neither a host nor a path`},
		{"mem:#a", `a "#" begins a fragment`},
		{"file:", `the directory is missing`},
		{"file://", `the directory is missing`},
		{"file://localhost/", `the directory is missing`},
		{"file://locks/a", `file: URLs have no host; write file:///directory`},
		{"file://user@/a", `file: URLs have no host`},
		{"file:///a%00b", `zero byte`},
		{"file:///a?mode=rw", `parameter mode is "rw"; it must be permissions in octal, such as 0660`},
		{"file:///a?mode=7777", `it must be permissions in octal`},
		{"file:///a?mode=0060", `the owner must be able to read and write`},
		{"file:///a?polling=1", `it must be true or false`},
		{"file:///a?idle_files=-1", `it must be a whole number, 0 or more`},
		{"file:///a?check_interval=5", `it must be a duration`},
		{"file:///a?lease=5s", `unknown parameter "lease"; file: URLs take mode, polling`},
	} {
		p, err := Open(t.Context(), test.url)
		if err == nil {
			p.Close()
			t.Errorf("Open(%q) succeeded", test.url)
			continue
		}
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("Open(%q): %v; want an error that matches ErrInvalid", test.url, err)
		}
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("Open(%q): %v; want it to say %q", test.url, err, test.want)
		}
		if strings.Count(err.Error(), "distlock: ") != 1 {
			t.Errorf("Open(%q): %v; want the operation told once", test.url, err)
		}
	}
}

// A parameter sets the field that the documentation says, and no other.
func TestParametersSetOptions(t *testing.T) {
	for _, test := range []struct {
		query string
		want  FileOptions
	}{
		{"", FileOptions{}},
		{"mode=0660", FileOptions{Mode: 0o660}},
		{"mode=660", FileOptions{Mode: 0o660}},
		{"polling=true", FileOptions{Polling: true}},
		{"polling=false", FileOptions{}},
		{"poll_interval=5ms", FileOptions{PollInterval: 5 * time.Millisecond}},
		{"check_interval=1m30s", FileOptions{CheckInterval: 90 * time.Second}},
		{"idle_files=7", FileOptions{IdleFiles: 7}},
		{"handoff_count=2&handoff_for=1s", FileOptions{LocalHandoff: driver.Handoff{Count: 2, For: time.Second}}},
	} {
		var o FileOptions
		if err := parseQuery(t, "file", test.query).apply(fileParams(&o)); err != nil || o != test.want {
			t.Errorf("%q sets %+v, %v; want %+v", test.query, o, err, test.want)
		}
	}
	var o MemoryOptions
	if err := parseQuery(t, "mem", "lease=1h").apply(memoryParams(&o)); err != nil || o.Lease != time.Hour {
		t.Errorf("lease=1h sets %v, %v", o.Lease, err)
	}
}

func parseQuery(t *testing.T, scheme, query string) *address {
	t.Helper()
	a, err := parseAddress(scheme, "?"+query)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A relative directory is that of the moment of the Open.
func TestOpenRelativeDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	p, err := Open(t.Context(), "file:locks/a%40b")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	t.Chdir(t.TempDir())
	err = Do(t.Context(), p.NewLock("a"), func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "locks", "a@b")); err != nil {
		t.Error(err)
	}
}

// leaky is a scheme whose driver puts everything it was given into its error.
func leaky() table {
	return table{{"leak", func(a *address, _ Options) (opener, error) {
		return func(context.Context) (Provider, error) {
			return nil, fmt.Errorf("%w: cannot connect as %v to %v%s with %v", ErrUnavailable, a.user, a.hosts, a.path, a.query)
		}, nil
	}}}
}

func TestNoErrorShowsAPassword(t *testing.T) {
	all := append(leaky(), schemes()...)
	for _, s := range all {
		for _, url := range []string{
			"%s://user:hunter2@host:1/db",
			"%s://hunter2@host:1/db",
			"%s://user:hun/ter2@host:1/db",
			"%s://user:hun?ter2@host:1/db",
			"%s://user:12?hunter2@host:1/db",
			"%s://user:12/hunter2@host:1/db",
			"%s://user:12/x@hunter2@host:1/db",
			"%s://user:hun#ter2@host:1/db",
			"%s://user:hun@ter2@host:1/db",
			"%s://user:hunter2%%@host:1/db",
			"%s://user:hunter2@host:port/db",
			"%s://user:hunter2@a:1,b:2/db?x=1",
			"%s://user:hunter2@[::1/db",
			"%s:user:hunter2@host/db",
			"%s:/user:hunter2@host/db",
			"%s://host/db?password=hunter2",
			"%s://host/db?sslpassword=hunter2&x=1",
			"%s://:hunter2@host/0",
		} {
			if strings.HasPrefix(s.name, "postgres") && strings.Contains(url, "//hunter2@") {
				continue // There that is a user, whom every message may name.
			}
			url = fmt.Sprintf(url, s.name)
			_, err := all.open(t.Context(), url, Options{})
			if err == nil {
				t.Errorf("Open(%q) succeeded", url)
				continue
			}
			if text := err.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, "ter2") {
				t.Errorf("Open(%q) shows the password: %v", url, err)
			}
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrUnavailable) {
				t.Errorf("Open(%q): %v; want it to match a sentinel", url, err)
			}
		}
	}
}

// A password that is quoted in another form than it was given is scrubbed too,
// and so is whatever a caller could unwrap. What a backend's sentinel says stays.
func TestScrubbedErrorsKeepWhatTheyMatch(t *testing.T) {
	a, err := parseAddress("leak", "//user:p%40ss%20w@host/")
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"p@ss w", "p%40ss%20w", "p@ss%20w", "p%40ss+w"} {
		inner := fmt.Errorf("%w: login with %s failed: %w", postgres.ErrAuth, form, context.DeadlineExceeded)
		err := openError(a, inner)
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), form) {
				t.Errorf("%v shows %q", e, form)
			}
		}
		if fields := fmt.Sprintf("%#v", errors.Unwrap(err)); strings.Contains(fields, form) {
			t.Errorf("%s shows %q", fields, form)
		}
		if !errors.Is(err, postgres.ErrAuth) || !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrInvalid) {
			t.Errorf("%v matches other sentinels than the original", err)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, test := range []struct {
		rest, user, hosts, path, query string
	}{
		{"", "", "", "", ""},
		{"dir/sub", "", "", "dir/sub", ""},
		{"/dir%20a", "", "", "/dir a", ""},
		{"///dir/a%40b?x=1", "", "", "/dir/a@b", "x=1"},
		{"//a:1,b:2,[::1]:3/0?mode=redlock", "", "a:1|b:2|[::1]:3", "/0", "mode=redlock"},
		{"//user:p%40ss@host", "user:p%40ss", "host", "", ""},
		{"//:p@host/", ":p", "host", "/", ""},
	} {
		a, err := parseAddress("x", test.rest)
		if err != nil {
			t.Errorf("%q: %v", test.rest, err)
			continue
		}
		user := ""
		if a.user != nil {
			user = a.user.String()
		}
		got := fmt.Sprintf("%s %s %s %s", user, strings.Join(a.hosts, "|"), a.path, a.query.Encode())
		want := fmt.Sprintf("%s %s %s %s", test.user, test.hosts, test.path, test.query)
		if got != want {
			t.Errorf("%q: got %q, want %q", test.rest, got, want)
		}
	}
}

// urlPath returns a directory as the path of a URL.
func urlPath(dir string) string {
	path := filepath.ToSlash(dir)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return strings.ReplaceAll((&url.URL{Path: path}).EscapedPath(), "@", "%40")
}
