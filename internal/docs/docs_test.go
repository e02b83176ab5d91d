// Package docs checks that what the documentation says is so: its Go programs
// compile, its links lead somewhere, and the tests that it names exist.
package docs

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// pages returns the Markdown files of the repository, with their texts.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && strings.HasPrefix(name, ".") && name != ".github" && name != ".." {
			return filepath.SkipDir
		}
		if filepath.Ext(name) == ".md" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found[path] = string(text)
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d pages, %v", len(found), err)
	}
	return found
}

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// A Go snippet is a whole program, so that it can be copied, and compiled here.
func TestGoSnippetsCompile(t *testing.T) {
	n := 0
	for page, text := range pages(t) {
		for _, m := range goBlock.FindAllStringSubmatch(text, -1) {
			n++
			file := filepath.Join(t.TempDir(), "main.go")
			if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
				t.Errorf("%s: a snippet does not compile: %v\n%s\n%s", page, err, out, m[1])
			}
		}
	}
	if n == 0 {
		t.Error("there is no snippet to compile")
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for page, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: a link leads nowhere: %v", page, err)
			}
		}
	}
}

// The first command of the README needs nothing but Go, and does what it says.
func TestFirstCommandRuns(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```sh\n")
	line, _, _ := strings.Cut(block, "\n")
	_, says, ok := strings.Cut(line, ` -- echo "`)
	if !strings.HasPrefix(line, "go run ./distlock/cmd/distlock run ") || !ok {
		t.Fatalf("the first command is %q", line)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir(), "DISTLOCK_URL=")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != strings.TrimSuffix(says, `"`)+"\n" {
		t.Errorf("%s\n%v: %s", line, err, out)
	}
}

var caseName = regexp.MustCompile("`([a-z]+(?:-[a-z]+){2,})`")

// A case of the conformance suite that is named exists too.
func TestTheCasesThatAreNamedExist(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "core/locktest/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var suite strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		suite.Write(text)
	}
	for page, text := range pages(t) {
		for _, m := range caseName.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(suite.String(), `"`+m[1]+`"`) {
				t.Errorf("%s names the case %s, which does not exist", page, m[1])
			}
		}
	}
}

var testName = regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9]*)`")

// A claim that names a test stands on one that exists.
func TestTheTestsThatAreNamedExist(t *testing.T) {
	known := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`).FindAllSubmatch(text, -1) {
			known[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for page, text := range pages(t) {
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

// Every type of event is in the one place that lists them.
func TestEventsAreListed(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "core/observe.go"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/observability.md"))
	if err != nil {
		t.Fatal(err)
	}
	types := regexp.MustCompile(`(Event\w+) +EventType = "(\w+)"`).FindAllSubmatch(source, -1)
	if len(types) == 0 {
		t.Fatal("core has no events")
	}
	for _, m := range types {
		if row := "| `" + string(m[2]) + "` | `" + string(m[1]) + "` |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/observability.md lacks %s", row)
		}
	}
	if rows := strings.Count(string(page), "` | `Event"); rows != len(types) {
		t.Errorf("docs/observability.md lists %d events of %d", rows, len(types))
	}
}

// Every example is named where a newcomer looks for it.
func TestExamplesAreNamed(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	programs, err := filepath.Glob(filepath.Join(root, "examples/*/main.go"))
	if err != nil || len(programs) == 0 {
		t.Fatal("there are no examples", err)
	}
	for _, program := range programs {
		if name := filepath.Base(filepath.Dir(program)); !strings.Contains(string(page), "](examples/"+name+")") {
			t.Errorf("README.md does not name examples/%s", name)
		}
	}
}
