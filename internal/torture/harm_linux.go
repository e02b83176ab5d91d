package torture

import (
	"errors"
	"math/rand/v2"
	"slices"
)

// A harm is trouble that heals before do returns.
type harm struct {
	harmKind
	often int // compared with the others; 0 is 1
	do    func() error
}

// A harmKind is what is counted: the name tells what is done, the class to what.
type harmKind struct{ class, name string }

// The classes of harm.
const (
	session = "session killed"
	server  = "server killed or restarted"
	stopped = "server stopped"
	cut     = "network cut"
	network = "network slow, silent or losing"
	data    = "data or scripts removed"
	clock   = "server's clock set"
	disk    = "no room left"
)

type harms []harm

// errNobody is the error of a harm that found nobody to do it to, and does not
// count.
var errNobody = errors.New("there was nobody to harm")

// pick chooses one at random.
func (h harms) pick() harm {
	var all int
	for _, one := range h {
		all += max(one.often, 1)
	}
	n := rand.IntN(all)
	for _, one := range h {
		if n -= max(one.often, 1); n < 0 {
			return one
		}
	}
	panic("unreachable")
}

// has reports whether there are harms of a class.
func (p *place) has(class string) bool {
	return slices.ContainsFunc(p.harms, func(h harm) bool { return h.class == class })
}
