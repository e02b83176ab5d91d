package distlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distlock/distlock-go/core"
)

// Open opens the provider that a URL names; the package documentation lists the
// schemes and their parameters. It does no more I/O than the constructor of the
// backend.
//
// A URL that is not right is reported by an error that matches [ErrInvalid],
// names what it found and lists what it knows; one that is right but cannot be
// used, by an error of the backend, which usually matches [ErrUnavailable]. No
// error shows a password, nor any other part of the URL where one could stand.
//
// The caller closes the provider.
func Open(ctx context.Context, url string) (Provider, error) {
	return OpenWith(ctx, url, nil)
}

// Options are what a URL cannot say. Nil means the defaults.
type Options struct {
	// Owner is what others are told about this process as a holder or a waiter.
	// Default: [ThisProcess].
	Owner Owner

	// Observer is told what happens. Default: nobody is.
	Observer Observer
}

// OpenWith is [Open] with options.
func OpenWith(ctx context.Context, url string, opts *Options) (Provider, error) {
	if opts == nil {
		opts = &Options{}
	}
	return schemes().open(ctx, url, *opts)
}

// A scheme is a kind of URL.
type scheme struct {
	name string

	// parse checks everything that can be known of a URL without I/O and returns
	// what opens the provider. Its errors match ErrInvalid.
	parse func(a *address, opts Options) (opener, error)
}

// An opener makes the provider that a URL described.
type opener func(ctx context.Context) (Provider, error)

// A table has the schemes that are known.
type table []scheme

// schemes is the one place where a backend enters Open. Nothing registers
// itself: what a program links is what it can open.
func schemes() table {
	return table{
		{"file", parseFile},
		{"postgres", parsePostgres},
		{"postgresql", parsePostgres},
		{"redis", parseRedis},
		{"rediss", parseRedis},
		{"unix", parseRedis},
		{"mem", parseMemory},
	}
}

// open parses and opens, and sees to it that no error tells a secret.
func (t table) open(ctx context.Context, url string, opts Options) (Provider, error) {
	a, open, err := t.parse(url, opts)
	if err != nil {
		return nil, openError(a, err)
	}
	p, err := open(ctx)
	if err != nil {
		return nil, openError(a, err)
	}
	return p, nil
}

// parse does the part of open that needs no I/O. With an error the address is
// returned as far as it may be shown.
func (t table) parse(url string, opts Options) (*address, opener, error) {
	name, rest, ok := cutScheme(url)
	if !ok {
		return nil, nil, invalid("no scheme: a URL begins with one of %s; a directory is written file:///directory", t.names())
	}
	i := slices.IndexFunc(t, func(s scheme) bool { return s.name == name })
	if i < 0 {
		return nil, nil, invalid("unknown scheme %q; known are %s", name, t.names())
	}
	a, err := parseAddress(name, rest)
	if err != nil {
		return &address{scheme: name}, nil, err
	}
	open, err := t[i].parse(a, opts)
	return a, open, err
}

// names lists the schemes for a message.
func (t table) names() string {
	names := make([]string, len(t))
	for i, s := range t {
		names[i] = s.name + ":"
	}
	return strings.Join(names, ", ")
}

// openError makes err the error of Open. What the backend said is kept, less the
// secrets of the URL.
func openError(a *address, err error) error {
	if inner, ok := errors.AsType[*core.Error](err); ok && inner.Op == "open" && inner.Name == "" && err.Error() == inner.Error() {
		err = inner.Err // It says the same, without the URL.
	}
	if a == nil {
		return &Error{Op: "open", Err: err}
	}
	return &Error{Op: "open", Name: a.String(), Err: a.scrub(err)}
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", core.ErrInvalid, fmt.Sprintf(format, args...))
}

// provide widens the result of a constructor, without making of its nil an
// interface that is not nil.
func provide[P Provider](p P, err error) (Provider, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}
