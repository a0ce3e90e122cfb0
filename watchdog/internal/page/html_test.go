package page

import (
	"go/ast"
	"go/parser"
	"go/token"
	"html/template"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// makers are what makes html of a string, with a template that does the same.
var makers = map[string]struct {
	makes    func(string) html
	template *template.Template
}{
	"between tags": {escape, template.Must(template.New("").Parse(`<p>{{.}}</p>`))},
	"title":        {escape, template.Must(template.New("").Parse(`<title>{{.}}</title>`))},
	"value":        {escape, template.Must(template.New("").Parse(`<input value="{{.}}">`))},
	"href":         {link, template.Must(template.New("").Parse(`<a href="{{.}}">`))},
	"action":       {link, template.Must(template.New("").Parse(`<form action="{{.}}">`))},
	"src":          {link, template.Must(template.New("").Parse(`<img src="{{.}}">`))},
	"query":        {query, template.Must(template.New("").Parse(`<a href="x?y={{.}}">`))},
}

// asTemplate wants of each maker what html/template would write.
func asTemplate(t *testing.T, s string) {
	t.Helper()
	for name, m := range makers {
		const mark = "MARK"
		var around, want strings.Builder
		if err := m.template.Execute(&around, mark); err != nil {
			t.Fatal(err)
		}
		if err := m.template.Execute(&want, s); err != nil {
			t.Fatal(err)
		}
		before, after, _ := strings.Cut(around.String(), mark)
		if got := before + string(m.makes(s)) + after; got != want.String() {
			t.Errorf("%s: got %q of %q, want %q", name, got, s, want.String())
		}
	}
}

var hostile = []string{
	"", "alice", `"><img src=x onerror=alert(1)>`, `' onfocus='alert(1)`, "</title></p></form><script>alert(1)</script>", "<!--", "]]>", "`=`", "{{.At}}",
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "\tjava\nscript:alert(1)", "javascript&colon;alert(1)", "\x01javascript:x", "data:text/html,<b>",
	"vbscript:x", "blob:x", "mailto:a@example.com", "HTTPS://example.com/", "http:x", "x/javascript:y", "?javascript:x", "//evil.example.com", `/\evil.example.com`,
	"/a?b=c&d=e#f", "/%41%zz%4%", "%", "100%25", "&quot;&lt;b&gt;", "+ADw-script+AD4-", "\x00<b>", "\xff\xfe<", "\xc0\xbc", "\u2028\ufdd0\ufffe\ufffd", "ä ö\u00a0", "\r\n",
}

func TestAsHTMLTemplate(t *testing.T) {
	for _, s := range hostile {
		asTemplate(t, s)
	}
	for c := range 256 {
		asTemplate(t, string([]byte{byte(c)}))
		asTemplate(t, "x"+string([]byte{byte(c)})+":y")
	}
}

func FuzzAsHTMLTemplate(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(asTemplate)
}

// Where each maker may stand, by the constant before it.
var (
	afterTag   = regexp.MustCompile(`^[^<>="]+$|>[^<]*$`)
	afterValue = regexp.MustCompile(` value="$`)
	afterLink  = regexp.MustCompile(` (href|src|action)="$`)
	afterQuery = regexp.MustCompile(`^\?[a-z_]+=$`)
	// notHere is what needs other ways to escape.
	notHere = regexp.MustCompile(`(?i)<(script|style|iframe|object|embed|base|svg|math|template|textarea|noscript|plaintext|xmp)|[\s"']on[a-z]+ *=|[\s"'](style|srcdoc|srcset|http-equiv|formaction) *=|='|javascript:`)
)

// TestMarkupIsConstant holds the sources to it that only escape converts to html,
// and that what comes from outside stands where it was escaped for.
func TestMarkupIsConstant(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			isMaker := fn.Recv == nil && slices.Contains([]string{"escape", "link", "query"}, fn.Name.Name)
			before := map[ast.Expr]string{} // by what follows it in the same sum
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && notHere.MatchString(s) {
						t.Errorf("%s: %q has no place in a page", files.Position(n.Pos()), s)
					}
				case *ast.BinaryExpr:
					follow(n, before)
				case *ast.CallExpr:
					name, _ := n.Fun.(*ast.Ident)
					if name == nil || isMaker && name.Name != "html" {
						return true
					}
					var places []*regexp.Regexp
					switch name.Name {
					case "html":
						if _, constant := n.Args[0].(*ast.BasicLit); !constant && fn.Name.Name != "escape" {
							t.Errorf("%s: only escape may convert to html", files.Position(n.Pos()))
						}
						return true
					case "escape":
						places = []*regexp.Regexp{afterTag, afterValue}
					case "link":
						places = []*regexp.Regexp{afterLink}
					case "query":
						places = []*regexp.Regexp{afterQuery}
					default:
						return true
					}
					made++
					if s := before[n]; !slices.ContainsFunc(places, func(p *regexp.Regexp) bool { return p.MatchString(s) }) {
						t.Errorf("%s: %s may not stand after %q", files.Position(n.Pos()), name.Name, s)
					}
				}
				return true
			})
		}
	}
	if made == 0 {
		t.Error("found no page")
	}
}

// follow notes for each part of a sum the constant before it.
func follow(sum *ast.BinaryExpr, before map[ast.Expr]string) {
	if sum.Op != token.ADD || before[sum] != "" {
		return
	}
	var parts []ast.Expr
	var flatten func(ast.Expr)
	flatten = func(e ast.Expr) {
		if b, ok := e.(*ast.BinaryExpr); ok {
			flatten(b.X)
			flatten(b.Y)
			return
		}
		parts = append(parts, e)
	}
	flatten(sum)
	last := ""
	for _, part := range parts {
		if l, ok := part.(*ast.BasicLit); ok {
			last, _ = strconv.Unquote(l.Value)
		} else if before[part] == "" {
			before[part] = last
		}
	}
}
