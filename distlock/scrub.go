package distlock

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/distlock/distlock-go/core"
)

// scrub returns err, or, if it shows a secret of the URL, an error that does
// not. Backends and their drivers are asked not to do so; this is the net under
// them. The chain of the original is cut, because whoever unwraps it would print
// the secret after all: what remains are the sentinels.
func (a *address) scrub(err error) error {
	text := err.Error()
	for _, secret := range a.secrets() {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	if text == err.Error() {
		return err
	}
	return &scrubbedError{text: text, is: slices.DeleteFunc(sentinels(), func(s error) bool { return !errors.Is(err, s) })}
}

// A scrubbedError matches what the original matched, and says what it said.
type scrubbedError struct {
	text string
	is   []error
}

func (e *scrubbedError) Error() string   { return e.text }
func (e *scrubbedError) Unwrap() []error { return e.is }

func sentinels() []error {
	return []error{
		core.ErrNotAcquired, core.ErrLost, core.ErrReleased, core.ErrClosed, core.ErrDeadlock,
		core.ErrInvalid, core.ErrUnavailable, context.Canceled, context.DeadlineExceeded,
	}
}

// secrets returns what no error may show, in the forms in which it may be
// quoted, longest first.
func (a *address) secrets() []string {
	var found []string
	add := func(s string) {
		if s != "" {
			found = append(found, s, url.PathEscape(s), url.QueryEscape(s), url.UserPassword("", s).String()[1:])
		}
	}
	if a.user != nil {
		if password, has := a.user.Password(); has {
			add(password)
		} else if !strings.HasPrefix(a.scheme, "postgres") { // whose users are no secret, and every error names them
			add(a.user.Username()) // an access token, as some services have it
		}
	}
	for name, values := range a.query {
		if secretParam(name) {
			for _, v := range values {
				add(v)
			}
		}
	}
	slices.SortFunc(found, func(x, y string) int { return len(y) - len(x) })
	return found
}

// secretParam reports whether the value of a query parameter is a secret, as
// libpq's password and sslpassword are.
func secretParam(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "pass") || strings.Contains(name, "secret")
}
