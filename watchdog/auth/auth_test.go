package auth

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strings"
	"testing"
)

// stub is a method that says what it is told to.
type stub struct {
	name    string
	headers []string
	id      Identity
	err     error
	strips  string // a header that it takes away
	body    bool   // reads the body first
	asked   int
}

func (s *stub) Name() string      { return s.name }
func (s *stub) Headers() []string { return s.headers }
func (s *stub) Challenge(realm string, why Reason) string {
	if why == NoCredential {
		return "Stub realm=\"" + realm + "\""
	}
	return "Stub realm=\"" + realm + "\", error=\"" + s.name + "\""
}

func (s *stub) Authenticate(r *Request) (Identity, error) {
	s.asked++
	if s.body {
		if _, err := r.ReadBody(); err != nil {
			return Identity{}, err
		}
	}
	if s.err != nil {
		return Identity{}, s.err
	}
	id := s.id
	id.Method = s.name
	return id, nil
}

func (s *stub) Strip(r *http.Request) {
	if s.strips != "" {
		r.Header.Del(s.strips)
	}
}

func admits(name string) *stub { return &stub{name: name, id: Identity{Subject: name + "-subject"}} }

func denies(name string, why Reason) *stub { return &stub{name: name, err: &Denied{Reason: why}} }

func mustCompile(t testing.TB, rules ...Rule) *Policy {
	t.Helper()
	p, err := Compile(rules...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestReasons keeps each reason that is declared in the table.
func TestReasons(t *testing.T) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "auth.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok {
			if id, ok := s.Type.(*ast.Ident); ok && id.Name == "Reason" {
				declared++
			}
		}
		return true
	})
	if declared == 0 || len(Reasons()) != declared {
		t.Errorf("%d reasons are declared, and the table has %d", declared, len(Reasons()))
	}
	for reason, status := range map[Reason]int{
		Admitted: 200, Public: 200, NoCredential: 401, Stale: 401, NoRule: 403, TwoReadings: 400, TwoCredentials: 400, BadMethod: 405,
		BodyTimeout: 408, BodyTooLarge: 413, Throttled: 429, BuffersFull: 503, Unavailable: 503, "": 503, "made up": 503,
	} {
		if got := reason.Status(); got != status {
			t.Errorf("%q: got %d, want %d", reason, got, status)
		}
	}
}

func TestZeroValuesRefuse(t *testing.T) {
	var d Decision
	if d.Allowed() {
		t.Error("the zero Decision allows")
	}
	var p Policy
	r, _ := http.NewRequest("GET", "/", nil)
	if d := p.Decide(NewRequest(r, nil)); d.Allowed() || d.Reason != NoRule {
		t.Errorf("the zero Policy says %q, want %q", d.Reason, NoRule)
	}
	for _, rule := range []Rule{{}, {Match: "/"}} {
		if _, err := Compile(rule); err == nil {
			t.Errorf("Compile takes %+v", rule)
		}
	}
	if _, err := Compile(); err == nil {
		t.Error("Compile takes no rules")
	}
}

func TestErrors(t *testing.T) {
	inner := errors.New("inner")
	d := &Denied{Reason: Stale, Err: inner}
	if !errors.Is(d, inner) || !strings.Contains(d.Error(), "stale") {
		t.Errorf("got %v, want it to wrap %v", d, inner)
	}
	if got := (&Denied{Reason: Unknown}).Error(); got != "unknown" {
		t.Errorf("got %q, want %q", got, "unknown")
	}
	e := &RuleError{Index: 1, Err: inner}
	if !errors.Is(e, inner) || e.Error() != "rule 2: inner" {
		t.Errorf("got %v", e)
	}
}
