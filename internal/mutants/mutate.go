// Package mutants plants defects into source files, one at a time, to see
// whether the tests notice. A mutant that no test notices is a missing test, or
// a line that does nothing.
package mutants

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// A Mutant is a source file with one planted defect.
type Mutant struct {
	File    string
	Line    int
	What    string // the defect, as a person would say it, and the function
	Source  []byte // of the whole file
	Package string // as the go command names it in the module's directory, if a Search made it
}

// Key returns the file, the function and the defect. It does not change when lines
// above are added, so that a list of exceptions stays valid.
func (m Mutant) Key() string { return filepath.ToSlash(m.File) + ": " + m.What }

// String returns the place, the function and the defect.
func (m Mutant) String() string { return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.What) }

// Of returns every mutant of a file: each condition negated, each comparison
// moved by one, each statement that is a call, an assignment or a send removed,
// each defer removed, each break or continue removed.
func Of(file string) ([]Mutant, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []Mutant
	for n := 0; ; n++ {
		m, err := nth(file, src, n)
		if err != nil {
			return nil, err
		}
		if m == nil {
			return all, nil
		}
		all = append(all, *m)
	}
}

// nth parses the file anew, plants the nth defect and prints it; nil: there are
// only n.
func nth(file string, src []byte, n int) (*Mutant, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	p := &planter{fset: fset, want: n, seen: map[string]int{}}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			p.in = name(fn)
			p.block(fn.Body)
		}
	}
	if p.what == "" {
		return nil, nil
	}
	var out bytes.Buffer
	if err := format.Node(&out, fset, f); err != nil {
		return nil, err
	}
	return &Mutant{File: file, Line: p.line, What: p.what, Source: out.Bytes()}, nil
}

func name(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	if s, ok := t.(*ast.StarExpr); ok {
		t = s.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// A planter walks a file, counts the places for a defect, and plants the one
// that is wanted.
type planter struct {
	fset *token.FileSet
	want int
	at   int
	in   string         // the function
	seen map[string]int // how often a defect of that text came up in it
	what string         // the planted one
	line int
}

// here reports whether the defect goes here.
func (p *planter) here(n ast.Node, what string, of ast.Node) bool {
	text := fmt.Sprintf("%s: %s: %s", p.in, what, p.text(of))
	p.seen[text]++
	if k := p.seen[text]; k > 1 {
		text += fmt.Sprintf(" (%d)", k)
	}
	p.at++
	if p.at-1 != p.want {
		return false
	}
	p.what, p.line = text, p.fset.Position(n.Pos()).Line
	return true
}

// text is the source of a node on one line, shortened.
func (p *planter) text(n ast.Node) string {
	var out bytes.Buffer
	_ = format.Node(&out, p.fset, n)
	s := strings.Join(strings.Fields(out.String()), " ")
	if len(s) > 70 {
		s = s[:70] + "..."
	}
	return s
}

func (p *planter) block(b *ast.BlockStmt) {
	if b != nil {
		b.List = p.statements(b.List)
	}
}

func (p *planter) statements(list []ast.Stmt) []ast.Stmt {
	var kept []ast.Stmt
	for _, s := range list {
		if p.removable(s) && p.here(s, "removed", s) {
			continue
		}
		p.statement(s)
		kept = append(kept, s)
	}
	return kept
}

// removable reports whether the program still compiles, as a rule, without s.
func (p *planter) removable(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ExprStmt, *ast.DeferStmt, *ast.GoStmt, *ast.IncDecStmt, *ast.SendStmt:
		return true
	case *ast.BranchStmt:
		return s.Tok == token.BREAK || s.Tok == token.CONTINUE
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE
	}
	return false
}

func (p *planter) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.BlockStmt:
		p.block(s)
	case *ast.IfStmt:
		s.Cond = p.condition(s.Cond)
		p.block(s.Body)
		if s.Else != nil {
			p.statement(s.Else)
		}
	case *ast.ForStmt:
		if s.Cond != nil {
			p.compare(s.Cond)
		}
		p.block(s.Body)
	case *ast.RangeStmt:
		p.block(s.Body)
	case *ast.SwitchStmt:
		p.clauses(s.Body, s.Tag == nil)
	case *ast.TypeSwitchStmt:
		p.clauses(s.Body, false)
	case *ast.SelectStmt:
		for _, c := range s.Body.List {
			cc := c.(*ast.CommClause)
			cc.Body = p.statements(cc.Body)
		}
	case *ast.LabeledStmt:
		p.statement(s.Stmt)
	}
	// Functions within statements: goroutines, callbacks.
	ast.Inspect(s, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			p.block(n.Body)
			return false
		case *ast.BlockStmt:
			return n == s
		case *ast.ReturnStmt:
			for _, r := range n.Results {
				p.compare(r)
			}
		case *ast.CaseClause, *ast.CommClause:
			return false
		}
		return true
	})
}

func (p *planter) clauses(body *ast.BlockStmt, conditions bool) {
	for _, c := range body.List {
		cc := c.(*ast.CaseClause)
		if conditions {
			for i := range cc.List {
				cc.List[i] = p.condition(cc.List[i])
			}
		}
		cc.Body = p.statements(cc.Body)
	}
}

// condition negates a condition, or changes its parts.
func (p *planter) condition(e ast.Expr) ast.Expr {
	if p.here(e, "negated", e) {
		return &ast.UnaryExpr{Op: token.NOT, X: &ast.ParenExpr{X: e}}
	}
	p.compare(e)
	return e
}

// compare moves the comparisons in e by one, and swaps && and ||.
func (p *planter) compare(e ast.Expr) {
	b, ok := e.(*ast.BinaryExpr)
	if !ok {
		return
	}
	other := map[token.Token]token.Token{
		token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
		token.LAND: token.LOR, token.LOR: token.LAND,
	}
	if op, ok := other[b.Op]; ok && p.here(b, b.Op.String()+" became "+op.String(), b) {
		b.Op = op
		return
	}
	p.compare(b.X)
	p.compare(b.Y)
}
