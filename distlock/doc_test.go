package distlock

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The package documentation lists the parameters that there are, and no others.
func TestDocumentationListsEveryParameter(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for scheme, params := range map[string][]param{
		"file":     fileParams(new(FileOptions)),
		"postgres": postgresParams(new(PostgresOptions)),
		"mem":      memoryParams(new(MemoryOptions)),
	} {
		_, section, ok := strings.Cut(string(source), "// Parameters of "+scheme+": URLs")
		if !ok {
			t.Errorf("the documentation has no parameters of %s:", scheme)
			continue
		}
		_, section, _ = strings.Cut(section, "//\n")
		section, _, _ = strings.Cut(section, "//\n")
		var told []string
		for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) `).FindAllStringSubmatch(section, -1) {
			told = append(told, m[1])
		}
		if got := strings.Join(told, ", "); got != known(params) {
			t.Errorf("%s: the documentation lists\n%s\nand Open takes\n%s", scheme, got, known(params))
		}
	}
	_, section, _ := strings.Cut(string(source), "With mode=redlock they are")
	section, _, _ = strings.Cut(section, ", for the")
	for _, p := range redLockParams(new(RedisOptions)) {
		if p.name != "mode" && !regexp.MustCompile(`\b`+p.name+`\b`).MatchString(section) {
			t.Errorf("the documentation does not list %s for mode=redlock", p.name)
		}
	}
}

// Each scheme is told of.
func TestDocumentationListsEveryScheme(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range schemes() {
		if s.name != "postgresql" && !strings.Contains(string(source), s.name+":") {
			t.Errorf("the documentation does not tell of %s:", s.name)
		}
	}
}
