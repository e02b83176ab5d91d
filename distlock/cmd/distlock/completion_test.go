package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/distlock/distlock-go/distlock"
)

func TestCompletion(t *testing.T) {
	url := locks(t)
	holder := start(t, url, "run", "nightly report", "--", self(t), asHolder)
	holder.expect(holder.out, "holding nightly report ")
	other := start(t, url, "run", "--semaphore", "3", "encoders", "--", self(t), asHolder)
	other.holding()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"inspect", "ni"}, "nightly report\tlock held by 1\n:4"},
		{[]string{"break", "e"}, "encoders\tsemaphore held by 1 of 3\n:4"},
		{[]string{"run", "zz"}, ":4"},
		{[]string{"run", "--on-lost", ""}, "kill\nsignal\nwarn\n:4"},
		{[]string{"break", "--kind", "l"}, "lock\nrwlock\nsemaphore\n:4"},
	} {
		out, _ := once(t, url, 0, append([]string{"__complete"}, test.args...)...)
		if out != test.want {
			t.Errorf("completing %q gives %q, want %q", test.args, out, test.want)
		}
	}
	holder.release()
	other.release()
	// Whoever is typing is told nothing of what goes wrong.
	if out, _ := once(t, "gopher://x", 0, "__complete", "ls", ""); out != ":4" {
		t.Errorf("completing on a bad URL gives %q", out)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out, err := prepare(t, url, "completion", shell).Output(); err != nil || !strings.Contains(string(out), "distlock") {
			t.Errorf("completion %s prints %q, %v", shell, out, err)
		}
	}
}

func TestCompletionsAreNames(t *testing.T) {
	one := []distlock.Holder{{}}
	got := completions([]distlock.Status{
		{Name: "a", Kind: distlock.KindLock, Holders: one},
		{Name: "a", Kind: distlock.KindSemaphore, Limit: 2, Holders: one},
		{Name: "b\nc", Kind: distlock.KindLock, Holders: one},
		{Name: "key 42", Holders: one}, // a key, of a backend that does not know names
	})
	if want := []string{"a\tlock held by 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
