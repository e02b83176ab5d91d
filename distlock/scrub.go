package distlock

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// scrub returns err, or, if it shows a secret of the URL, an error that does
// not. Backends and their drivers are asked not to do so; this is the net under
// them. The chain of the original is cut, because whoever unwraps it, or finds a
// part of it by errors.As, would print the secret after all: what remains is what
// errors.Is says of it.
func (a *address) scrub(err error) error {
	text := err.Error()
	for _, secret := range a.secrets() {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	if text == err.Error() {
		return err
	}
	return &scrubbedError{text: text, is: func(target error) bool { return errors.Is(err, target) }}
}

// A scrubbedError matches what the original matched, and says what it said. It
// keeps the original where nobody who prints its fields can find it.
type scrubbedError struct {
	text string
	is   func(target error) bool
}

func (e *scrubbedError) Error() string        { return e.text }
func (e *scrubbedError) Is(target error) bool { return e.is(target) }

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
