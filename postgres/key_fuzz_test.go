package postgres

import (
	"fmt"
	"strings"
	"testing"
)

// FuzzKeySchemes checks the schemes in which a name is, or holds, the key itself:
// what was read can be written again, and so no two names are the same key but
// for the case of hexadecimal digits.
func FuzzKeySchemes(f *testing.F) {
	for _, name := range []string{
		"", "a", "123456789", "1234567890", "\x7f", "\x80", "0", "-1", "1,2", "-2147483648,2147483647", "9223372036854775807",
		"ffffffffffffffff", "7FFFFFFFFFFFFFFF", "00000000,ffffffff", "+fffffffffffffff", "0x00000000000000",
	} {
		f.Add(name, name+"0")
		f.Add(name, strings.ToUpper(name))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{a, b} {
			if k, err := rawKey(name); err == nil && strings.ReplaceAll(k.String(), " ", "") != name {
				t.Errorf("the raw key of %q is (%v)", name, k)
			}
			if k, ok := hexKey(name); ok {
				format := "%016x"
				if k.pair {
					format = "%08x,%08x"
				}
				digits := []any{uint64(k.value)}
				if high, low, pair := k.Pair(); pair {
					digits = []any{uint32(high), uint32(low)}
				}
				if written := fmt.Sprintf(format, digits...); !strings.EqualFold(written, name) {
					t.Errorf("the hexadecimal key of %q is %s", name, written)
				}
			}
		}
		ka, oka := asciiKey(a)
		kb, okb := asciiKey(b)
		if oka && okb && a != b && ka == kb {
			t.Errorf("%q and %q have the key (%v)", a, b, ka)
		}
		if k := medallionKey(a); oka && (k != ka || !k.pair) {
			t.Errorf("%q has the key (%v) by the whole scheme, and (%v) by its part", a, k, ka)
		}
	})
}
