//go:build unix

package testenv

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	yes := func(context.Context) error { return nil }
	no := func(context.Context) error { return errors.New("no daemon") }
	may := func() error { return nil }
	mayNot := func() error { return errors.New("not root") }
	f := redisFamily

	tests := []struct {
		name       string
		found      bool // before anything is installed
		docker     func(context.Context) error
		canInstall func() error
		install    error
		installed  bool // whether an installation brings the programs
		want       origin
		wantErr    string
		installs   int
	}{
		{name: "what is there is used", found: true, docker: yes, canInstall: may, want: origin{dir: "/bin", server: "redis-server"}},
		{name: "a container rather than an installation", docker: yes, canInstall: may, want: origin{image: f.image, server: "redis-server"}},
		{name: "an installation", docker: no, canInstall: may, installed: true, want: origin{dir: "/bin", server: "redis-server"}, installs: 1},
		{name: "nothing is installed without the right", docker: no, canInstall: mayNot, wantErr: "not root"},
		{name: "an installation fails", docker: no, canInstall: may, install: errors.New("disk full"), wantErr: "disk full", installs: 1},
		{name: "an installation brings nothing", docker: no, canInstall: may, wantErr: "found no redis-server", installs: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			here, installs := test.found, 0
			got, err := chooser{
				find: func(family) (origin, error) {
					if here {
						return origin{dir: "/bin", server: "redis-server"}, nil
					}
					return origin{}, nil
				},
				docker:     test.docker,
				canInstall: test.canInstall,
				install: func(context.Context, family) error {
					installs++
					here = test.installed
					return test.install
				},
			}.choose(t.Context(), f)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("chose %+v, want %+v", got, test.want)
			}
			if installs != test.installs {
				t.Errorf("installed %d times, want %d", installs, test.installs)
			}
			switch {
			case test.wantErr == "" && err != nil:
				t.Errorf("failed: %v", err)
			case test.wantErr != "":
				if !errors.Is(err, ErrMissing) {
					t.Errorf("error %v does not match ErrMissing", err)
				}
				for _, part := range []string{test.wantErr, "no daemon", "apt-get install redis-server", RedisVar} {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("error %v does not mention %q", err, part)
					}
				}
			}
		})
	}
}

func TestAnImageThatIsNamedIsUsed(t *testing.T) {
	t.Setenv(RedisImageVar, "valkey/valkey:8.1")
	c := chooser{
		find:   func(family) (origin, error) { return origin{dir: "/bin", server: "redis-server"}, nil },
		docker: func(context.Context) error { return nil },
	}
	got, err := c.choose(t.Context(), redisFamily)
	if want := (origin{image: "valkey/valkey:8.1", server: "valkey-server"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("chose %+v, %v; want %+v", got, err, want)
	}
	c.docker = func(context.Context) error { return errors.New("no daemon") }
	if got, err := c.choose(t.Context(), redisFamily); err == nil || !strings.Contains(err.Error(), RedisImageVar) {
		t.Errorf("without a daemon: chose %+v, %v; want an error that names %s", got, err, RedisImageVar)
	}
}

// fake makes a directory with empty executables.
func fake(t *testing.T, dir string, programs ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if err := os.WriteFile(filepath.Join(dir, program), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	f := family{
		name: "Thing", servers: []string{"thing", "thing-fork"}, tools: []string{"thingctl"},
		binVar: "DISTLOCK_TEST_THING_BIN", places: []string{root + "/lib/thing/*/bin"},
	}
	find := func() string {
		t.Helper()
		got, err := f.find()
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(got.dir, got.server)
	}
	t.Setenv("PATH", root)
	if got := find(); got != "" {
		t.Fatalf("found %q where there is nothing", got)
	}

	fake(t, root+"/lib/thing/9/bin", "thing", "thingctl")
	newest := fake(t, root+"/lib/thing/17/bin", "thing", "thingctl")
	fake(t, root+"/lib/thing/18/bin", "thing") // Half an installation.
	if got := find(); got != newest+"/thing" {
		t.Errorf("found %q, want the newest whole one, %q", got, newest)
	}

	whole := fake(t, root+"/real", "thing", "thingctl")
	path := fake(t, root+"/path")
	if err := os.Symlink(whole+"/thing", path+"/thing"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", path)
	if got := find(); got != whole+"/thing" {
		t.Errorf("found %q, want %q, where the link in PATH points", got, whole)
	}

	named := fake(t, root+"/named", "thing", "thingctl")
	t.Setenv(f.binVar, named)
	if got := find(); got != named+"/thing" {
		t.Errorf("found %q, want %q, which %s names", got, named, f.binVar)
	}

	fork := fake(t, root+"/fork", "thing-fork", "thingctl")
	t.Setenv(f.binVar, fork)
	if got := find(); got != fork+"/thing-fork" {
		t.Errorf("found %q, want the fork in %q", got, fork)
	}

	t.Setenv(f.binVar, root+"/wrong")
	if got, err := f.find(); err == nil || !strings.Contains(err.Error(), f.binVar) {
		t.Errorf("found %q, %v; want an error that names %s", got, err, f.binVar)
	}
}

func TestImagesArePinned(t *testing.T) {
	for _, f := range []family{postgresFamily, redisFamily, valkeyFamily, pgbouncerFamily} {
		_, tag, ok := strings.Cut(f.image, ":")
		if !ok || !strings.ContainsAny(tag, "0123456789") || !strings.Contains(tag, ".") {
			t.Errorf("%s: image %q names no exact version", f.name, f.image)
		}
	}
}

func TestCanInstallRespectsTheVariable(t *testing.T) {
	t.Setenv(InstallVar, "0")
	if err := canInstall(); err == nil || !strings.Contains(err.Error(), InstallVar) {
		t.Errorf("with %s=0: %v", InstallVar, err)
	}
}

func TestDenyServices(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	allow, err := denyServices(policy)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(policy); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("policy: %v, %v; want an executable", info, err)
	}
	allow()
	if _, err := os.Stat(policy); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the policy is still there: %v", err)
	}

	if err := os.WriteFile(policy, []byte("the administrator's"), 0o755); err != nil {
		t.Fatal(err)
	}
	if allow, err = denyServices(policy); err != nil {
		t.Fatal(err)
	}
	allow()
	if content, err := os.ReadFile(policy); string(content) != "the administrator's" {
		t.Errorf("the administrator's policy is gone: %q, %v", content, err)
	}
}

func TestSweepRemovesWhatTheDeadLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	mine, err := workDir("redis", nil)
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(os.TempDir(), dirPrefix+"999999999-redis-1")
	other := filepath.Join(os.TempDir(), "something-else")
	for _, dir := range []string{dead, other} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dead process's directory is still there: %v", err)
	}
	for _, dir := range []string{mine, other} {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}
