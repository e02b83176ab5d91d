package redis

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// A target is what a URL says.
type target struct {
	mode             string // "", "cluster", "sentinel"
	network          string
	addrs            []string
	user, password   string
	sentinelUser     string
	sentinelPassword string
	master           string
	db, protocol     int
	pool             int
	tls              *tls.Config
	opts             Options
}

// parseURL returns errors that match core.ErrInvalid, and that quote nothing of
// what comes before an @.
func parseURL(rawURL string, opts *Options) (*target, error) {
	t := &target{network: "tcp", protocol: 3, pool: 8}
	if opts != nil {
		t.opts = *opts
	}
	// The standard parser knows no lists of hosts with ports, so they are cut out.
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil, invalid("the URL has no scheme; it should begin with redis://, rediss:// or unix://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if strings.ContainsAny(rest[end:], "@#") {
		return nil, invalid("the URL has a # or, after the hosts, an @; is a character of the user or the password not percent-encoded?")
	}
	authority := rest[:end]
	at := strings.LastIndexByte(authority, '@')
	hosts := authority[at+1:]
	u, err := url.Parse(scheme + "://" + authority[:at+1] + "host" + rest[end:])
	if err != nil {
		return nil, invalid("the URL cannot be parsed; is a character of the user or the password not percent-encoded?")
	}
	if u.User != nil {
		t.user = u.User.Username()
		t.password, _ = u.User.Password()
	}
	if err := t.parseScheme(u, hosts); err != nil {
		return nil, err
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, invalid("the parameters of the URL cannot be parsed")
	}
	return t, t.parameters(q)
}

func (t *target) parseScheme(u *url.URL, hosts string) error {
	switch u.Scheme {
	case "redis":
	case "rediss":
		t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	case "unix":
		t.network, t.addrs = "unix", []string{u.Path}
		if hosts != "" || u.Path == "" {
			return invalid("a unix URL must have a path and no host, as in unix:///run/redis.sock")
		}
		return nil
	default:
		return invalid("the scheme %q is not redis, rediss or unix", u.Scheme)
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host == "" {
			return invalid("a host of the URL is empty")
		}
		t.addrs = append(t.addrs, host)
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		var err error
		if t.db, err = strconv.Atoi(db); err != nil || t.db < 0 {
			return invalid("the path of the URL is %q; it must be the number of a database", u.Path)
		}
	}
	return nil
}

// parameters reads each parameter, and finds fault with those that are left.
func (t *target) parameters(q url.Values) error {
	for name, values := range q {
		if len(values) != 1 {
			return invalid("the parameter %q is given %d times", name, len(values))
		}
		if err := t.parameter(name, values[0]); err != nil {
			return err
		}
	}
	return t.complete()
}

func (t *target) parameter(name, value string) (err error) {
	switch name {
	case "mode":
		t.mode = value
	case "master":
		t.master = value
	case "sentinel_user":
		t.sentinelUser = value
	case "sentinel_password":
		t.sentinelPassword = value
	case "prefix":
		t.opts.Prefix = value
	case "lease":
		t.opts.Lease, err = time.ParseDuration(value)
	case "max_hold":
		t.opts.MaxHold, err = time.ParseDuration(value)
	case "claim":
		t.opts.Claim, err = time.ParseDuration(value)
	case "wait_lease":
		t.opts.WaitLease, err = time.ParseDuration(value)
	case "token_retention":
		t.opts.TokenRetention, err = time.ParseDuration(value)
	case "replica_acks":
		t.opts.ReplicaAcks, err = strconv.Atoi(value)
	case "replica_timeout":
		t.opts.ReplicaTimeout, err = time.ParseDuration(value)
	case "timeout":
		t.opts.Timeout, err = time.ParseDuration(value)
	case "db":
		if t.db != 0 {
			return invalid("the URL has a database in its path and another one in the parameter db")
		}
		t.db, err = strconv.Atoi(value)
	case "protocol":
		t.protocol, err = strconv.Atoi(value)
	case "pool":
		t.pool, err = strconv.Atoi(value)
	case "ca", "server_name", "insecure":
		return t.secure(name, value)
	default:
		return invalid("the URL has an unknown parameter %q", name)
	}
	if err != nil {
		return invalid("the parameter %s=%q of the URL is not valid: a duration is written as 15s, a number in digits", name, value)
	}
	return nil
}

func (t *target) secure(name, value string) error {
	if t.tls == nil {
		return invalid("the parameter %q needs a rediss URL", name)
	}
	switch name {
	case "server_name":
		t.tls.ServerName = value
	case "insecure":
		on, err := strconv.ParseBool(value)
		if err != nil {
			return invalid("the parameter insecure=%q is neither true nor false", value)
		}
		t.tls.InsecureSkipVerify = on
	case "ca":
		pem, err := os.ReadFile(value)
		if err != nil {
			return invalid("the certificates to trust cannot be read: %v", err)
		}
		t.tls.RootCAs = x509.NewCertPool()
		if !t.tls.RootCAs.AppendCertsFromPEM(pem) {
			return invalid("the file %q has no PEM certificate", value)
		}
	}
	return nil
}

// complete fills in ports and finds contradictions.
func (t *target) complete() error {
	port := "6379"
	switch {
	case t.mode == "sentinel":
		port = "26379"
		if t.master == "" {
			return invalid("mode=sentinel needs the parameter master, the name by which the sentinels know it")
		}
	case t.mode == "cluster":
		if t.db != 0 {
			return invalid("a cluster has only the database 0")
		}
	case t.mode != "":
		return invalid("the mode %q is not cluster or sentinel", t.mode)
	case len(t.addrs) > 1:
		return invalid("the URL has %d hosts; the parameter mode must say what they are: cluster or sentinel", len(t.addrs))
	}
	if t.mode != "sentinel" && t.master+t.sentinelUser+t.sentinelPassword != "" {
		return invalid("the parameters master, sentinel_user and sentinel_password need mode=sentinel")
	}
	if t.protocol != 2 && t.protocol != 3 || t.db < 0 || t.pool < 1 {
		return invalid("protocol is %d (2 or 3), db %d (0 or more), pool %d (1 or more)", t.protocol, t.db, t.pool)
	}
	if t.network == "unix" {
		return nil
	}
	for i, addr := range t.addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			t.addrs[i] = net.JoinHostPort(strings.Trim(addr, "[]"), port)
		}
	}
	return nil
}
