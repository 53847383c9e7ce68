package functions

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The document describes exactly the query parameters and headers that the handlers read.
// The test finds them in the source: it follows a request, its header and its query from
// the handler through every function of this module that gets them.
func TestParametersAreThoseThatHandlersRead(t *testing.T) {
	t.Parallel()
	src := parseSource(t)
	rows := src.rows(t)
	require.Len(t, rows, len(routes))
	for i, rt := range routes {
		if rt.doc.id == "" {
			continue
		}
		found := reads{}
		for _, name := range rows[i] {
			src.follow("functions", name, found, map[*ast.FuncDecl]bool{})
		}
		described := reads{}
		for _, p := range rt.doc.parameters {
			if rt.function != Echo || p.in == "query" || !slices.ContainsFunc(webhookHeaders, func(w parameter) bool { return w.name == p.name }) {
				described.add(p.in, p.name)
			} // the configuration decides which of the headers of webhooks are read
		}
		t.Run(rt.methods+" "+rt.path, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, sorted(found), sorted(described), "what %q reads, and what its row describes", rows[i])
		})
	}
}

// reads is a set of "query NAME" and "header NAME", in lower case.
type reads map[string]bool

func sorted(r reads) []string { return slices.Sorted(maps.Keys(r)) }

// notParameters has the headers that OpenAPI or HTTP itself describes.
var notParameters = map[string]bool{
	"content-type": true, "authorization": true, "expect": true,
	"connection": true, "upgrade": true, // of a WebSocket
	"x-goog-iap-jwt-assertion": true, // Identity-Aware Proxy sets it, and no caller
}

func (r reads) add(in, name string) {
	name = strings.ToLower(name)
	if in == "header" && (notParameters[name] || strings.HasPrefix(name, "ce-")) {
		return // the attributes of CloudEvents are found by their prefix
	}
	r[in+" "+name] = true
}

// codebase is this module's code outside tests.
type codebase struct {
	funcs  map[string][]*ast.FuncDecl // by directory and name, and by name alone for methods
	of     map[*ast.FuncDecl]*file
	consts map[string]string // by directory and name
}

type file struct {
	dir     string
	imports map[string]string // directories, by the name that the file uses
}

func parseSource(t *testing.T) *codebase {
	t.Helper()
	src := &codebase{funcs: map[string][]*ast.FuncDecl{}, of: map[*ast.FuncDecl]*file{}, consts: map[string]string{}}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		src.add(filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator))), tree)
		return nil
	})
	require.NoError(t, err)
	return src
}

const modulePath = "github.com/headgate/headgate/"

func (s *codebase) add(dir string, tree *ast.File) {
	f := &file{dir: dir, imports: map[string]string{}}
	for _, imp := range tree.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		if ours, ok := strings.CutPrefix(path, modulePath); ok {
			name := ours[strings.LastIndex(ours, "/")+1:]
			if imp.Name != nil {
				name = imp.Name.Name
			}
			f.imports[name] = ours
		}
	}
	for _, decl := range tree.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			s.of[d] = f
			if d.Recv != nil {
				s.funcs[d.Name.Name] = append(s.funcs[d.Name.Name], d)
			} else {
				s.funcs[dir+"."+d.Name.Name] = append(s.funcs[dir+"."+d.Name.Name], d)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.CONST {
					for i, name := range v.Names {
						if i < len(v.Values) {
							if text, ok := literal(v.Values[i]); ok {
								s.consts[dir+"."+name.Name] = text
							}
						}
					}
				}
			}
		}
	}
}

// rows returns the names of the functions in the handler's column of each row.
func (s *codebase) rows(t *testing.T) (rows [][]string) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), "routes.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(tree, func(n ast.Node) bool {
		table, ok := n.(*ast.ValueSpec)
		if !ok || table.Names[0].Name != "routes" {
			return true
		}
		for _, row := range table.Values[0].(*ast.CompositeLit).Elts {
			var names []string
			ast.Inspect(row.(*ast.CompositeLit).Elts[5], func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && len(s.funcs["functions."+id.Name]) > 0 {
					names = append(names, id.Name)
				}
				return true
			})
			rows = append(rows, names)
		}
		return false
	})
	return rows
}

// follow collects the parameters that the function with this name reads from its request.
func (s *codebase) follow(dir, name string, found reads, seen map[*ast.FuncDecl]bool) {
	for _, fn := range s.funcs[dir+"."+name] {
		s.scan(fn, found, seen)
	}
}

func (s *codebase) scan(fn *ast.FuncDecl, found reads, seen map[*ast.FuncDecl]bool) {
	if seen[fn] || fn.Body == nil {
		return
	}
	seen[fn] = true
	f, holds, local := s.of[fn], holdersOf(fn), localNames(fn)
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IndexExpr:
			if in := holds.kind(n.X); in == "query" || in == "header" {
				if name, ok := s.text(f, n.Index); ok {
					found.add(in, name)
				}
			}
		case *ast.CallExpr:
			s.call(f, n, holds, found, seen)
		case *ast.Ident: // a handler that this one makes or wraps
			if f.dir == "functions" && !n.IsExported() && !local[n.Name] {
				for _, next := range s.funcs["functions."+n.Name] {
					s.scan(next, found, seen)
				}
			}
		}
		return true
	})
}

