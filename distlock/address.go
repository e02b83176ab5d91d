package distlock

import (
	"net/url"
	"strings"
)

// An address is a URL in parts. Package net/url refuses a list of hosts, and its
// errors quote what they could not read, so the text is split here; what it
// splits into is still read by net/url.
type address struct {
	scheme string
	user   *url.Userinfo // or nil
	hosts  []string      // host, host:port or [address]:port; none if there is no "//"
	path   string        // decoded; with hosts it is empty or begins with "/"
	query  url.Values
}

// cutScheme splits a URL after its scheme, which it returns in lower case.
func cutScheme(raw string) (name, rest string, ok bool) {
	name, rest, ok = strings.Cut(raw, ":")
	if !ok || name == "" || !letter(name[0]) {
		return "", "", false
	}
	for i := range len(name) {
		if c := name[i]; !letter(c) && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' {
			return "", "", false
		}
	}
	return strings.ToLower(name), rest, true
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// parseAddress reads what follows the scheme:
//
//	[//[user[:password]@][host[:port][,host[:port]]...]][path][?query]
//
// Its errors quote nothing: what looks like a host, a path or a parameter may be
// the rest of a password that was not escaped.
func parseAddress(scheme, rest string) (*address, error) {
	a := &address{scheme: scheme}
	if strings.Contains(rest, "#") {
		return nil, invalid(`a "#" begins a fragment, which means nothing here; inside a name or a password write %%23`)
	}
	before, query, _ := strings.Cut(rest, "?")
	path := before
	if authority, ok := strings.CutPrefix(before, "//"); ok {
		end := strings.IndexByte(authority, '/')
		if end < 0 {
			end = len(authority)
		}
		authority, path = authority[:end], authority[end:]
		if err := a.parseAuthority(authority); err != nil {
			return nil, err
		}
	}
	if strings.Contains(path+query, "@") {
		return nil, invalid(`there is an "@" behind the place of the hosts: in a user or a password write %%2F for "/" and %%3F for "?", and elsewhere %%40 for "@"`)
	}
	var err error
	if a.path, err = url.PathUnescape(path); err != nil {
		return nil, invalid("the path has a %% that does not begin an escape such as %%20")
	}
	if strings.ContainsRune(a.path, 0) {
		return nil, invalid("the path has a zero byte")
	}
	if a.query, err = url.ParseQuery(query); err != nil {
		return nil, invalid(`the query after "?" is not a list of name=value with "&" between them, or has a %% that does not begin an escape such as %%20`)
	}
	return a, nil
}

// parseAuthority reads user, password and hosts.
func (a *address) parseAuthority(s string) error {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		name, password, has := strings.Cut(s[:i], ":")
		name, err1 := url.PathUnescape(name)
		password, err2 := url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return invalid("the user or the password has a %% that does not begin an escape such as %%40; write %%25 for the character itself")
		}
		a.user = url.User(name)
		if has {
			a.user = url.UserPassword(name, password)
		}
		s = s[i+1:]
	}
	if s == "" {
		return nil
	}
	var hosts []string
	for host := range strings.SplitSeq(s, ",") {
		u, err := url.Parse("x://" + host)
		if err != nil || u.Host == "" || u.Host != host || u.User != nil {
			return invalid(`what stands between "//" and the next "/" is not a list of hosts, such as a:1234 or a:1234,b:1234; ` +
				"escape special characters of a password (%%2F for /, %%40 for @, %%3A for :)")
		}
		hosts = append(hosts, host)
	}
	a.hosts = hosts
	return nil
}

// with returns the address as a URL again, secrets included, with another query:
// what a driver that reads URLs is given.
func (a *address) with(query url.Values) string {
	s := a.scheme + "://"
	if a.user != nil {
		s += a.user.String() + "@"
	}
	s += strings.Join(a.hosts, ",") + strings.ReplaceAll((&url.URL{Path: a.path}).EscapedPath(), "@", "%40")
	if len(query) > 0 {
		s += "?" + query.Encode()
	}
	return s
}

// String returns the address for a message: without user, password and query,
// where secrets stand.
func (a *address) String() string {
	s := a.scheme + ":"
	if len(a.hosts) > 0 || strings.HasPrefix(a.path, "/") {
		s += "//"
	}
	return s + strings.Join(a.hosts, ",") + a.path
}
