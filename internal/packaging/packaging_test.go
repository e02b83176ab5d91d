// Package packaging proves that what is published can be used: it makes
// releases of the repository in a temporary clone, serves them from a module
// proxy on disk, and is their consumer, with nothing of the workspace in reach.
package packaging

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const base = "github.com/distlock/distlock-go/"

// A consumer is an empty module of a stranger.
type consumer struct {
	t   *testing.T
	dir string
	env []string
}

func (p *published) consumer(t *testing.T, program string) *consumer {
	t.Helper()
	c := &consumer{t: t, dir: t.TempDir(), env: p.env(t)}
	c.write("main.go", program)
	c.run("go", "mod", "init", "example.com/consumer")
	return c
}

func (c *consumer) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *consumer) run(name string, args ...string) string {
	c.t.Helper()
	return run(c.t, c.dir, c.env, name, args...)
}

// graph returns the paths of all modules that the consumer now depends on, not
// only of those that it builds.
func (c *consumer) graph() string { return c.run("go", "list", "-m", "all") }

// program is a consumer's program: it takes a lock from a provider that one
// expression makes.
func program(imports, open string) string {
	return `package main

import (
	"context"
	"fmt"
	"os"

	` + imports + `
)

func main() {
	ctx := context.Background()
	provider, err := ` + open + `
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer provider.Close()
	h, err := provider.NewLock("packaging").Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held", h.Token() > 0)
	if err := h.Release(ctx); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
`
}

// A backend, as a consumer sees it.
type backend struct {
	module string
	open   string
	server string   // the variable that says where the server is, if it needs one
	not    []string // modules that it must not bring along
}

var backends = []backend{
	{
		module: "file",
		open:   `file.New(os.TempDir()+"/distlock-packaging", nil)`,
		not:    []string{"jackc/pgx", "redis/go-redis", "stretchr/testify"},
	},
	{
		module: "postgres",
		open:   `postgres.Open(ctx, os.Getenv("DISTLOCK_TEST_POSTGRES"), nil)`,
		server: "DISTLOCK_TEST_POSTGRES",
		not:    []string{"redis/go-redis"},
	},
	{
		module: "redis",
		open:   `redis.Open(ctx, os.Getenv("DISTLOCK_TEST_REDIS"), nil)`,
		server: "DISTLOCK_TEST_REDIS",
		not:    []string{"jackc/pgx"},
	},
	{
		module: "distlock",
		open:   `distlock.Open(ctx, "mem:")`,
	},
}

func TestConsumers(t *testing.T) {
	if testing.Short() {
		t.Skip("packing, serving and building take about a minute")
	}
	p := publish(t, "v0.98.0", "v0.99.0")
	for _, b := range backends {
		t.Run(b.module, func(t *testing.T) { b.consume(t, p) })
	}
	t.Run("go install", func(t *testing.T) {
		dir := t.TempDir()
		run(t, dir, p.env(t), "go", "install", base+"distlock/cmd/distlock@v0.99.0")
		out := run(t, dir, p.env(t), filepath.Join(p.home, "bin", "distlock"), "version")
		if !strings.Contains(out, "v0.99.0") {
			t.Errorf("distlock version prints %q, want the version that was installed", out)
		}
	})
	t.Run("licences", func(t *testing.T) { licences(t, p) })
	t.Run("core requires nothing", func(t *testing.T) {
		mod := run(t, p.root, nil, "git", "show", "core/v0.99.0:core/go.mod")
		if strings.Contains(mod, "require") {
			t.Errorf("core requires something:\n%s", mod)
		}
	})
}

// consume gets one backend alone, runs it, and upgrades it alone.
func (b backend) consume(t *testing.T, p *published) {
	c := p.consumer(t, program(`"`+base+b.module+`"`, b.open))
	c.run("go", "get", base+b.module+"@v0.98.0")
	c.run("go", "mod", "tidy")
	c.run("go", "mod", "verify")
	graph := c.graph()
	for _, other := range b.not {
		if strings.Contains(graph, "github.com/"+other) {
			t.Errorf("who imports %s gets %s too:\n%s", b.module, other, graph)
		}
	}
	c.run("go", "vet", "./...")
	if b.server == "" || os.Getenv(b.server) != "" {
		if out := c.run("go", "run", "."); !strings.HasPrefix(out, "held") {
			t.Errorf("the program printed %q", out)
		}
	} else if os.Getenv("DISTLOCK_REQUIRE_SERVERS") == "1" {
		t.Errorf("%s is not set, so the program cannot run", b.server)
	}

	// Together with an older sibling, and after the upgrade of one of the two.
	c.write("other.go", "package main\n\nimport _ \""+base+sibling(b.module)+"\"\n")
	c.run("go", "get", base+sibling(b.module)+"@v0.98.0")
	c.run("go", "get", base+b.module+"@v0.99.0")
	c.run("go", "mod", "tidy")
	c.run("go", "build", "-o", os.DevNull, "./...")
}

// sibling returns a backend other than module.
func sibling(module string) string {
	if module == "file" {
		return "distlock"
	}
	return "file"
}

// licences checks that each zip carries both: a site that shows documentation
// looks for them there.
func licences(t *testing.T, p *published) {
	for _, m := range p.modules {
		r, err := zip.OpenReader(filepath.Join(p.proxy, filepath.FromSlash(m.Path), "@v", "v0.99.0.zip"))
		if err != nil {
			t.Fatal(err)
		}
		for _, licence := range []string{"LICENSE-APACHE", "LICENSE-MIT"} {
			if _, err := r.Open(m.Path + "@v0.99.0/" + licence); err != nil {
				t.Errorf("%s: %s is not in the zip: %v", m.Dir, licence, err)
			}
		}
		r.Close()
	}
}
