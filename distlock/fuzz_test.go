package distlock

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// FuzzOpen holds that whatever a URL looks like, parsing it neither panics nor
// shows the password, and that its errors match ErrInvalid. Nothing is opened.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{
		"", ":", "mem:", "mem:?lease=1s", "mem:?lease=1s&x", "file:///var/lib/locks", "file:a/b?x=%zz",
		"file://host/dir", "redis://a:1,b:2/?mode=redlock", "postgres://u@h/db", "leak://h/p?q=r", "leak://[::1]:5/",
	} {
		f.Add(seed, "hunter2")
	}
	f.Add("mem://PASSWORD@h/", "a/b")
	f.Add("leak://u:PASSWORD@h/?q=PASSWORD", "a?b@c#d%")
	f.Fuzz(func(t *testing.T, raw, password string) {
		all := append(leaky(), schemes()...)
		a, open, err := all.parse(raw, Options{})
		if (err == nil) != (open != nil) {
			t.Fatalf("%q: opener %t, error %v", raw, open != nil, err)
		}
		if err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("%q: %v does not match ErrInvalid", raw, err)
		}
		if a != nil && strings.Contains(a.String(), "@") && !strings.Contains(raw, "%40") {
			t.Fatalf("%q: %s has an @, before which a password may stand", raw, a)
		}

		// The same password, escaped as it should be, or as people do it.
		secret := "s3cr3t" + password + "s3cr3t"
		for _, written := range []string{url.QueryEscape(secret), url.PathEscape(secret), secret} {
			_, err := all.open(t.Context(), "leak://user:"+written+"@host:1/db", Options{})
			if err == nil {
				t.Fatal("the leaky scheme opened")
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Fatalf("password %q, written %q, is shown: %v", secret, written, err)
			}
		}
	})
}
