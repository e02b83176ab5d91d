package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/distlock/distlock-go/core"
)

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"a", "{", "}", "%", "%23", "%#", "a}{b", "\x00", strings.Repeat("é", 200), strings.Repeat("%", 300), "a:q", "a}:rw"} {
		f.Add(s, s+"x", s)
	}
	plain := &Provider{opts: Options{Prefix: "p"}}
	f.Fuzz(func(t *testing.T, a, b, tag string) {
		if a == "" || b == "" {
			t.Skip() // No such name gets here.
		}
		tagged := &Provider{opts: Options{Prefix: "p", HashTag: func(string) string { return tag }}}
		for _, p := range []*Provider{plain, tagged} {
			seen := make(map[string]bool)
			for _, name := range []string{a, b} {
				for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
					keys := p.keys(kind, name)
					for _, key := range keys {
						if hashTag(key) != hashTag(keys[0]) {
							t.Fatalf("the keys of %q have the tags %q and %q", name, hashTag(keys[0]), hashTag(key))
						}
						if a != b && seen[key] {
							t.Fatalf("the key %q is that of two objects", key)
						}
						seen[key] = true
						if len(key) > 2*longName+64 {
							t.Fatalf("the key of a name of %d bytes has %d", len(name), len(key))
						}
					}
					k, n, ok := p.parseState(keys[stateKey])
					if !ok || k != kind || n != name && len(escaper.Replace(name)) <= longName {
						t.Fatalf("the state %q of %s %q is taken for %s %q, %v", keys[stateKey], kind, name, k, n, ok)
					}
				}
			}
		}
	})
}

// hashTag is the part of a key that a cluster hashes, by the cluster
// specification.
func hashTag(key string) string {
	_, rest, found := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !found || !closed || tag == "" {
		return key
	}
	return tag
}

// What is in use must not be renamed: another version would not find it.
func TestKeysStayAsTheyAre(t *testing.T) {
	p := &Provider{opts: Options{Prefix: "distlock"}}
	if got, want := p.keys(core.KindLock, "a"), (keys{"distlock:{a}", "distlock:{a}:q", "distlock:{a}:f", "distlock:{a}:w"}); got != want {
		t.Errorf("keys of a lock: %q, not %q", got, want)
	}
	if got := p.keys(core.KindRWLock, "{x}%")[stateKey]; got != "distlock:{%7Bx%7D%25}:rw" {
		t.Errorf("state of an rwlock: %q", got)
	}
	long := strings.Repeat("n", 300)
	sum := sha256.Sum256([]byte(long))
	if got, want := p.keys(core.KindSemaphore, long)[stateKey], "distlock:{"+long[:64]+"%#"+hex.EncodeToString(sum[:])+"}:sem"; got != want {
		t.Errorf("state of a semaphore with a long name: %q, not %q", got, want)
	}
	p.opts.HashTag = func(string) string { return "user:42" }
	if got := p.keys(core.KindLock, "a")[queueKey]; got != "distlock:{user:42}{a}:q" {
		t.Errorf("queue of a tagged lock: %q", got)
	}
}
