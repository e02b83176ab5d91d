//go:build unix

package postgrestest

import (
	"os"
	"testing"

	"github.com/distlock/distlock-go/core/locktest"
)

// TestMain fails if goroutines or descriptors are left in the end.
func TestMain(m *testing.M) { os.Exit(locktest.Tidy(m).Run()) }
