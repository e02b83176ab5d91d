package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/distlock/distlock-go/core"
)

// The vectors are those of the tests of madelson/DistributedLock, and more that
// were computed by its rules (F77).
func TestMedallionKeys(t *testing.T) {
	for name, want := range map[string]Key{
		strings.Repeat("漢", 18):   Int64Key(-5707277204051710361),
		"my-resource":             Int64Key(5986836176795890482),
		"some very long name":     Int64Key(1765484347666752899),
		"":                        PairKey(2147483647, -1),
		"test":                    PairKey(-375939257, -1),
		"ASCII":                   PairKey(-2092032871, 805306367),
		"base38":                  PairKey(-980967850, 1847590911),
		"123456789":               PairKey(1657379654, -1382303630),
		strings.Repeat("\x00", 9): PairKey(0, 0),
		"0000000000000000":        Int64Key(0),
		"ffffffffffffffff":        Int64Key(-1),
		"7fffffffffffffff":        Int64Key(1<<63 - 1),
		"00000000,00000000":       PairKey(0, 0),
		"ffffffff,00000001":       PairKey(-1, 1),
	} {
		if got := medallionKey(name); got != want {
			t.Errorf("the key of %q is (%v), want (%v)", name, got, want)
		}
	}
}

// All ASCII names of up to 9 characters have keys of their own (F77).
func TestMedallionKeysOfASCII(t *testing.T) {
	seen := make(map[Key]string)
	for length := range 10 {
		for c := byte(1); c < 0x80; c++ {
			if length == 0 && c > 1 {
				break
			}
			name := strings.Repeat(string(rune(c)), length)
			k := medallionKey(name)
			if other, ok := seen[k]; ok || !k.pair {
				t.Errorf("%q has the key (%v), like %q", name, k, other)
			}
			seen[k] = name
		}
	}
}

func TestHexNamesMustBeExact(t *testing.T) {
	for _, name := range []string{"+fffffffffffffff", "-fffffffffffffff", "fffffffffffffff", "ffffffff;ffffffff", "gggggggggggggggg", "0x00000000000000"} {
		if _, ok := hexKey(name); ok {
			t.Errorf("%q was read as a number", name)
		}
	}
}

func TestRawKeys(t *testing.T) {
	for name, want := range map[string]Key{
		"0": Int64Key(0), "0,0": PairKey(0, 0), "-1": Int64Key(-1), "42": Int64Key(42),
		"-9223372036854775808": Int64Key(-1 << 63), "-2147483648,2147483647": PairKey(-1<<31, 1<<31-1),
	} {
		if got, err := rawKey(name); err != nil || got != want {
			t.Errorf("the key of %q is (%v), %v; want (%v)", name, got, err, want)
		}
	}
	for _, name := range []string{"", "x", "+1", "01", "1.0", " 1", "1,", ",1", "1, 2", "1,2,3", "9223372036854775808", "2147483648,0", "-0"} {
		if got, err := rawKey(name); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%q was read as (%v), %v", name, got, err)
		}
	}
}

// Int64Key(0) and PairKey(0, 0) are different locks (F60).
func TestKeySpacesAreDifferent(t *testing.T) {
	if Int64Key(0) == PairKey(0, 0) {
		t.Error("0 and 0,0 are one key")
	}
	if high, low, ok := PairKey(-7, 9).Pair(); high != -7 || low != 9 || !ok {
		t.Errorf("the pair -7, 9 became %d, %d, %v", high, low, ok)
	}
	if _, ok := PairKey(1, 2).Int64(); ok {
		t.Error("a pair was taken as a number")
	}
}

// The key is part of the contract: an older version of this library, and other
// programs, must find the same locks.
func TestHashedKeysAreFixed(t *testing.T) {
	if got := LockKey("", "invoice:42"); got != LockKey(DefaultNamespace, "invoice:42") {
		t.Errorf("the default namespace is not used: %v", got)
	}
	for in, want := range map[string]string{
		"invoice:42": "8127282941081070659",
		"":           "1006333079727275038",
	} {
		if got := LockKey("", in).String(); got != want {
			t.Errorf("the key of %q is %s, want %s", in, got, want)
		}
	}
}

func FuzzKeysDiffer(f *testing.F) {
	f.Add("a", "b", "", "")
	f.Add("a\x00b", "a", "ns", "ns")
	f.Fuzz(func(t *testing.T, a, b, nsA, nsB string) {
		if strings.ContainsRune(nsA+nsB, 0) {
			t.Skip("not a namespace")
		}
		seen := make(map[int64]string)
		for _, in := range []struct{ ns, name string }{{nsA, a}, {nsB, b}} {
			if in.ns == "" {
				in.ns = DefaultNamespace
			}
			for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
				for _, part := range []string{"", "gate", "flag"} {
					id := fmt.Sprintf("%q %q %q %q", in.ns, kind, in.name, part)
					k := hashKey(in.ns, kind, in.name, part)
					if other, ok := seen[k]; ok && other != id {
						t.Errorf("%s and %s have one key", id, other)
					}
					seen[k] = id
				}
			}
		}
	})
}
