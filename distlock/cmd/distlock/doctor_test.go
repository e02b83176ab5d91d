package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDoctorOnFiles(t *testing.T) {
	url := locks(t)
	if out, errs := once(t, url+"?polling=true", 1, "doctor"); !strings.Contains(out, "warning: works, but waiters poll: Options.Polling is set") || errs != "" {
		t.Errorf("doctor prints %q, %q; want a warning", out, errs)
	}
	// Where the system cannot wake waiters, polling is all there is.
	out, errs := once(t, url, 0, "doctor")
	if !strings.HasPrefix(out, "backend  file\nurl      file:///") || !strings.HasSuffix(out, "\nhealthy") || errs != "" {
		t.Errorf("doctor prints %q, %q", out, errs)
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("doctor prints %q; want no colour where there is no terminal", out)
	}

	blocked := filepath.Join(tempDir(t), "a file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := once(t, fileURL(blocked), 69, "doctor"); !strings.Contains(out, "unusable: ") {
		t.Errorf("doctor on a file instead of a directory prints %q", out)
	}
}

func TestDoctorForScripts(t *testing.T) {
	out, _ := once(t, locks(t)+"?polling=true", 1, "doctor", "--json")
	var d struct {
		Verdict  verdict
		Facts    map[string]string
		Warnings []string
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Verdict != ailing || d.Facts["waiters"] != "poll" || len(d.Warnings) != 1 {
		t.Errorf("doctor --json prints %s, %v", out, err)
	}
	if out, _ := once(t, locks(t), 0, "doctor", "--json"); !strings.Contains(out, `"warnings": []`) {
		t.Errorf("doctor --json prints %s; want [] for an empty list", out)
	}
}

func TestDoctorWithoutAServer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := silent.Addr().String()
	_ = silent.Close()
	for _, scheme := range []string{"redis", "postgres"} {
		out, _ := once(t, fmt.Sprintf("%s://me:secret@%s/1", scheme, addr), 69, "doctor")
		if !strings.Contains(out, "nothing listens at that address") || !strings.Contains(out, addr) || strings.Contains(out, "secret") {
			t.Errorf("doctor prints %q; want the address, the cure and no password", out)
		}
	}
	if out, _ := once(t, "postgres://me@"+addr+"/1", 69, "doctor"); !strings.Contains(out, "nothing listens at that address") || !strings.Contains(out, `connect as "me"`) {
		t.Errorf("doctor prints %q; want the user and the cure", out)
	}
	for _, url := range []string{"mem:", "gopher://x", "redis://x/?sensible=yes"} {
		if _, errs := once(t, url, 64, "doctor"); errs == "" {
			t.Errorf("doctor on %s says nothing", url)
		}
	}
}

func TestPublicURL(t *testing.T) {
	for url, want := range map[string]string{
		"redis://u:p@a:1,b:2/0?mode=redlock&password=x": "redis://a:1,b:2/0",
		"postgres://u:p%40@host/db":                     "postgres://host/db",
		"file:///locks?mode=0660":                       "file:///locks",
		"file:locks":                                    "file:locks",
	} {
		if got := public(url); got != want {
			t.Errorf("public(%q) is %q, want %q", url, got, want)
		}
	}
}

func TestCure(t *testing.T) {
	for _, test := range []struct {
		err  error
		says string
	}{
		{fmt.Errorf("dial: %w", errRefused), "nothing listens"},
		{&net.DNSError{IsNotFound: true}, "nobody knows a host"},
		{&net.DNSError{IsTimeout: true}, "could not be looked up"},
		{context.DeadlineExceeded, "no answer in time"},
		{&os.PathError{Op: "open", Path: "x", Err: os.ErrPermission}, "no right"},
		{errors.New("maxmemory-policy; set noeviction"), ""},
	} {
		if got := cure(test.err); !strings.Contains(got, test.says) || test.says == "" && got != "" {
			t.Errorf("the cure for %v is %q, want %q", test.err, got, test.says)
		}
	}
}
