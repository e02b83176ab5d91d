package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// Check asks every server whether it is fit for its part, as [Provider.Check]
// does, and what concerns RedLock alone: whether a majority of the servers is up,
// whether they forget votes when they restart, how far their clocks are apart, and
// whether a lock is granted. What it finds wrong is in Report.Warnings, with the
// server's address; the error says that no lock can be had at all. It matches
// core.ErrUnavailable, or ctx.Err() if ctx ended first.
//
// Without the right to CONFIG GET, which [ACL] does not grant, it is not known
// what a server does after a crash, and a warning says so.
func (l *RedLock) Check(ctx context.Context) (*Report, error) {
	r := &Report{Mode: "redlock", Servers: len(l.peers)}
	if err := l.check(ctx, r); err != nil {
		return nil, &core.Error{Op: "check", Err: err}
	}
	return r, nil
}

func (l *RedLock) check(ctx context.Context, r *Report) error {
	found := make([]examination, len(l.peers))
	var all sync.WaitGroup
	for i, x := range l.peers {
		all.Go(func() { found[i] = x.examine(ctx) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var errs []error
	for i, f := range found {
		addr := l.peers[i].addr
		if f.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", addr, diagnose(f.err)))
			r.warn("%s: %v", addr, diagnose(f.err))
			continue
		}
		r.Up++
		if r.Version == "" {
			r.Version = f.report.Version
		}
		for _, w := range f.report.Warnings {
			r.warn("%s: %s", addr, w)
		}
	}
	if r.Up < l.quorum {
		return &TroubleError{NoMajority, "", errors.Join(errs...)}
	}
	if r.Up < r.Servers {
		r.warn("%d of %d servers are up, and %d are needed: bring the others back before one more fails", r.Up, r.Servers, l.quorum)
	}
	if r.Servers%2 == 0 {
		r.warn("%d servers survive no more failures than %d would; name an odd number", r.Servers, r.Servers-1)
	}
	if r.Skew = skew(found); r.Skew > l.opts.Lease/4 {
		r.warn("the clocks of two servers differ by %v, more than a quarter of the lease of %v: have them set by NTP, or tokens may not grow after a register was lost",
			r.Skew.Round(time.Millisecond), l.opts.Lease)
	}
	return l.rehearse(ctx, r)
}

// rehearse takes and releases a lock. Its name is always the same, so that checks
// leave one register behind and not one each; if another check holds it, that is
// as good. Servers that do not vote yet are told of and not waited for.
func (l *RedLock) rehearse(ctx context.Context, r *Report) error {
	h, err := l.NewLock("distlock check").TryAcquire(ctx)
	switch {
	case errors.Is(err, errQuarantine):
		r.warn("%v", cause(err))
		return nil
	case errors.Is(err, core.ErrNotAcquired):
		return nil
	case err != nil:
		return cause(err)
	}
	return cause(h.Release(ctx))
}

// cause takes the envelope off an error, for a caller with one of its own.
func cause(err error) error {
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e.Err
	}
	return err
}

// An examination is what one server says of itself.
type examination struct {
	report Report
	offset time.Duration // its clock less that of this process
	round  time.Duration // of the request that told the offset, which bounds its error
	err    error
}

func (x *peer) examine(ctx context.Context) (found examination) {
	ctx, cancel := context.WithTimeout(ctx, x.l.opts.Timeout)
	defer cancel()
	client := x.p.servers.only().client
	// The first request may have to dial, so it would not tell the time.
	if found.err = found.report.examine(ctx, client, false); found.err != nil {
		return found
	}
	sent := time.Now()
	at, err := client.Time(ctx).Result()
	if found.round = time.Since(sent); err != nil {
		found.err = err
		return found
	}
	found.offset = at.Sub(sent.Add(found.round / 2))
	found.err = found.report.remembers(ctx, client)
	return found
}

// remembers warns of a server that keeps its data, and its guard with it, but may
// lose its last votes in a crash.
func (r *Report) remembers(ctx context.Context, c *goredis.Client) error {
	set := make(map[string]string)
	for _, name := range []string{"appendonly", "appendfsync", "save"} {
		got, err := c.ConfigGet(ctx, name).Result()
		switch {
		case goredis.IsPermissionError(err):
			r.warn("CONFIG GET is not permitted, so it is not known whether the server forgets votes in a crash; grant +config|get")
			return nil
		case err != nil && answered(err):
			r.warn("CONFIG GET is refused, so it is not known whether the server forgets votes in a crash: it must keep nothing on disk, or have appendonly yes and appendfsync always")
			return nil
		case err != nil:
			return err
		}
		set[name] = got[name]
	}
	switch {
	case set["appendonly"] == "yes" && set["appendfsync"] != "always":
		r.warn("appendfsync is %s: a server that crashes forgets its last votes and does not know it; set appendfsync always, or keep nothing on disk (appendonly no, save \"\")", set["appendfsync"])
	case set["appendonly"] != "yes" && set["save"] != "":
		r.warn("it restarts from a snapshot that lacks its last votes, and does not know it; set save \"\", or appendonly yes and appendfsync always")
	}
	return nil
}

// skew returns by how much at the least the clocks of two servers differ.
func skew(all []examination) time.Duration {
	var most time.Duration
	for _, a := range all {
		for _, b := range all {
			if a.err == nil && b.err == nil {
				most = max(most, a.offset-b.offset-(a.round+b.round)/2)
			}
		}
	}
	return most
}
