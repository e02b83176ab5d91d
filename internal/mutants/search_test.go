package mutants

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module writes a module with a package under test, and returns its folder.
func module(t *testing.T, test string) string {
	t.Helper()
	t.Setenv("GOWORK", "off")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"m/m.go": `package m

func Max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func Grow(n int) int {
	n += 2
	return n
}

func Twice(n int) (m int) {
	f := func() { m = 2 * n }
	f()
	return m
}
`,
		"m/m_test.go": "package m\n\nimport \"testing\"\n\n" + test,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const checksMax = `func Test(t *testing.T) {
	if Max(1, 2) != 2 || Max(2, 1) != 2 || Grow(1) != 3 {
		t.Fatal()
	}
}
`

func TestSearch(t *testing.T) {
	dir := module(t, checksMax)
	moved := filepath.ToSlash(filepath.Join(dir, "m/m.go")) + ": Max: > became >=: a > b"
	var survivors []string
	s := &Search{
		Dir: dir, Packages: []string{"./..."}, Equivalent: map[string]string{moved: "the two are the same then"},
		Survivor: func(m Mutant) { survivors = append(survivors, m.What) },
	}
	report, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Negated, and += removed, are killed. Without f() f is not used, so that does
	// not compile; that it does nothing is not seen.
	tally := report["./m"]
	if tally == nil || tally.Equivalent != 1 || tally.Outcomes[Killed] != 2 || tally.Outcomes[Stillborn] != 1 || report.Survived() != 1 {
		t.Errorf("the report is %+v", tally)
	}
	if len(survivors) != 1 || survivors[0] != "Twice: removed: m = 2 * n" {
		t.Errorf("the survivors are %q", survivors)
	}
	var table strings.Builder
	if err := report.Write(&table); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(table.String(), "\n"); len(lines) != 4 || strings.Join(strings.Fields(lines[1]), " ") != "5 2 0 1 1 1 ./m" {
		t.Errorf("the table is\n%s", table.String())
	}
}

// TestNothingIsJudgedByTestsThatFail: with red tests, every mutant would seem to
// be noticed.
func TestNothingIsJudgedByTestsThatFail(t *testing.T) {
	s := &Search{Dir: module(t, "func Test(t *testing.T) { t.Fatal() }"), Packages: []string{"./m"}}
	if report, err := s.Run(t.Context()); !errors.Is(err, errRed) || report != nil {
		t.Errorf("Run: %v, %v", report, err)
	}
	s.Dir = module(t, "func Test(t *testing.T) { nonsense }")
	if report, err := s.Run(t.Context()); err == nil || report != nil {
		t.Errorf("tests that do not compile: %v, %v", report, err)
	}
}

func TestAnExceptionThatFitsNothingIsToldOf(t *testing.T) {
	dir := module(t, checksMax)
	stale := filepath.ToSlash(filepath.Join(dir, "m/m.go")) + ": Min: > became >=: a > b"
	s := &Search{Dir: dir, Packages: []string{"./m"}, Equivalent: map[string]string{stale: "it was once"}}
	if _, err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), stale) {
		t.Errorf("Run: %v", err)
	}
}

func TestAPackageThatIsNotThere(t *testing.T) {
	s := &Search{Dir: module(t, checksMax), Packages: []string{"./n"}}
	if _, err := s.Run(t.Context()); err == nil {
		t.Error("nothing was searched, and nobody is told")
	}
}

// TestEquivalent holds the list of make mutants to the sources that it is about.
func TestEquivalent(t *testing.T) {
	t.Chdir("../..")
	list, err := ReadEquivalent("internal/mutants/equivalent.txt")
	if err != nil || len(list) < 20 {
		t.Fatalf("%d mutants are equivalent: %v", len(list), err)
	}
	s := &Search{Dir: "core", Packages: []string{"./driver", "./internal/..."}, Equivalent: list}
	if _, err := s.mutants(t.Context()); err != nil {
		t.Error(err)
	}
	for key := range list {
		if !strings.HasPrefix(key, "core/driver/") && !strings.HasPrefix(key, "core/internal/") {
			t.Errorf("%s is of a package that make mutants does not search", key)
		}
	}
}
