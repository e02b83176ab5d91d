package redlocktest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// skew gives each server that is started from now on a clock of its own, and
// another one after each restart: up to an eighth of the lease ahead or behind, and
// up to half a percent fast or slow. Clients are skewed to it, as only the
// differences matter.
func skew(t *testing.T) {
	library := filepath.Join(t.TempDir(), "skew.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-O2", "-o", library, "testdata/skew.c").CombinedOutput(); err != nil {
		t.Logf("the servers' clocks are right, as their library could not be built: %v: %s", err, out)
		return
	}
	// The servers may run as another user.
	for dir := library; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755))
	}
	t.Setenv("LD_PRELOAD", library)
	t.Setenv("SKEW", "")
	skewed()
}

// skewed chooses the clock of the next server. Should a majority of the registers
// be lost at one time, the tokens depend on the clocks: so they stay within a
// quarter of the lease of each other.
func skewed() {
	ms := (chaosLease / 4).Seconds() * 1000 * (rand.Float64() - .5)
	_ = os.Setenv("SKEW", fmt.Sprintf("%.0f %.5f", ms, 1+.01*(rand.Float64()-.5)))
}
