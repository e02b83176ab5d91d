package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// A Report is what [Provider.Check] or [RedLock.Check] found.
type Report struct {
	Version  string        // of the server, "" if INFO is not permitted
	Mode     string        // "standalone", "cluster" or "redlock"
	Servers  int           // that were asked: one, the masters of a cluster, all of a RedLock
	Up       int           // of these, the ones that answered
	Push     bool          // messages arrive, so waiters need not poll; not tried for a RedLock
	Skew     time.Duration // by which, at the least, the clocks of a RedLock's servers differ
	Warnings []string      // what endangers locks or makes them slow, and the cure
}

// Check asks the deployment whether it is fit for locks: that the master
// answers, its version, the eviction policy, whether a cluster is used as one,
// whether messages arrive, and whether a lock can be taken. What it finds wrong
// is in Report.Warnings; the error says that the server cannot be used at all. It
// matches core.ErrUnavailable, or ctx.Err() if ctx ended first.
//
// Without the right to INFO, which [ACL] does not grant, the version and the
// eviction policy stay unknown, and a warning says so.
func (p *Provider) Check(ctx context.Context) (*Report, error) {
	r := &Report{Mode: "standalone"}
	if err := p.check(ctx, r); err != nil {
		if !over(ctx, err) {
			err = diagnose(err)
		}
		return nil, &core.Error{Op: "check", Err: err}
	}
	return r, nil
}

func (p *Provider) check(ctx context.Context, r *Report) error {
	examine := func(ctx context.Context, c *goredis.Client) error {
		r.Servers++
		r.Up++
		return r.examine(ctx, c, p.servers.cluster != nil)
	}
	if p.servers.cluster == nil {
		if err := examine(ctx, p.servers.only().client); err != nil {
			return err
		}
	} else {
		r.Mode = "cluster"
		masters, err := p.servers.masters(ctx)
		if err != nil {
			return err
		}
		for _, c := range masters {
			if err := examine(ctx, c); err != nil {
				return err
			}
		}
	}
	if err := p.rehearse(ctx); err != nil {
		return err
	}
	return p.listens(ctx, r)
}

// masters returns a client for each master of the cluster.
func (s *servers) masters(ctx context.Context) ([]*goredis.Client, error) {
	found := make(chan *goredis.Client)
	done := make(chan error, 1)
	go func() {
		defer close(found)
		done <- s.cluster.ForEachMaster(ctx, func(_ context.Context, c *goredis.Client) error {
			found <- c
			return nil
		})
	}()
	var all []*goredis.Client
	for c := range found {
		all = append(all, c)
	}
	return all, <-done
}

// rehearse takes and releases a lock of a name that nobody else has.
func (p *Provider) rehearse(ctx context.Context) error {
	c := p.claimer(core.KindLock, "check "+p.inst, 'w', 1)
	claim, err := c.Claim(ctx)
	if err != nil {
		return err
	}
	if err := claim.Release(ctx); err != nil {
		return err
	}
	return p.call(ctx, p.plain(c.keys[fenceKey], "del", c.keys[fenceKey]))
}

// examine asks one server about itself.
func (r *Report) examine(ctx context.Context, c *goredis.Client, clustered bool) error {
	info, err := c.Info(ctx).Result()
	switch {
	case goredis.IsPermissionError(err):
		r.warn("INFO is not permitted, so the version and the eviction policy are not known; grant +info")
		return nil
	case err != nil:
		return err
	}
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	if r.Version = fields["redis_version"]; fields["valkey_version"] != "" {
		r.Version = "valkey " + fields["valkey_version"]
	}
	if tooOld(fields["redis_version"]) {
		r.warn("the version %s is older than 6.0, with which this is tested", r.Version)
	}
	if role := fields["role"]; role != "" && role != "master" {
		r.warn("the server is a %s: it refuses locks; connect to the master, through Sentinel or the cluster", role)
	}
	if policy := fields["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		if fields["maxmemory"] == "0" {
			r.warn("maxmemory-policy is %s; as soon as maxmemory is set the server may drop locks that are held: set noeviction", policy)
		} else {
			r.warn("maxmemory-policy is %s: the server may drop locks that are held; set noeviction", policy)
		}
	}
	if fields["cluster_enabled"] == "1" && !clustered {
		r.warn("the server is part of a cluster and the client is not: locks of other servers' slots fail; use a cluster client")
	}
	return nil
}

func (r *Report) warn(format string, args ...any) {
	p := fmt.Sprintf(format, args...)
	if slices.Contains(r.Warnings, p) {
		return
	}
	r.Warnings = append(r.Warnings, p)
}

// tooOld reports whether a version is below 6.0, which is the first with ACLs.
func tooOld(version string) bool {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n < 6
}

// listens sends a message to ourselves.
func (p *Provider) listens(ctx context.Context, r *Report) error {
	channel := p.channel(p.inst) + ":check"
	sub := p.servers.universal.Subscribe(ctx, channel)
	defer sub.Close()
	refused := func(what string, err error) error {
		if goredis.IsPermissionError(err) {
			r.warn("%s is not permitted, so waiters poll; grant the channels %s*", what, p.channel(""))
			return nil
		}
		return err
	}
	if _, err := sub.ReceiveTimeout(ctx, p.opts.Timeout); err != nil {
		return refused("SUBSCRIBE", err)
	}
	if err := p.servers.universal.Publish(ctx, channel, "?").Err(); err != nil {
		return refused("PUBLISH", err)
	}
	msg, err := sub.ReceiveTimeout(ctx, time.Second)
	var late interface{ Timeout() bool }
	switch _, arrived := msg.(*goredis.Message); {
	case arrived:
		r.Push = true
	case errors.As(err, &late) && late.Timeout():
		r.warn("a message to ourselves did not arrive within a second, so waiters poll; is there a proxy that does not pass messages on?")
	}
	return nil
}
