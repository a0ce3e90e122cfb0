// Package test holds what no package can test alone.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is the path of ours.
const module = "auth-watchdog/watchdog"

// others are the packages of other modules, by prefix, that one of ours may
// import.
var others = map[string][]string{
	"cmd/auth-watchdog": {"golang.org/x/term", "rsc.io/qr"},
	"internal/dev":      {"go.yaml.in/yaml/v3"},
	"watchdog":          {"github.com/openfaas/faas-provider/auth"},
	"internal/password": {"golang.org/x/crypto/", "golang.org/x/text/unicode/norm"},
	"internal/account":  {"go.yaml.in/yaml/v3"},
	"internal/config":   {"go.yaml.in/yaml/v3"},
	"internal/observe":  {"github.com/prometheus/client_golang/", "github.com/prometheus/common/expfmt"},
	"internal/session":  {"golang.org/x/crypto/chacha20poly1305"},
}

// floors reads the table of watchdog/doc.go.
func floors(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../watchdog/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	floors := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^//\t(\d)  (\S+)  +\S`).FindAllStringSubmatch(string(text), -1) {
		floors[row[2]] = row[1]
	}
	return floors
}

type pkg struct {
	ImportPath string
	Doc        string
	Dir        string
	Imports    []string
	Standard   bool
	GoFiles    []string
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,Dir,Imports,Standard,GoFiles"}, args...)...)
	cmd.Dir = ".."
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &errOut)
	}
	var list []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// ours returns the name of a package in the table.
func ours(path string) (string, bool) {
	if path == module {
		return "watchdog", true
	}
	return strings.CutPrefix(path, module+"/")
}

func TestFloors(t *testing.T) {
	floors, seen := floors(t), map[string]bool{}
	for _, p := range list(t, "./watchdog/...") {
		name, _ := ours(p.ImportPath)
		seen[name] = true
		if floors[name] == "" {
			t.Errorf("%s is on no floor: give it a row in watchdog/doc.go", name)
		}
		for _, i := range p.Imports {
			below, isOurs := ours(i)
			switch {
			case isOurs && floors[below] >= floors[name]:
				t.Errorf("%s must not import %s, which is on floor %s", name, below, floors[below])
			case isOurs || !strings.Contains(strings.SplitN(i, "/", 2)[0], "."):
			case !slices.ContainsFunc(others[name], func(o string) bool { return i == o || strings.HasSuffix(o, "/") && strings.HasPrefix(i, o) }):
				t.Errorf("%s must not import %s", name, i)
			}
		}
	}
	for name := range floors {
		if !seen[name] {
			t.Errorf("watchdog/doc.go has a row for %s, which is no package", name)
		}
	}
}

func TestAuthIsStandardLibraryOnly(t *testing.T) {
	for _, root := range []string{"auth", "auth/bearer", "auth/hmac"} {
		for _, p := range list(t, "-deps", "./watchdog/"+root) {
			if _, isOurs := ours(p.ImportPath); !p.Standard && !isOurs {
				t.Errorf("%s needs %s", root, p.ImportPath)
			}
		}
	}
}

// TestTopLevel keeps the top of the repository to what a newcomer has to know.
func TestTopLevel(t *testing.T) {
	want := []string{
		"CHANGELOG.md", "Dockerfile", "LICENSE", "README.md", "function", "go.mod", "go.sum", "stack.yml", "store.json", "template", "test", "watchdog",
	}
	entries, err := filepath.Glob("../*")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := filepath.Base(e); !slices.Contains(want, name) && name != "build" && name[0] != '.' {
			t.Errorf("%s has no place at the top", name)
		}
	}
}

// TestNoState refuses init functions and package variables that something
// changes after the start.
func TestNoState(t *testing.T) {
	for _, p := range list(t, "./watchdog/...") {
		files := token.NewFileSet()
		variables := map[string]bool{}
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, f)
			for _, d := range f.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					for _, s := range g.Specs {
						for _, n := range s.(*ast.ValueSpec).Names {
							variables[n.Name] = true
						}
					}
				}
			}
		}
		for _, f := range parsed {
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				if fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: has an init function", files.Position(fn.Pos()))
				}
				ast.Inspect(fn, func(n ast.Node) bool {
					for _, changed := range changedBy(n) {
						// Obj is nil for what is declared in another file, and set
						// to the local one if a local hides it.
						if changed.Name != "_" && variables[changed.Name] && (changed.Obj == nil || changed.Obj.Kind == ast.Var && isTopLevel(f, changed.Obj)) {
							t.Errorf("%s: changes the package variable %s", files.Position(changed.Pos()), changed.Name)
						}
					}
					return true
				})
			}
		}
	}
}

// changedBy returns the names that a statement assigns to, also by index or
// field.
func changedBy(n ast.Node) []*ast.Ident {
	var targets []ast.Expr
	switch s := n.(type) {
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE {
			targets = s.Lhs
		}
	case *ast.IncDecStmt:
		targets = []ast.Expr{s.X}
	}
	var names []*ast.Ident
	for _, e := range targets {
		for {
			if i, ok := e.(*ast.IndexExpr); ok {
				e = i.X
				continue
			}
			if s, ok := e.(*ast.SelectorExpr); ok {
				e = s.X
				continue
			}
			break
		}
		if id, ok := e.(*ast.Ident); ok {
			names = append(names, id)
		}
	}
	return names
}

//nolint:staticcheck // ast.Object is deprecated for want of types, which a name in one file does not need
func isTopLevel(f *ast.File, o *ast.Object) bool { return f.Scope.Lookup(o.Name) == o }

// TestEveryPackageSaysWhatItIs wants a package comment everywhere.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range list(t, "./watchdog/...") {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
