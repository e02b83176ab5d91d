//go:build unix && !linux

package postgrestest

import "testing"

func TestVanishedClient(t *testing.T) { t.Skip("only Linux gives a process a private network") }