func (s *codebase) call(f *file, call *ast.CallExpr, holds holders, found reads, seen map[*ast.FuncDecl]bool) {
	if id, ok := call.Fun.(*ast.Ident); ok && f.dir == "functions" && id.Name == "query" { // query(r, "limit", …)
		for _, arg := range call.Args[1:] {
			if name, ok := s.text(f, arg); ok {
				found.add("query", name)
			}
		}
	}
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Get", "Has", "Values"}, sel.Sel.Name) {
		if in := holds.kind(sel.X); in == "query" || in == "header" {
			if name, ok := s.text(f, call.Args[0]); ok {
				found.add(in, name)
			}
			return
		}
	}
	if sel, ok := call.Fun.(*ast.SelectorExpr); ok && f.dir == "functions" { // b.connecting(…)
		for _, fn := range s.funcs[sel.Sel.Name] {
			if s.of[fn].dir == "functions" {
				s.scan(fn, found, seen)
			}
		}
	}
	passes := ""
	for _, arg := range call.Args {
		if k := holds.kind(arg); k != "" {
			passes = k
		}
		if sel, ok := arg.(*ast.SelectorExpr); ok && f.dir == "functions" { // a method that is called later, with the request
			for _, fn := range s.funcs[sel.Sel.Name] {
				if len(holdersOf(fn)) > 0 {
					s.scan(fn, found, seen)
				}
			}
		}
	}
	if passes == "" {
		return
	}
	var next []*ast.FuncDecl
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		next = s.funcs[f.dir+"."+fun.Name]
	case *ast.SelectorExpr:
		if id, ok := fun.X.(*ast.Ident); ok && f.imports[id.Name] != "" {
			next = s.funcs[f.imports[id.Name]+"."+fun.Sel.Name]
		} else {
			next = s.funcs[fun.Sel.Name]
		}
	}
	for _, fn := range next {
		s.scan(fn, found, seen)
		if passes == "header" { // has(header, "Upgrade", "websocket"): the first text is a name
			for _, arg := range call.Args {
				if name, ok := s.text(f, arg); ok {
					found.add("header", name)
					break
				}
			}
		}
	}
}

// holders has the variables of a function that hold a request, a header or a query.
type holders map[string]string

func holdersOf(fn *ast.FuncDecl) holders {
	holds := holders{}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncType:
			for _, p := range n.Params.List {
				for _, name := range p.Names {
					if k := kindOfType(p.Type); k != "" {
						holds[name.Name] = k
					}
				}
			}
		case *ast.AssignStmt:
			if len(n.Rhs) == 1 {
				if call, ok := n.Rhs[0].(*ast.CallExpr); ok && (isName(call.Fun, "query") || isName(call.Fun, "Query") || isName(call.Fun, "ParseQuery")) {
					if id, ok := n.Lhs[0].(*ast.Ident); ok {
						holds[id.Name] = "query"
					}
				}
			}
		}
		return true
	})
	return holds
}

// localNames returns the names that a function declares.
func localNames(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	declare := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok {
			names[id.Name] = true
		}
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, e := range n.Lhs {
					declare(e)
				}
			}
		case *ast.ValueSpec:
			for _, id := range n.Names {
				declare(id)
			}
		}
		return true
	})
	return names
}

func kindOfType(t ast.Expr) string {
	if star, ok := t.(*ast.StarExpr); ok && isName(star.X, "Request") {
		return "request"
	}
	if m, ok := t.(*ast.MapType); ok && isName(m.Key, "string") {
		if values, ok := m.Value.(*ast.ArrayType); ok && isName(values.Elt, "string") {
			return "header"
		}
	}
	if isName(t, "Header") {
		return "header"
	}
	return ""
}

// kind returns what the expression holds: a request, a header, a query, or "".
func (h holders) kind(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return h[e.Name]
	case *ast.SelectorExpr: // r.Header
		if e.Sel.Name == "Header" && h.kind(e.X) == "request" {
			return "header"
		}
	case *ast.CallExpr: // r.URL.Query()
		if sel, ok := e.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Query" {
			if u, ok := sel.X.(*ast.SelectorExpr); ok && u.Sel.Name == "URL" && h.kind(u.X) == "request" {
				return "query"
			}
		}
	}
	return ""
}

func isName(e ast.Expr, name string) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == name
	case *ast.SelectorExpr:
		return e.Sel.Name == name
	}
	return false
}

// text returns the value of a string literal or a string constant.
func (s *codebase) text(f *file, e ast.Expr) (string, bool) {
	if text, ok := literal(e); ok {
		return text, true
	}
	switch e := e.(type) {
	case *ast.Ident:
		text, ok := s.consts[f.dir+"."+e.Name]
		return text, ok
	case *ast.SelectorExpr:
		if id, ok := e.X.(*ast.Ident); ok {
			text, ok := s.consts[f.imports[id.Name]+"."+e.Sel.Name]
			return text, ok
		}
	}
	return "", false
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}
