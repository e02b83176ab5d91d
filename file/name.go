package file

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"github.com/distlock/distlock-go/core"
)

// The files of an object, by the end of their names:
//
//	.lock  .rw    what a holder locks; it has the tokens
//	.gate         the turnstile of a lock or reader-writer lock, made when
//	              somebody first waits
//	.sem          the turnstile and the tokens of a semaphore
//	.sem.0 ...    its permits: what a holder of one locks
const (
	lockSuffix = ".lock"
	rwSuffix   = ".rw"
	semSuffix  = ".sem"
	gateSuffix = ".gate"
)

// An object is one lock, reader-writer lock or semaphore.
type object struct {
	kind core.Kind
	name string
	main string // the file with the name, the tokens and the flag of the turnstile
	gate string // the file of the turnstile; the main one, of a semaphore
}

func newObject(kind core.Kind, name string) object {
	o := object{kind: kind, name: name}
	base := baseName(kind, name)
	switch kind {
	case core.KindLock:
		o.main = base + lockSuffix
		o.gate = o.main + gateSuffix
	case core.KindRWLock:
		o.main = base + rwSuffix
		o.gate = o.main + gateSuffix
	case core.KindSemaphore:
		o.main = base + semSuffix
		o.gate = o.main
	}
	return o
}

// permit returns the file of one permit. It does not depend on the limit, so
// that processes with different limits compete for the same permits.
func (o *object) permit(i int) string { return o.main + "." + strconv.Itoa(i) }

// baseName maps a name to that of a file: a readable beginning, and 160 bits of
// SHA-256 over kind and name. Two names never share a file unless these collide.
// It is valid on every file system, whatever the name: of at most 53 characters,
// lower case, without a dot, and with a dash that no device of Windows has.
func baseName(kind core.Kind, name string) string {
	sum := sha256.Sum256([]byte(string(kind) + "\x00" + name))
	return readable(name) + "-" + encoding.EncodeToString(sum[:20])
}

//nolint:gochecknoglobals // An alphabet that nobody changes.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// readable returns the beginning of a name, for people who look at the
// directory.
func readable(name string) string {
	const most = 20
	var b strings.Builder
	for _, r := range name {
		if b.Len() == most {
			break
		}
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-' && b.Len() > 0:
			b.WriteRune(r)
		case 'A' <= r && r <= 'Z':
			b.WriteRune(r - 'A' + 'a')
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}
