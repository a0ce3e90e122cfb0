package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// cookie is a method whose credential browsers send by themselves, and which
// knows a page to sign in.
type cookie struct{ stub }

func (*cookie) Ambient() {}

func (c *cookie) Invite(r *http.Request, d Decision) string {
	if r.Method != http.MethodGet {
		return ""
	}
	return "/in?" + string(d.Reason) + fmt.Sprint(d.Rule.Require.SecondFactor)
}

// TestAmbient: what browsers send by themselves counts only alone, whatever the
// order in the policy.
func TestAmbient(t *testing.T) {
	someone := &cookie{stub{name: "cookie", id: Identity{Subject: "someone", SignedIn: time.Now()}}}
	nobody := &cookie{stub{name: "cookie", err: ErrNoCredential}}
	expired := &cookie{stub{name: "cookie", err: &Denied{Reason: SessionExpired}}}
	none := &stub{name: "key", err: ErrNoCredential}
	broken := &stub{name: "key", err: errors.New("could not tell")}
	hello := &stub{name: "key", err: &Handshake{Status: 200}}
	for _, tt := range []struct {
		name    string
		methods []Method
		auth    string // Authorization
		want    Reason
		subject string
		to      string // the invitation
	}{
		{"a cookie", []Method{someone, none}, "", Admitted, "someone", ""},
		{"a cookie, last", []Method{none, someone}, "", Admitted, "someone", ""},
		{"a cookie and a key", []Method{someone, admits("key")}, "", Admitted, "key-subject", ""},
		{"a cookie and a wrong key", []Method{someone, denies("key", Unknown)}, "", Unknown, "", ""},
		{"a cookie and a throttled key", []Method{someone, denies("key", Throttled)}, "", Throttled, "", ""},
		{"a cookie and a key that nobody can tell of", []Method{someone, broken}, "", Unavailable, "", ""},
		{"a cookie and Authorization for nobody", []Method{someone, none}, "Basic x", NoCredential, "", ""},
		{"a cookie and an empty Authorization", []Method{someone}, "empty", NoCredential, "", ""},
		{"a cookie and a handshake", []Method{someone, hello}, "", Answered, "", ""},
		{"nothing", []Method{nobody, none}, "", NoCredential, "", "/in?no_credentialfalse"},
		{"a cookie that has expired", []Method{expired, none}, "", SessionExpired, "", "/in?session_expiredfalse"},
		{"one that has, and a wrong key", []Method{expired, denies("key", Unknown)}, "", Unknown, "", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if tt.auth != "" {
			r.Header["Authorization"] = []string{strings.TrimPrefix(tt.auth, "empty")}
		}
		var d Decision
		g := NewGate(mustCompile(t, Rule{Match: "/", Accept: tt.methods}), Options{Report: func(_ *http.Request, decided Decision) { d = decided }})
		w, s := through(g, r)
		if d.Reason != tt.want || d.Identity.Subject != tt.subject || s.called != (tt.want == Admitted) {
			t.Errorf("%s: got %q as %q, and the handler was called: %t", tt.name, d.Reason, d.Identity.Subject, s.called)
		}
		if got := w.Header().Get("Location"); got != tt.to || d.Invitation != tt.to || (w.Code == http.StatusFound) != (tt.to != "") {
			t.Errorf("%s: got %d to %q", tt.name, w.Code, got)
		}
	}
}

// TestAmbientIsStripped: no function gets the cookie, on no rule, whatever is
// forwarded.
func TestAmbientIsStripped(t *testing.T) {
	c := &cookie{stub{name: "cookie", err: ErrNoCredential, strips: "X-Cookie"}}
	p := mustCompile(t, Rule{Match: "/", Accept: []Method{c}}, Rule{Match: "/public", Public: true}, Rule{Match: "/key", Accept: []Method{admits("key")}})
	for _, forward := range []bool{false, true} {
		for _, path := range []string{"/public", "/key"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("X-Cookie", "x")
			if _, s := through(NewGate(p, Options{ForwardCredentials: forward}), r); !s.called || s.r.Header["X-Cookie"] != nil {
				t.Errorf("%s, forwarding %t: called %t", path, forward, s.called)
			}
		}
	}
}

// TestStepUp: what a rule wants beyond a credential.
func TestStepUp(t *testing.T) {
	at := time.Now()
	person := Identity{Subject: "p", Scopes: []string{"a"}, SignedIn: at.Add(-time.Hour)}
	strong := person
	strong.SecondFactor = true
	machine := Identity{Subject: "p", Scopes: []string{"a"}, SecondFactor: true} // whatever it claims
	for _, tt := range []struct {
		q    Requirement
		want [3]Reason // of person, strong, machine
	}{
		{Requirement{}, [3]Reason{Admitted, Admitted, Admitted}},
		{Requirement{SecondFactor: true}, [3]Reason{StepUp, Admitted, Forbidden}},
		{Requirement{MaxAge: time.Hour}, [3]Reason{Admitted, Admitted, Forbidden}},
		{Requirement{MaxAge: time.Hour - 1}, [3]Reason{StepUp, StepUp, Forbidden}},
		{Requirement{SecondFactor: true, Scopes: []string{"b"}}, [3]Reason{Forbidden, Forbidden, Forbidden}},
		{Requirement{SecondFactor: true, Scopes: []string{"a"}, Subjects: []string{"p"}}, [3]Reason{StepUp, Admitted, Forbidden}},
		{Requirement{MaxAge: 1, Subjects: []string{"x"}}, [3]Reason{Forbidden, Forbidden, Forbidden}},
	} {
		for i, id := range []Identity{person, strong, machine} {
			if got := tt.q.judge(id, func() time.Time { return at }); got != tt.want[i] {
				t.Errorf("%+v of number %d: got %q, want %q", tt.q, i, got, tt.want[i])
			}
		}
	}
}

// TestCompileRefusesPeople has what can't be asked of people and of programs.
func TestCompileRefusesPeople(t *testing.T) {
	c := &cookie{stub{name: "cookie"}}
	for _, tt := range []struct {
		name string
		rule Rule
		want string
	}{
		{"all", Rule{Match: "/", All: []Method{c, admits("key")}}, "is for accept"},
		{"all of one", Rule{Match: "/", All: []Method{c}}, "is for accept"},
		{"a second factor of programs", Rule{Match: "/", Accept: []Method{admits("key")}, Require: Requirement{SecondFactor: true}}, "only people"},
		{"an age of programs", Rule{Match: "/", Accept: []Method{admits("key")}, Require: Requirement{MaxAge: time.Minute}}, "only people"},
		{"an age of programs, all", Rule{Match: "/", All: []Method{admits("key")}, Require: Requirement{MaxAge: time.Minute}}, "only people"},
		{"a second factor of everybody", Rule{Match: "/", Public: true, Require: Requirement{SecondFactor: true}}, "is public and has require"},
		{"a second factor", Rule{Match: "/", Accept: []Method{admits("key"), c}, Require: Requirement{SecondFactor: true, MaxAge: time.Minute}}, ""},
	} {
		_, err := Compile(tt.rule)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
