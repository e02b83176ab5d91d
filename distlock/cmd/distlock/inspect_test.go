package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/distlock"
)

func TestInspectAndList(t *testing.T) {
	url := locks(t)
	if out, _ := once(t, url, 0, "inspect", "nightly report"); out != `"nightly report" is free` {
		t.Errorf("inspect of a free lock prints %q", out)
	}
	for _, args := range [][]string{{"inspect", ""}, {"inspect", "\xff"}, {"break", "--yes", ""}} {
		if out, errs := once(t, url, 64, args...); out != "" || !strings.Contains(errs, "invalid") {
			t.Errorf("%q prints %q and says %q; want to hear that the name is invalid", args, out, errs)
		}
	}
	for _, args := range [][]string{{"ls", "--json"}, {"inspect", "--json", "a"}} {
		if out, _ := once(t, url, 0, args...); out != "[]" {
			t.Errorf("%q prints %q, want []", args, out)
		}
	}

	holder := start(t, url, "run", "nightly report", "--", self(t), asHolder)
	line := holder.expect(holder.out, "holding nightly report ")
	other := start(t, url, "run", "--semaphore", "3", "encoders", "--", self(t), asHolder)
	other.holding()

	owner := fmt.Sprintf("(pid %d) on ", holder.cmd.Process.Pid)
	out, _ := once(t, url, 0, "inspect", "nightly report")
	if !strings.HasPrefix(out, `"nightly report" (lock): 1 held, 0 waiting`) || !strings.Contains(out, owner) || !strings.Contains(out, "token ") {
		t.Errorf("inspect prints %q; want the holder, %s, and its token", out, owner)
	}
	out, _ = once(t, url, 0, "ls")
	for _, want := range []string{"NAME", `"nightly report"`, owner, "encoders", "1 of 3"} {
		if !strings.Contains(out, want) {
			t.Errorf("ls prints %q; want %s", out, want)
		}
	}
	if out, _ = once(t, url, 0, "ls", "enc"); strings.Contains(out, "nightly") || !strings.Contains(out, "encoders") {
		t.Errorf("ls enc prints %q; want encoders only", out)
	}

	out, _ = once(t, url, 0, "ls", "--json", "nightly")
	var all []distlock.Status
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Kind != distlock.KindLock || len(all[0].Holders) != 1 {
		t.Fatalf("ls --json prints %s; want one lock with one holder", out)
	}
	h := all[0].Holders[0]
	if h.Owner.PID != holder.cmd.Process.Pid || !strings.Contains(line, fmt.Sprintf(" %d ", h.Token)) {
		t.Errorf("ls --json prints %s; want the pid %d and the token of %q", out, holder.cmd.Process.Pid, line)
	}
	if strings.Contains(out, "null") {
		t.Errorf("ls --json prints %s; want [] for an empty list", out)
	}
	holder.release()
	other.release()
	if out, _ := once(t, url, 0, "ls"); out != "" {
		t.Errorf("ls prints %q after all was released", out)
	}
}

func TestPrintDetails(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	all := []distlock.Status{{
		Name: "data", Kind: distlock.KindRWLock,
		Holders: []distlock.Holder{{
			Owner: distlock.Owner{Program: "back\x1b[2Jup", Host: "web1", PID: 42}, Shared: true, Token: 7,
			Since: now.Add(-90 * time.Second), Until: now.Add(14 * time.Second),
		}},
		Waiters: []distlock.Waiter{{Owner: distlock.Owner{Program: "migrate", Host: "web2", PID: 43}, Since: now.Add(time.Hour)}, {}},
	}}
	var out strings.Builder
	if err := printDetails(&out, all, now); err != nil {
		t.Fatal(err)
	}
	want := `data (rwlock): 1 held, 2 waiting
  held by  back?[2Jup (pid 42) on web1  for 1m30s, shared  token 7, lease ends in 14s
  waiting  migrate (pid 43) on web2     for 0s             
  waiting  an unknown owner             for unknown        
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestVersionAndHelp(t *testing.T) {
	if out, _ := once(t, "", 0, "version"); !strings.HasPrefix(out, "distlock ") || !strings.Contains(out, "go1.") {
		t.Errorf("version prints %q", out)
	}
	if out, _ := once(t, "", 0, "version", "--json"); !strings.HasPrefix(out, `{"arch":"`) || !strings.Contains(out, `"version":"`) {
		t.Errorf("version --json prints %q", out)
	}
	for _, args := range [][]string{{}, {"help"}, {"run", "--help"}, {"help", "ls"}, {"break", "--help"}, {"doctor", "--help"}} {
		if out, _ := once(t, "", 0, args...); !strings.Contains(out, "Usage:") {
			t.Errorf("distlock %q prints %q, want the usage", args, out)
		}
	}
}

func TestNotice(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	holder := func(pid int, ago time.Duration) distlock.Holder {
		return distlock.Holder{Owner: distlock.Owner{Program: "distlock", Host: "web1", PID: pid}, Since: now.Add(-ago)}
	}
	for _, test := range []struct {
		name    string
		holders []distlock.Holder
		want    string
	}{
		{"a", nil, "waiting for a, held elsewhere"},
		{"a", []distlock.Holder{holder(42, 12*time.Second)}, "waiting for a, held by pid 42 on web1 for 12s"},
		{"a", []distlock.Holder{holder(42, 12*time.Second), holder(43, time.Hour)}, "waiting for a, held by pid 43 on web1 for 1h0m0s, and by 1 more"},
		{"a", []distlock.Holder{holder(42, -time.Second)}, "waiting for a, held by pid 42 on web1 for 0s"},
		{"a", []distlock.Holder{{Owner: distlock.Owner{Program: "x"}}}, "waiting for a, held by x"},
		{"a", []distlock.Holder{{Owner: distlock.Owner{Program: "x\x1b[2J\r"}}}, "waiting for a, held by x?[2J?"},
		{"a", []distlock.Holder{{Owner: distlock.Owner{Host: "x\x1b[2J\r", PID: 4}}}, "waiting for a, held by pid 4 on x?[2J?"},
		{"a b", nil, `waiting for "a b", held elsewhere`},
		{"a\n\x1b[2J", nil, `waiting for "a\n\x1b[2J", held elsewhere`},
	} {
		n := &notice{name: test.name, holders: test.holders}
		if got := n.line(now); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}
