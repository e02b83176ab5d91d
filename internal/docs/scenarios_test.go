package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestScenarios checks that the ledger of scenarios is complete, and that each
// test that it names exists in the package that it names.
func TestScenarios(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "internal/torture/scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| [^|]+ \| (.+) \|$`).FindAllStringSubmatch(text, -1)
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Fatalf("scenario %d is numbered %s", i+1, row[1])
		}
	}
	if len(rows) != 123 {
		t.Errorf("there are %d scenarios, not 123", len(rows))
	}

	known := make(map[string]map[string]bool) // the tests of a package, by its folder
	named := 0
	for _, m := range regexp.MustCompile("`([a-z/0-9]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(text, -1) {
		folder, test := m[1], m[2]
		if known[folder] == nil {
			known[folder] = tests(t, filepath.Join(root, folder))
		}
		if named++; !known[folder][test] {
			t.Errorf("%s.%s does not exist", folder, test)
		}
	}
	suite := rules(t, filepath.Join(root, "core/locktest"))
	for _, m := range regexp.MustCompile("`locktest/([a-z-]+)`").FindAllStringSubmatch(text, -1) {
		if named++; !suite[m[1]] {
			t.Errorf("the conformance suite has no rule %s", m[1])
		}
	}
	if named < 200 {
		t.Errorf("only %d tests are named: the expressions above no longer match what is written", named)
	}
}

// parse returns the syntax of the files of a folder whose names end so.
func parse(t *testing.T, folder, suffix string) (files []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// tests returns the names of the tests of a package.
func tests(t *testing.T, folder string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, f := range parse(t, folder, "_test.go") {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// rules returns the string constants of the conformance suite that look like
// names of rules.
func rules(t *testing.T, folder string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, f := range parse(t, folder, ".go") {
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && !strings.Contains(s, " ") {
					names[s] = true
				}
			}
			return true
		})
	}
	return names
}
