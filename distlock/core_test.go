package distlock

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
)

// Whatever package core offers to an application is here too, by the same name.
func TestEverythingOfCoreIsHere(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/distlock/distlock-go/core").Output()
	if err != nil {
		t.Skipf("the go command cannot tell where core is: %v", err)
	}
	there, here := exported(t, strings.TrimSpace(string(dir))), exported(t, ".")
	if len(there) < 40 {
		t.Fatalf("only %d names were found in core", len(there))
	}
	for name := range there {
		if !here[name] {
			t.Errorf("core.%s is not re-exported", name)
		}
	}
}

// exported returns the exported names that a package declares at its top level.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	notTest := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	//nolint:staticcheck // The packages that it would resolve are not needed.
	pkgs, err := parser.ParseDir(token.NewFileSet(), dir, notTest, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names[id.Name] = true
		}
	}
	for _, pkg := range pkgs {
		for _, file := range pkg.Files {
			for _, decl := range file.Decls {
				switch d := decl.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil {
						add(d.Name)
					}
				case *ast.GenDecl:
					for _, spec := range d.Specs {
						switch s := spec.(type) {
						case *ast.TypeSpec:
							add(s.Name)
						case *ast.ValueSpec:
							for _, id := range s.Names {
								add(id)
							}
						}
					}
				}
			}
		}
	}
	return names
}
