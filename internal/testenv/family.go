//go:build unix

package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// family is a set of server programs that come from one place.
type family struct {
	name     string
	programs []string // all must be in one directory
	binVar   string
	places   []string // glob patterns of directories beside PATH
	image    string   // pinned: a test that passed yesterday has the same server today
	packages []string // Debian's

	// entrypoint replaces that of an image that would write a configuration of
	// its own.
	entrypoint []string

	advice string
}

var (
	postgresFamily = family{
		name:     "PostgreSQL",
		programs: []string{"postgres", "initdb"},
		binVar:   PostgresBinVar,
		places: []string{
			"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
			"/usr/pgsql-*/bin",          // Red Hat
			"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
			"/usr/local/bin", "/usr/local/pgsql/bin", // FreeBSD, from source
		},
		image:    "postgres:18.1-bookworm",
		packages: []string{"postgresql"},
		advice:   "apt-get install postgresql, brew install postgresql, or set " + PostgresBinVar + " or " + PostgresVar,
	}
	redisFamily = family{
		name:     "Redis",
		programs: []string{"redis-server"},
		binVar:   RedisBinVar,
		places:   []string{"/opt/homebrew/bin", "/usr/local/bin"},
		image:    "redis:8.2.1-bookworm",
		packages: []string{"redis-server"},
		advice:   "apt-get install redis-server, brew install redis, or set " + RedisBinVar + " or " + RedisVar,
	}
	valkeyFamily = family{
		name:     "Valkey",
		programs: []string{"valkey-server"},
		binVar:   ValkeyBinVar,
		places:   []string{"/opt/homebrew/bin", "/usr/local/bin"},
		image:    "valkey/valkey:8.1.5",
		packages: []string{"valkey-server"},
		advice:   "apt-get install valkey-server, brew install valkey, or set " + ValkeyBinVar,
	}
	pgbouncerFamily = family{
		name:       "PgBouncer",
		programs:   []string{"pgbouncer"},
		binVar:     PgBouncerBinVar,
		places:     []string{"/usr/sbin", "/opt/homebrew/bin", "/usr/local/bin"},
		image:      "edoburu/pgbouncer:v1.24.1-p1",
		packages:   []string{"pgbouncer"},
		entrypoint: []string{"pgbouncer"},
		advice:     "apt-get install pgbouncer, brew install pgbouncer, or set " + PgBouncerBinVar,
	}
)

// find returns the directory of the family's programs, or "". A directory that
// was named is not replaced by another if it lacks them: that is an error.
func (f family) find() (string, error) {
	if dir := os.Getenv(f.binVar); dir != "" {
		if !f.in(dir) {
			return "", fmt.Errorf("testenv: %s=%s: no %s there", f.binVar, dir, strings.Join(f.programs, ", "))
		}
		return dir, nil
	}
	if path, err := exec.LookPath(f.programs[0]); err == nil {
		// Through links, as the program itself looks for its own files.
		if path, err = filepath.EvalSymlinks(path); err == nil && f.in(filepath.Dir(path)) {
			return filepath.Dir(path), nil
		}
	}
	for _, pattern := range f.places {
		dirs, _ := filepath.Glob(pattern) // The patterns are well formed.
		slices.SortFunc(dirs, newestFirst)
		for _, dir := range dirs {
			if f.in(dir) {
				return dir, nil
			}
		}
	}
	return "", nil
}

func (f family) in(dir string) bool {
	return !slices.ContainsFunc(f.programs, func(program string) bool {
		info, err := os.Stat(filepath.Join(dir, program))
		return err != nil || info.IsDir() || info.Mode()&0o111 == 0
	})
}

// newestFirst orders directories by the number in their names: 18 before 9.6.
func newestFirst(a, b string) int {
	return int(1000 * (versionIn(b) - versionIn(a)))
}

func versionIn(dir string) float64 {
	digits := strings.TrimFunc(filepath.Dir(dir), func(r rune) bool { return r < '0' || r > '9' })
	if i := strings.LastIndexAny(digits, "/-@"); i >= 0 {
		digits = digits[i+1:]
	}
	version, _ := strconv.ParseFloat(digits, 64) // No number: 0, the oldest.
	return version
}
