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
	servers  []string // one of them is what runs
	tools    []string // all of which must be beside it
	binVar   string
	imageVar string
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
		servers:  []string{"postgres"},
		tools:    []string{"initdb"},
		binVar:   PostgresBinVar,
		imageVar: PostgresImageVar,
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
		servers:  []string{"redis-server", "valkey-server"}, // A fork will do where it has replaced the original.
		binVar:   RedisBinVar,
		imageVar: RedisImageVar,
		places:   []string{"/opt/homebrew/bin", "/usr/local/bin"},
		image:    "redis:8.2.1-bookworm",
		packages: []string{"redis-server"},
		advice:   "apt-get install redis-server, brew install redis, or set " + RedisBinVar + " or " + RedisVar,
	}
	valkeyFamily = family{
		name:     "Valkey",
		servers:  []string{"valkey-server"},
		binVar:   ValkeyBinVar,
		imageVar: ValkeyImageVar,
		places:   []string{"/opt/homebrew/bin", "/usr/local/bin"},
		image:    "valkey/valkey:8.1.5",
		packages: []string{"valkey-server"},
		advice:   "apt-get install valkey-server, brew install valkey, or set " + ValkeyBinVar,
	}
	pgbouncerFamily = family{
		name:       "PgBouncer",
		servers:    []string{"pgbouncer"},
		binVar:     PgBouncerBinVar,
		imageVar:   PgBouncerImageVar,
		places:     []string{"/usr/sbin", "/opt/homebrew/bin", "/usr/local/bin"},
		image:      "edoburu/pgbouncer:v1.24.1-p1",
		packages:   []string{"pgbouncer"},
		entrypoint: []string{"pgbouncer"},
		advice:     "apt-get install pgbouncer, brew install pgbouncer, or set " + PgBouncerBinVar,
	}
)

// find returns where the family's programs are on this machine, or nothing. A
// directory that was named is not replaced by another if it lacks them: that is
// an error.
func (f family) find() (origin, error) {
	if dir := os.Getenv(f.binVar); dir != "" {
		here := f.in(dir)
		if here.dir == "" {
			return origin{}, fmt.Errorf("testenv: %s=%s: no %s there", f.binVar, dir,
				strings.Join(append([]string{strings.Join(f.servers, " or ")}, f.tools...), ", "))
		}
		return here, nil
	}
	for _, server := range f.servers {
		path, err := exec.LookPath(server)
		if err != nil {
			continue
		}
		// Through links, as the program itself looks for its own files.
		if path, err = filepath.EvalSymlinks(path); err != nil {
			continue
		}
		if here := f.in(filepath.Dir(path)); here.dir != "" {
			return here, nil
		}
	}
	for _, pattern := range f.places {
		dirs, _ := filepath.Glob(pattern) // The patterns are well formed.
		slices.SortFunc(dirs, newestFirst)
		for _, dir := range dirs {
			if here := f.in(dir); here.dir != "" {
				return here, nil
			}
		}
	}
	return origin{}, nil
}

// in returns the origin of a directory that has what the family needs.
func (f family) in(dir string) origin {
	for _, tool := range f.tools {
		if !executable(filepath.Join(dir, tool)) {
			return origin{}
		}
	}
	for _, server := range f.servers {
		if executable(filepath.Join(dir, server)) {
			return origin{dir: dir, server: server}
		}
	}
	return origin{}
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// boxed returns the origin of a container image.
func (f family) boxed(image string) origin {
	server := f.servers[0]
	for _, s := range f.servers { // redis:8 has redis-server, valkey/valkey:8 has valkey-server.
		if strings.Contains(image, strings.TrimSuffix(s, "-server")) {
			server = s
		}
	}
	return origin{image: image, entrypoint: f.entrypoint, server: server}
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
