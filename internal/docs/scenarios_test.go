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
	checkDefects(t, text)
	if named < 200 {
		t.Errorf("only %d tests are named: the expressions above no longer match what is written", named)
	}
}

// The defects that others have published, each of which has a row of its own.
var published = strings.Fields(`
	etcd-11456 etcd-9921 etcd-22082 etcd-19597 redisson-775 redisson-3194 redisson-7272 redisson-4822
	redsync-72 redsync-149 redsync-158 redislock-92 rueidislock-602
	curator-79 curator-206 curator-315 curator-462 curator-678 client-go-23731 client-go-448 fabric8-7350
	wpmgr-483 s3-orchestrator-68 blnk-355 ncps-913 prom-analytics-proxy-585 authentik-23876 marten-3988
	go-mysql-lock-9 lockgate-48 e2b-1475 proper-lockfile-121 npm/lockfile-4 RedLock.net-101 spring-integration-11044`)

// checkDefects checks that each published defect is in the table of them, once.
func checkDefects(t *testing.T, text string) {
	t.Helper()
	_, table, ok := strings.Cut(text, "\n## Published defects of others\n")
	if !ok {
		t.Fatal("there is no table of published defects")
	}
	rows := make(map[string]int)
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*\d) \| [^|]+ \| [^|]+ \|$`).FindAllStringSubmatch(table, -1) {
		project := ""
		for id := range strings.SplitSeq(row[1], ", ") {
			if name, number, both := strings.Cut(id, " "); both {
				project, id = name, number
			}
			rows[project+"-"+id]++
		}
	}
	for _, id := range published {
		if rows[id] != 1 {
			t.Errorf("%s has %d rows", id, rows[id])
		}
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

// rules returns the names of the rules of the conformance suite: what the field
// name of a rule is set to.
func rules(t *testing.T, folder string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, f := range parse(t, folder, ".go") {
		ast.Inspect(f, func(n ast.Node) bool {
			pair, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			field, ok := pair.Key.(*ast.Ident)
			lit, literal := pair.Value.(*ast.BasicLit)
			if ok && literal && field.Name == "name" && lit.Kind == token.STRING {
				name, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				names[name] = true
			}
			return true
		})
	}
	return names
}
