package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/distlock/distlock-go/core"
)

// longName is the length up to which an escaped name is part of its keys as it
// is; a longer one is cut and told apart by its hash.
const longName = 256

// keys are those of one object. They have one hash tag, and so one slot of a
// cluster:
//
//	prefix:{name}      the state of a Lock: its token, as SET NX PX makes it
//	prefix:{name}:rw   the state of an RWLock: a set of holders with deadlines
//	prefix:{name}:sem  that of a Semaphore
//	state:q            the queue
//	state:f            the register of fencing tokens
//	state:w            the processes that wait
//
// With a HashTag option, prefix:{tag}{name} takes the place of prefix:{name}.
type keys [4]string

const (
	stateKey = iota
	queueKey
	fenceKey
	waitersKey
)

// suffix returns how the state of an object of that kind ends.
func suffix(kind core.Kind) string {
	switch kind {
	case core.KindRWLock:
		return ":rw"
	case core.KindSemaphore:
		return ":sem"
	default:
		return ""
	}
}

func (p *Provider) keys(kind core.Kind, name string) keys {
	b := make([]byte, 0, 256)
	b = append(p.appendBase(b, name), suffix(kind)...)
	return spread(b, len(b))
}

// keysOf returns the keys that belong to a state.
func keysOf(state string) keys {
	return spread(append(make([]byte, 0, 256), state...), len(state))
}

// spread returns the keys that belong to the state at the beginning of b, which has
// room for them, as parts of one string: an acquire may be all that an object is
// for.
func spread(b []byte, state int) keys {
	for _, end := range []string{":q", ":f", ":w"} {
		b = append(append(b, b[:state]...), end...)
	}
	all, next := string(b), state+len(":q")
	return keys{all[:state], all[state : state+next], all[state+next : state+2*next], all[state+2*next:]}
}

// appendBase appends the key of the Lock of that name.
func (p *Provider) appendBase(b []byte, name string) []byte {
	b = append(append(b, p.opts.Prefix...), ":{"...)
	if p.opts.HashTag != nil {
		if tag := p.opts.HashTag(name); tag != "" {
			b = append(append(b, escape(tag)...), "}{"...)
		}
	}
	return append(append(b, escape(name)...), '}')
}

// escape maps names one to one to strings without braces, of bounded length. A
// brace in a name would otherwise end the hash tag, and give two keys of one
// object two slots. "%#", which marks a hash, comes of no other name.
func escape(name string) string {
	s := escaper.Replace(name)
	if len(s) <= longName {
		return s
	}
	cut := 64
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	if i := strings.LastIndexByte(s[:cut], '%'); i >= 0 && i > cut-3 {
		cut = i
	}
	sum := sha256.Sum256([]byte(name))
	return s[:cut] + "%#" + hex.EncodeToString(sum[:])
}

var (
	escaper   = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")
	unescaper = strings.NewReplacer("%25", "%", "%7B", "{", "%7D", "}")
)

// parseState finds the object to which a key belongs as its state. The name of
// one whose name was hashed is what its keys show of it.
func (p *Provider) parseState(key string) (kind core.Kind, name string, ok bool) {
	rest, found := strings.CutPrefix(key, p.opts.Prefix+":{")
	end := strings.LastIndexByte(rest, '}')
	if !found || end < 0 {
		return "", "", false
	}
	inner := rest[:end]
	if i := strings.Index(inner, "}{"); i >= 0 {
		inner = inner[i+2:]
	}
	for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
		if suffix(kind) == rest[end+1:] {
			return kind, unescaper.Replace(inner), true
		}
	}
	return "", "", false
}
