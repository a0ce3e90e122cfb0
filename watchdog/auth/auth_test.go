package auth

import (
	"errors"
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

func TestReasonStatus(t *testing.T) {
	want := map[Reason]int{
		Admitted: 200, Public: 200,
		NoCredential: 401, Malformed: 401, Unknown: 401, Expired: 401, BadSignature: 401, Stale: 401, Replayed: 401,
		NoRule: 403, Forbidden: 403,
		TwoReadings: 400, TwoCredential: 400, BadBody: 400, BadMethod: 405, BodyTimeout: 408, BodyTooLarge: 413,
		Throttled: 429, BuffersFull: 503, Unavailable: 503,
		"": 503, "made up": 503,
	}
	for reason, status := range want {
		if got := reason.Status(); got != status {
			t.Errorf("%q: got %d, want %d", reason, got, status)
		}
	}
	if got := len(Reasons()); got != len(want)-2 {
		t.Errorf("Reasons has %d, want %d", got, len(want)-2)
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
