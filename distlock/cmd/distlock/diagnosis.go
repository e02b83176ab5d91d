package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/distlock/distlock-go/distlock"
	"github.com/distlock/distlock-go/file"
)

// examine opens the backend and has it checked. Its error is that of a command
// line that is not right; what is wrong with the backend is in the diagnosis.
func examine(ctx context.Context, flag string) (*diagnosis, error) {
	target, err := backendURL(flag)
	if err != nil {
		return nil, err
	}
	d := &diagnosis{URL: public(target), Warnings: []string{}}
	d.Backend, _, _ = strings.Cut(d.URL, ":")
	p, err := open(ctx, flag, "")
	if errors.Is(err, distlock.ErrInvalid) {
		return nil, err
	}
	if err == nil {
		defer func() { warn(p.Close()) }()
		err = d.check(ctx, p)
	}
	d.conclude(err)
	return d, nil
}

// public returns a URL without what may be secret.
func public(target string) string {
	target, _, _ = strings.Cut(target, "?")
	scheme, rest, _ := strings.Cut(target, ":")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "//" + rest[at+1:]
	}
	return scheme + ":" + rest
}

// check asks the provider, each kind by its own method.
func (d *diagnosis) check(ctx context.Context, p distlock.Provider) error {
	switch p := p.(type) {
	case *distlock.FileProvider:
		return d.checkFile(ctx, p)
	case *distlock.PostgresProvider:
		return d.checkPostgres(ctx, p)
	case *distlock.RedisProvider:
		return d.checkRedis(ctx, p)
	case *distlock.RedLockProvider:
		return d.checkRedLock(ctx, p)
	}
	return fmt.Errorf("a %T has no check", p)
}

func (d *diagnosis) checkFile(ctx context.Context, p *distlock.FileProvider) error {
	d.Backend = "file"
	err := p.Check(ctx)
	switch {
	case err != nil:
	case runtime.GOOS == "windows":
		d.know("waiters", "poll, as always on Windows")
	default:
		d.know("waiters", "are woken by the system")
	}
	if errors.Is(err, file.ErrDegraded) {
		d.know("waiters", "poll")
		d.Warnings = append(d.Warnings, bare(err))
		err = nil
	}
	return err
}

func (d *diagnosis) checkPostgres(ctx context.Context, p *distlock.PostgresProvider) error {
	d.Backend = "postgres"
	r, err := p.Check(ctx)
	if err != nil {
		return err
	}
	d.know("version", "%d.%d", r.Version/10000, r.Version%10000)
	d.know("timeline", "%d", r.Timeline)
	d.know("tokens", "%s", map[bool]string{true: "yes", false: "no"}[r.Tokens])
	d.know("lock table", "%d of about %d entries are advisory locks", r.InUse, r.Capacity)
	d.Warnings = append(d.Warnings, r.Warnings...)
	return nil
}

func (d *diagnosis) checkRedis(ctx context.Context, p *distlock.RedisProvider) error {
	d.Backend = "redis"
	r, err := p.Check(ctx)
	if err != nil {
		return err
	}
	d.know("version", "%s", orUnknown(r.Version))
	d.know("mode", "%s", r.Mode)
	d.know("servers", "%d", r.Servers)
	d.know("waiters", "%s", map[bool]string{true: "are woken by messages", false: "poll"}[r.Push])
	d.Warnings = append(d.Warnings, r.Warnings...)
	return nil
}

func (d *diagnosis) checkRedLock(ctx context.Context, p *distlock.RedLockProvider) error {
	d.Backend = "redlock"
	r, err := p.Check(ctx)
	if err != nil {
		return err
	}
	d.know("version", "%s", orUnknown(r.Version))
	d.know("servers", "%d of %d are up", r.Up, r.Servers)
	if r.Skew < time.Millisecond {
		d.know("clocks", "agree, as far as that can be measured")
	} else {
		d.know("clocks", "differ by at least %v", r.Skew.Round(time.Millisecond))
	}
	d.Warnings = append(d.Warnings, r.Warnings...)
	return nil
}

// conclude gives the verdict.
func (d *diagnosis) conclude(err error) {
	switch {
	case err != nil:
		d.Verdict, d.Error, d.Cure = unusable, bare(err), cure(err)
	case len(d.Warnings) > 0:
		d.Verdict = ailing
	default:
		d.Verdict = healthy
	}
}

// bare returns what an error says without the envelope, which repeats the URL.
func bare(err error) string {
	if e, ok := errors.AsType[*distlock.Error](err); ok && strings.HasPrefix(err.Error(), "distlock: ") {
		err = e.Err
	}
	return err.Error()
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
