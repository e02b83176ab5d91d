package postgres

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/distlock/distlock-go/core"
)

// A Key is the key of an advisory lock. PostgreSQL has two spaces of them, one
// of 64-bit numbers and one of pairs of 32-bit numbers, and both belong to the
// database: the same key in two databases is two locks.
type Key struct {
	value int64 // the pair's first number in the high half
	pair  bool
}

// Int64Key returns the key that pg_advisory_lock(k) takes.
func Int64Key(k int64) Key { return Key{value: k} }

// PairKey returns the key that pg_advisory_lock(high, low) takes.
func PairKey(high, low int32) Key {
	return Key{value: int64(high)<<32 | int64(uint32(low)), pair: true}
}

// Int64 returns the number, and whether k is of that space.
func (k Key) Int64() (n int64, ok bool) { return k.value, !k.pair }

// Pair returns the two numbers, and whether k is of that space.
func (k Key) Pair() (high, low int32, ok bool) {
	return int32(k.value >> 32), int32(k.value), k.pair
}

// String returns the arguments of pg_advisory_lock: "42" or "1, 2".
func (k Key) String() string {
	if high, low, ok := k.Pair(); ok {
		return fmt.Sprintf("%d, %d", high, low)
	}
	return strconv.FormatInt(k.value, 10)
}

// A KeyScheme says how names become keys. Processes exclude each other only if
// they use the same scheme and namespace on the same database.
type KeyScheme int

const (
	// Hashed is the default: 64 bits of SHA-256 over the namespace, the kind of
	// the primitive and the name. Two of a million names collide with a
	// probability of 3 in 100 million; they would then exclude each other, which
	// costs time and never safety.
	Hashed KeyScheme = iota

	// Medallion is the scheme of the .NET library madelson/DistributedLock, so
	// that services of both kinds exclude each other: a lock, and a reader-writer
	// lock, have the key that PostgresAdvisoryLockKey(name, allowHashing: true)
	// gives. As there, a lock and a reader-writer lock of the same name are one
	// object. The namespace is not used. Semaphores, which it does not have, are
	// Hashed.
	Medallion

	// Raw takes the name itself as the key, as decimal "42" for
	// pg_advisory_lock(42) or "1,2" for pg_advisory_lock(1, 2). Any other name is
	// not valid. A lock and a reader-writer lock of the same key are one object.
	// The namespace is not used. Semaphores are Hashed.
	Raw
)

// DefaultNamespace is the namespace of Options that name none.
const DefaultNamespace = "distlock"

// LockKey returns the key of the lock of that name, in a namespace (empty: the
// default), by the scheme Hashed. Any other program that takes it by
// pg_advisory_lock excludes this library's holders of the lock.
func LockKey(namespace, name string) Key {
	return Int64Key(hashKey(namespace, core.KindLock, name, ""))
}

// keys are those of one object. Only data depends on the scheme; gate and flag
// concern this library's own processes.
type keys struct {
	data Key   // the lock itself; of a semaphore: slot 0, and slot i is data ^ i
	gate int64 // the turnstile of a reader-writer lock, the gate of a semaphore
	flag int64 // shown by those who want to be notified of releases

	limits int32 // of a semaphore; see limitKey
}

// makeKeys returns the keys of an object, or an error that matches
// core.ErrInvalid if its name is not one of the scheme.
func (o *Options) makeKeys(kind core.Kind, name string) (keys, error) {
	k := keys{
		data: Int64Key(hashKey(o.Namespace, kind, name, "")),
		gate: hashKey(o.Namespace, kind, name, "gate"),
		flag: hashKey(o.Namespace, kind, name, "flag"),
	}
	if kind == core.KindSemaphore {
		k.limits = int32(hashKey(o.Namespace, kind, name, "limit") >> 32)
		return k, nil
	}
	switch o.Keys {
	case Medallion:
		k.data = medallionKey(name)
	case Raw:
		var err error
		if k.data, err = rawKey(name); err != nil {
			return keys{}, err
		}
	default:
		return k, nil
	}
	// Objects of different kinds share this key, so they share the others too.
	k.gate = hashKey(o.Namespace, "key", k.data.String(), "gate")
	k.flag = hashKey(o.Namespace, "key", k.data.String(), "flag")
	return k, nil
}

// hashKey returns the first 64 bits, big-endian, of SHA-256 over the namespace,
// the kind, the name and the part, with a zero byte between them. Of these only
// the name may contain a zero byte, so no two inputs are the same bytes.
func hashKey(namespace string, kind core.Kind, name, part string) int64 {
	if namespace == "" {
		namespace = DefaultNamespace
	}
	sum := sha256.Sum256([]byte(namespace + "\x00" + string(kind) + "\x00" + name + "\x00" + part))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// medallionKey is PostgresAdvisoryLockKey of madelson/DistributedLock: up to 9
// ASCII characters are packed into a pair; 16 hexadecimal digits are a number,
// and 8,8 a pair; anything else is hashed.
func medallionKey(name string) Key {
	if k, ok := asciiKey(name); ok {
		return k
	}
	if k, ok := hexKey(name); ok {
		return k
	}
	sum := sha1.Sum([]byte(name))
	return Int64Key(int64(binary.LittleEndian.Uint64(sum[:])))
}

// asciiKey packs 7 bits a character, from the top, then a 0, then 1s.
func asciiKey(name string) (Key, bool) {
	const longest = 9
	if len(name) > longest {
		return Key{}, false
	}
	var packed uint64
	for _, c := range []byte(name) {
		if c >= 0x80 {
			return Key{}, false
		}
		packed = packed<<7 | uint64(c)
	}
	rest := 64 - 7*len(name) - 1
	packed = packed<<1<<rest | (1<<rest - 1)
	return Key{value: int64(packed), pair: true}, true
}

// hexKey reads 16 hexadecimal digits, or 8 and 8 with a comma.
func hexKey(name string) (Key, bool) {
	digits, pair := name, false
	if len(name) == 17 && name[8] == ',' {
		digits, pair = name[:8]+name[9:], true
	}
	if len(digits) != 16 || strings.ContainsAny(digits, "+-_") {
		return Key{}, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return Key{value: int64(n), pair: pair}, err == nil
}

// rawKey reads "42" or "1,2", in the one way in which each number is written.
func rawKey(name string) (Key, error) {
	invalid := fmt.Errorf(`%w: with raw keys a name must be a decimal int64, or two int32 as "1,2"`, core.ErrInvalid)
	high, low, pair := strings.Cut(name, ",")
	if !pair {
		n, err := strconv.ParseInt(name, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != name {
			return Key{}, invalid
		}
		return Int64Key(n), nil
	}
	h, err1 := strconv.ParseInt(high, 10, 32)
	l, err2 := strconv.ParseInt(low, 10, 32)
	if err1 != nil || err2 != nil || fmt.Sprintf("%d,%d", h, l) != name {
		return Key{}, invalid
	}
	return PairKey(int32(h), int32(l)), nil
}
