// Package host knows the machine: its boot, its processes and its file systems.
package host

import (
	"crypto/sha256"
	"encoding/binary"
)

// Boot returns a number that differs after each boot of this machine, or 0 where
// there is none.
func Boot() uint64 {
	id := bootID()
	if id == "" {
		return 0
	}
	sum := sha256.Sum256([]byte(id))
	return binary.LittleEndian.Uint64(sum[:]) | 1
}
