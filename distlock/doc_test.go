package distlock

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The package documentation lists the schemes and parameters that there are, and
// no others: what Open says it takes is compared with the tables.
func TestDocumentationListsEveryParameter(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range schemes() {
		_, section, ok := strings.Cut(string(source), "// Parameters of "+s.name+": URLs")
		if !ok {
			t.Errorf("the documentation has no parameters of %s:", s.name)
			continue
		}
		_, section, _ = strings.Cut(section, "//\n")
		section, _, _ = strings.Cut(section, "//\n")
		var told []string
		for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) `).FindAllStringSubmatch(section, -1) {
			told = append(told, m[1])
		}

		url := s.name + ":///dir?no_such_parameter=1"
		if s.name == "mem" {
			url = "mem:?no_such_parameter=1"
		}
		_, err := Open(t.Context(), url)
		if !errors.Is(err, ErrInvalid) {
			t.Fatalf("Open(%q): %v", url, err)
		}
		_, known, _ := strings.Cut(err.Error(), "URLs take ")
		if got := strings.Join(told, ", "); got != known {
			t.Errorf("%s: the documentation lists\n%s\nand Open takes\n%s", s.name, got, known)
		}
	}
}
