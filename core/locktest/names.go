package locktest

import (
	"crypto/rand"
	"errors"
	"strings"
	"unicode"

	"github.com/distlock/distlock-go/core"
)

var nameRules = []rule{
	{
		name: "any-name-will-do",
		text: "Any non-empty UTF-8 of up to 64 KiB is a name, and comes back as it went in.",
		test: func(t *trial) { // A8, E51, G81, G82
			p, q := t.open(), t.open()
			for _, name := range hostileNames() {
				t.use(name)
				h := t.acquire(p.NewLock(name))
				if h.Name() != name || p.NewLock(name).Name() != name {
					t.Errorf("the name %.60q comes back as %.60q", name, h.Name())
				}
				t.busy(q.NewLock(name))
				t.release(h)

				r := t.try(reader(p, name))
				t.busy(writer(q, name))
				t.release(r)
				s := t.try(p.NewSemaphore(name, 1))
				t.busy(q.NewSemaphore(name, 1))
				t.release(s)
			}
		},
	},
	{
		name: "names-that-differ-are-different",
		text: "Names that differ in a single byte are different locks, however much they look alike.",
		test: func(t *trial) { // A9, A10
			p, q := t.open(), t.open()
			var held []core.Handle
			names := similarNames()
			for _, name := range names {
				t.use(name)
				h, err := p.NewLock(name).TryAcquire(t.Context())
				if err != nil {
					t.Fatalf("%.80q (%d bytes) is not free, while %d other names are held: %v", name, len(name), len(held), err)
				}
				held = append(held, h)
			}
			for _, name := range names {
				t.busy(q.NewLock(name))
			}
			t.releaseAll(held)
		},
	},
	{
		name: "kinds-are-different",
		text: "A Lock, an RWLock and a Semaphore of the same name are different objects.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			held := []core.Handle{
				t.try(p.NewLock(name)),
				t.try(writer(q, name)),
				t.try(p.NewSemaphore(name, 1)),
			}
			for _, h := range held {
				t.held(h)
			}
			t.busy(q.NewLock(name))
			t.busy(reader(p, name))
			t.busy(q.NewSemaphore(name, 1))
			t.release(held[0])
			t.busy(reader(p, name))
			t.busy(q.NewSemaphore(name, 1))
			t.releaseAll(held[1:])
		},
	},
	{
		name: "bad-names-are-refused",
		text: "A name that is empty, longer than 64 KiB or not UTF-8 is reported by every acquire, as ErrInvalid; making the lock does not fail.",
		test: func(t *trial) { // A8
			p := t.open()
			for _, name := range badNames() {
				for _, l := range everyKind(p, name) {
					_, err := l.Acquire(t.Context())
					t.matches("Acquire", err, core.ErrInvalid)
					_, err = l.TryAcquire(t.Context())
					t.matches("TryAcquire", err, core.ErrInvalid)
					if len(err.Error()) > 1000 {
						t.Errorf("an error repeats %d bytes of a bad name", len(err.Error()))
					}
				}
			}
		},
	},
	{
		name: "errors-quote-names",
		text: "An error quotes the name, so that no name can forge or flood a log line.",
		test: func(t *trial) {
			p, q := t.open(), t.open()
			for _, name := range hostileNames() {
				t.use(name)
				h := t.acquire(p.NewLock(name))
				_, err := q.NewLock(name).TryAcquire(t.Context())
				t.matches("TryAcquire", err, core.ErrNotAcquired)
				if text := err.Error(); len(text) > 1000 || strings.ContainsFunc(text, unicode.IsControl) {
					t.Errorf("the error for the name %.60q is not one short line: %.200q", name, text)
				}
				var e *core.Error
				if !errors.As(err, &e) || e.Name != name {
					t.Errorf("the error for the name %.60q is not an *Error with that name: %.200q", name, err)
				}
				t.release(h)
			}
		},
	},
}

// badNames returns names that no lock has.
func badNames() []string {
	return []string{"", strings.Repeat("x", 64<<10+1), "\xff", "a\xc3", strings.Repeat("x", 10<<20)}
}

// everyKind returns every way to acquire something of that name.
func everyKind(p core.Provider, name string) []core.Lock {
	return []core.Lock{p.NewLock(name), reader(p, name), writer(p, name), p.NewSemaphore(name, 3)}
}

// hostileNames returns names that tempt a backend to interpret them. Each has a
// random part, as all names of the suite do.
func hostileNames() []string {
	id := rand.Text()[:12]
	var names []string
	for _, form := range []string{
		"%", "/%", "../%", "../../%/..", "%/", "%//%", ".%", "%.", "%..", "-rf %", "~%", "C:%", `\\%\\`, `%\`, "%/con", "NUL.%", "%:stream",
		"%.lock", "%.tmp", " % ", "%\t", "%\n%\r\n", "%\x00%", "\x00%", "%\x1b[31m", "%\x7f",
		`%'"` + "`", "%' OR '1'='1", `%"; DROP TABLE locks; --`, "%$1", "%{}", "{%}", "}%{", "%{a}{b}", "%*?[a-z]", "%%s%n%d",
		"%:%|%", "%,%", "%+%", "%&%=%", "%#%?", "distlock:%", "%éà", "%e\u0301", "%\u202etxt", "%\u200b", "%\ufeff", "%\U0001f512", "%锁", "%\u2028", "%\ufffd", "%\U0010ffff",
	} {
		names = append(names, strings.ReplaceAll(form, "%", id))
	}
	for _, long := range []int{255, 256, 257, 1000, 4096, 64 << 10} {
		names = append(names,
			id+strings.Repeat("a", long-len(id)),
			id+strings.Repeat(`\`, long-len(id)),
			id+strings.Repeat("é", (long-len(id))/2))
	}
	return names
}

// similarNames returns names of which a careless mapping makes one.
func similarNames() []string {
	id := rand.Text()[:12]
	long := strings.Repeat("x", 300)
	huge := strings.Repeat("x", 64<<10-len(id)-1)
	var names []string
	for _, form := range []string{
		"%", "%a", "%A", "%.", "%. ", "% ", "%  ", " %", "%\t", "%\n", "%\r\n", "%\x00", "%\x00\x00", "\x00%", "%/", "%//", "/%", "./%", "%/.", "%/../%", `%\`, `%\\`,
		"%:a", "%_a", "%-a", "%.a", "%/a", "%%2Fa", "%%2fa", "%+a", "% a", "{%}", "{%", "%}", "%{", "%{a}", "%a}", "(%)", "%|", "%0", "%00", "%1",
		"%é", "%e\u0301", "%É", "%ß", "%ss", "%ı", "%i", "%I", "%İ", "%K", "%\u212a", "%k", "%\u200b", "%\u00ad", "%\ufeff", "%\ufffd", "%\U0001f512", "%\U0001f513",
		"%" + long, "%" + long + "a", "%" + long + "b", "%" + strings.ToUpper(long), "%a" + long, long + "%",
		"%" + huge, "%" + huge + "a", "%" + huge + "A", huge + "%", "b" + huge + "%",
		"%.lock", "%.tmp", "lock:%", "rwlock:%", "%:lock", "%:queue", "%:q", "%:f", "%:w", "%#1", "%#2",
	} {
		names = append(names, strings.ReplaceAll(form, "%", id))
	}
	return names
}
