package distlock

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A param is a query parameter of a scheme: its name, and what takes its value.
// The error of set says what the value must be.
type param struct {
	name string
	set  func(value string) error
}

// apply gives each parameter of the query its value. A parameter that the scheme
// does not have, or one that is given twice, is an error: an option that has no
// effect is worse than none.
func (a *address) apply(params []param) error {
	for _, name := range slices.Sorted(maps.Keys(a.query)) {
		i := slices.IndexFunc(params, func(p param) bool { return p.name == name })
		if i < 0 {
			return invalid("unknown parameter %q; %s: URLs take %s", name, a.scheme, known(params))
		}
		values := a.query[name]
		if len(values) > 1 {
			return invalid("parameter %s is given %d times", name, len(values))
		}
		if err := params[i].set(values[0]); err != nil {
			return invalid("parameter %s is %q; it must be %v", name, values[0], err)
		}
	}
	return nil
}

func known(params []param) string {
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

func hasParam(params []param, name string) bool {
	return slices.ContainsFunc(params, func(p param) bool { return p.name == name })
}

// text is a parameter such as namespace=billing.
func text(name string, to *string) param {
	return param{name, func(value string) error {
		if value == "" {
			return errors.New("a text that is not empty")
		}
		*to = value
		return nil
	}}
}

// duration is a parameter such as lease=30s.
func duration(name string, to *time.Duration) param {
	return param{name, func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return errors.New("a duration such as 30s or 1m30s")
		}
		*to = d
		return nil
	}}
}

// number is a parameter such as idle_files=64.
func number(name string, to *int) param {
	return param{name, func(value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return errors.New("a whole number, 0 or more")
		}
		*to = n
		return nil
	}}
}

// boolean is a parameter such as polling=true.
func boolean(name string, to *bool) param {
	return param{name, func(value string) error {
		switch value {
		case "true", "false":
			*to = value == "true"
			return nil
		}
		return errors.New("true or false")
	}}
}

// mode is a parameter such as mode=0660: permission bits, in octal.
func mode(name string, to *fs.FileMode) param {
	return param{name, func(value string) error {
		n, err := strconv.ParseUint(value, 8, 32)
		if err != nil || n > uint64(fs.ModePerm) {
			return errors.New("permissions in octal, such as 0660")
		}
		*to = fs.FileMode(n)
		return nil
	}}
}
