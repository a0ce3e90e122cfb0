package auth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOutcomes has the table of what methods say and what becomes of it.
func TestOutcomes(t *testing.T) {
	none := func() *stub { return &stub{name: "none", err: ErrNoCredential} }
	away := func() *stub { return &stub{name: "away", err: errors.New("key server away")} }
	for _, tt := range []struct {
		name   string
		accept []*stub
		all    []*stub
		want   Reason
		method string
		asked  []int // how often each was asked
	}{
		{name: "the only one admits", accept: []*stub{admits("a")}, want: Admitted, method: "a", asked: []int{1}},
		{name: "the first that admits wins", accept: []*stub{admits("a"), admits("b")}, want: Admitted, method: "a", asked: []int{1, 0}},
		{name: "not mine: the next is asked", accept: []*stub{none(), admits("b")}, want: Admitted, method: "b", asked: []int{1, 1}},
		{name: "mine and wrong: the next is asked", accept: []*stub{denies("a", Unknown), admits("b")}, want: Admitted, method: "b", asked: []int{1, 1}},
		{name: "could not tell: the next is asked", accept: []*stub{away(), admits("b")}, want: Admitted, method: "b", asked: []int{1, 1}},
		{name: "nothing presented", accept: []*stub{none(), none()}, want: NoCredential, asked: []int{1, 1}},
		{name: "wrong counts before not presented", accept: []*stub{none(), denies("b", BadSignature)}, want: BadSignature, method: "b", asked: []int{1, 1}},
		{name: "the first wrong one names the reason", accept: []*stub{denies("a", Expired), denies("b", Unknown)}, want: Expired, method: "a", asked: []int{1, 1}},
		{name: "could not tell counts before wrong", accept: []*stub{denies("a", Unknown), away()}, want: Unavailable, method: "away", asked: []int{1, 1}},
		{name: "a bound counts before wrong", accept: []*stub{denies("a", Unknown), denies("b", Throttled)}, want: Throttled, method: "b", asked: []int{1, 1}},
		{name: "could not tell counts before a bound", accept: []*stub{denies("a", Throttled), away()}, want: Unavailable, method: "away", asked: []int{1, 1}},
		{name: "two credentials end it", accept: []*stub{denies("a", TwoCredentials), admits("b")}, want: TwoCredentials, method: "a", asked: []int{1, 0}},
		{name: "a body too large ends it", accept: []*stub{denies("a", BodyTooLarge), admits("b")}, want: BodyTooLarge, method: "a", asked: []int{1, 0}},
		{name: "a body that has been read in part ends it", accept: []*stub{denies("a", BuffersFull), admits("b")}, want: BuffersFull, method: "a", asked: []int{1, 0}},
		{name: "a made-up reason does not admit", accept: []*stub{denies("a", "fine")}, want: "fine", method: "a", asked: []int{1}},
		{name: "all content", all: []*stub{admits("a"), admits("b")}, want: Admitted, method: "a", asked: []int{1, 1}},
		{name: "one of all is missing", all: []*stub{admits("a"), none()}, want: NoCredential, asked: []int{1, 1}},
		{name: "one of all is wrong", all: []*stub{denies("a", Unknown), admits("b")}, want: Unknown, method: "a", asked: []int{1, 0}},
		{name: "one of all can't tell", all: []*stub{admits("a"), away()}, want: Unavailable, method: "away", asked: []int{1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := Rule{Match: "/"}
			for i, s := range tt.accept {
				if s.name == "none" {
					s.name += string(rune('0' + i))
				}
				rule.Accept = append(rule.Accept, s)
			}
			for _, s := range tt.all {
				rule.All = append(rule.All, s)
			}
			d := mustCompile(t, rule).Decide(NewRequest(httptest.NewRequest("GET", "/", nil), nil))
			if d.Reason != tt.want || d.Method != tt.method {
				t.Errorf("got %q by %q, want %q by %q", d.Reason, d.Method, tt.want, tt.method)
			}
			if d.Allowed() != (tt.want == Admitted) {
				t.Errorf("Allowed is %v", d.Allowed())
			}
			for i, s := range append(tt.accept, tt.all...) {
				if s.asked != tt.asked[i] {
					t.Errorf("%s was asked %d times, want %d", s.name, s.asked, tt.asked[i])
				}
			}
		})
	}
}

func TestAllAddsUp(t *testing.T) {
	soon, later := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	a := &stub{name: "a", id: Identity{Subject: "alice", Scopes: []string{"read"}, Expires: later}}
	b := &stub{name: "b", id: Identity{Subject: "bob", Scopes: []string{"write"}, Expires: soon}}
	p := mustCompile(t, Rule{Match: "/", All: []Method{a, b}, Require: Requirement{Subjects: []string{"alice"}, Scopes: []string{"read", "write"}}})
	d := p.Decide(NewRequest(httptest.NewRequest("GET", "/", nil), nil))
	if d.Reason != Admitted || d.Identity.Subject != "alice" || !d.Identity.Expires.Equal(soon) {
		t.Errorf("got %q as %+v, want alice until the first expiry", d.Reason, d.Identity)
	}
}

func TestRequirement(t *testing.T) {
	id := Identity{Subject: "alice", Scopes: []string{"read", "write"}}
	for _, tt := range []struct {
		name string
		q    Requirement
		want bool
	}{
		{"nothing", Requirement{}, true},
		{"one of the subjects", Requirement{Subjects: []string{"bob", "alice"}}, true},
		{"none of the subjects", Requirement{Subjects: []string{"bob", "Alice"}}, false},
		{"all of the scopes", Requirement{Scopes: []string{"write", "read"}}, true},
		{"not all of the scopes", Requirement{Scopes: []string{"read", "admin"}}, false},
		{"scope but not subject", Requirement{Subjects: []string{"bob"}, Scopes: []string{"read"}}, false},
	} {
		if got := tt.q.allows(id); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		p := mustCompile(t, Rule{Match: "/", Accept: []Method{&stub{name: "m", id: id}}, Require: tt.q})
		d := p.Decide(NewRequest(httptest.NewRequest("GET", "/", nil), nil))
		if d.Allowed() != tt.want || !tt.want && d.Reason != Forbidden {
			t.Errorf("%s: got %q", tt.name, d.Reason)
		}
	}
}

// rules of a policy with every kind of decision in it.
func samplePolicy(t testing.TB) *Policy {
	return mustCompile(t,
		Rule{Match: "POST /hooks/github", Accept: []Method{admits("github")}},
		Rule{Match: "/admin/", Accept: []Method{admits("admins")}},
		Rule{Match: "GET /public/", Public: true},
		Rule{Match: "/exact", Accept: []Method{admits("exact")}},
		Rule{Match: "/Capital", Accept: []Method{admits("capital")}},
		Rule{Match: "/users/{id}", Accept: []Method{admits("users")}},
		Rule{Match: "/slash", Accept: []Method{admits("noslash")}},
		Rule{Match: "/slash/", Accept: []Method{admits("slash")}},
	)
}

func TestRules(t *testing.T) {
	p := samplePolicy(t)
	for _, tt := range []struct {
		method, target string
		want           Reason
		rule           string
	}{
		{"POST", "/hooks/github", Admitted, "POST /hooks/github"},
		{"GET", "/hooks/github", NoRule, ""},
		{"GET", "/admin/", Admitted, "/admin/"},
		{"GET", "/admin", Admitted, "/admin/"},
		{"DELETE", "/admin/users/1?path=/public/", Admitted, "/admin/"},
		{"GET", "/public/", Public, "GET /public/"},
		{"GET", "/public", Public, "GET /public/"},
		{"HEAD", "/public/a", Public, "GET /public/"},
		{"POST", "/public/a", NoRule, ""},
		{"OPTIONS", "/public/a", NoRule, ""},
		{"GET", "/exact", Admitted, "/exact"},
		{"GET", "/exact/more", NoRule, ""},
		{"GET", "/users/7", Admitted, "/users/{id}"},
		{"GET", "/slash", Admitted, "/slash"},
		{"GET", "/slash/", Admitted, "/slash/"},
		{"GET", "/slash/x", Admitted, "/slash/"},
		{"GET", "/", NoRule, ""},
		{"GET", "/other", NoRule, ""},
		{"GET", "/%61dmin/x", Admitted, "/admin/"},
		{"GET", "/admin/caf%C3%A9", Admitted, "/admin/"},
		{"GET", "/admin/a%20b", Admitted, "/admin/"},

		// What a router that is lenient would take for another path.
		{"GET", "/ADMIN/", TwoReadings, ""},
		{"GET", "/Admin", TwoReadings, ""},
		{"GET", "/%41dmin", TwoReadings, ""},
		{"GET", "/exact/", TwoReadings, ""},
		{"GET", "/EXACT", TwoReadings, ""},
		{"GET", "/capital", TwoReadings, ""},
		{"GET", "/Capital", Admitted, "/Capital"},
		{"GET", "/Users/7", TwoReadings, ""},

		// What is no request for a function.
		{"CONNECT", "/admin/", BadMethod, ""},
		{"TRACE", "/public/", BadMethod, ""},
	} {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://function"+tt.target, nil)
			d := p.Decide(NewRequest(r, nil))
			rule := ""
			if d.Rule != nil {
				rule = d.Rule.Match
			}
			if d.Reason != tt.want || rule != tt.rule {
				t.Errorf("got %q by the rule %q, want %q by %q", d.Reason, rule, tt.want, tt.rule)
			}
		})
	}
}

// TestLenientRouters: a router that takes capitals for small letters, or does
// not see a slash at the end, finds no rule but the one that was applied.
func TestLenientRouters(t *testing.T) {
	rule := func(match string) Rule {
		name := strings.NewReplacer(" ", "", "/", "_", "{", "", "}", "", "$", "end").Replace(match)
		return Rule{Match: match, Accept: []Method{denies(name, Unknown)}}
	}
	public := Rule{Match: "/", Public: true}
	for _, tt := range []struct {
		name   string
		rules  []Rule
		closed []string // never public
		open   []string
	}{
		{"a path", []Rule{rule("/admin"), public}, []string{"/admin", "/admin/", "/ADMIN", "/Admin/"}, []string{"/", "/admins", "/admin/x"}},
		{"a path and what is below it", []Rule{rule("/admin"), rule("/admin/"), public}, []string{"/admin", "/ADMIN", "/Admin/", "/ADMIN/x"}, []string{"/", "/x"}},
		{"with and without capitals", []Rule{rule("/admin"), rule("/Admin"), public}, []string{"/admin", "/Admin", "/ADMIN", "/ADMIN/"}, []string{"/"}},
		{"only the folder", []Rule{rule("/home/{$}"), public}, []string{"/home/", "/home", "/HOME/", "/Home"}, []string{"/", "/home/x"}},
		{"the rest of a path", []Rule{rule("/f/{p...}"), public}, []string{"/f/", "/F", "/f", "/F/", "/F/x", "/f/x/y"}, []string{"/", "/g"}},
		{"a wildcard", []Rule{rule("/users/{id}"), rule("/users/{id}/"), public}, []string{"/users/1", "/Users/1", "/Users/1/", "/USERS/1/x"}, []string{"/users"}},
		{"a method", []Rule{rule("GET /a/{$}"), rule("GET /a/b"), public}, []string{"/a/", "/A", "/A/", "/A/B", "/a/b/"}, []string{"/a/c"}},
		{"letters beyond ASCII", []Rule{rule("/s/"), rule("/caf\u00e9"), public}, []string{"/%C5%BF/x", "/S/", "/CAF%C3%89", "/caf%c3%a9/"}, []string{"/t"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustCompile(t, tt.rules...)
			for i, path := range slices.Concat(tt.closed, tt.open) {
				d := p.Decide(NewRequest(httptest.NewRequest("GET", path, nil), nil))
				if open := i >= len(tt.closed); d.Allowed() != open {
					t.Errorf("%s: got %q, want it admitted: %v", path, d.Reason, open)
				}
			}
		})
	}
}

// TestMethodsInSmallLetters: some servers take "post" for "POST".
func TestMethodsInSmallLetters(t *testing.T) {
	some := mustCompile(t, Rule{Match: "POST /x", Accept: []Method{denies("m", Unknown)}}, Rule{Match: "/", Public: true})
	none := mustCompile(t, Rule{Match: "/x", Public: true}, Rule{Match: "/", Public: true})
	for method, want := range map[string]Reason{"POST": Unknown, "post": TwoReadings, "Post": TwoReadings, "GET": Public, "get": TwoReadings, "BREW": Public} {
		r := httptest.NewRequest("GET", "/x", nil)
		r.Method = method
		if d := some.Decide(NewRequest(r, nil)); d.Reason != want {
			t.Errorf("%s where a rule has a method: got %q, want %q", method, d.Reason, want)
		}
		if d := none.Decide(NewRequest(r, nil)); d.Reason != Public {
			t.Errorf("%s where none has: got %q, want %q", method, d.Reason, Public)
		}
	}
}

func TestTwoReadings(t *testing.T) {
	many := samplePolicy(t)
	one := mustCompile(t, Rule{Match: "/", Accept: []Method{admits("all")}})
	for _, path := range []string{
		"//admin", "/admin//x", "/public/../admin", "/public/./x", "/..", "/.", "/public/..", "/public/.",
		"/public%2f..%2fadmin", "/public%2Fadmin", "/public%5c..%5cadmin", "/public/%2e%2e/admin", "/public/%2E/x", "/admin/%2e",
		"/admin%00", "/admin%3bx", "/admin;x=y", "/public;/../admin", "/public\\admin", "/admin%23x", "/admin%3fx", "/public%252fadmin",
		"/public/%252e%252e/admin", "/api../admin", "/admin.", "/admin%20", "/public%0aX", "/public%7f", "/%ff", "/%c0%af",
	} {
		t.Run(path, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			var err error
			if r.URL, err = r.URL.Parse("http://f/"); err != nil {
				t.Fatal(err)
			}
			u, err := http.NewRequest("GET", "http://f"+strings.ReplaceAll(path, `\`, "%5c"), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Path, r.URL.RawPath = u.URL.Path, u.URL.RawPath
			if d := many.Decide(NewRequest(r, nil)); d.Reason != TwoReadings {
				t.Errorf("got %q, want %q", d.Reason, TwoReadings)
			}
			// Where nothing depends on the path, it is the function's business.
			if d := one.Decide(NewRequest(r, nil)); d.Reason != Admitted {
				t.Errorf("with one rule got %q, want %q", d.Reason, Admitted)
			}
		})
	}
	t.Run("not a path", func(t *testing.T) {
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.URL.Path = "*"
		if d := one.Decide(NewRequest(r, nil)); d.Reason != TwoReadings {
			t.Errorf("got %q, want %q", d.Reason, TwoReadings)
		}
	})
}

func TestDuplicateHeaders(t *testing.T) {
	keyed := admits("keyed")
	keyed.headers = []string{"X-Api-Key"}
	p := mustCompile(t, Rule{Match: "/", Accept: []Method{keyed}}, Rule{Match: "/public", Public: true})
	for _, tt := range []struct {
		name, path, header string
		lines              int
		want               Reason
	}{
		{"one", "/", "X-Api-Key", 1, Admitted},
		{"two of what a method reads", "/", "X-Api-Key", 2, TwoCredentials},
		{"two of what no method reads", "/", "X-Other", 2, Admitted},
		{"two Authorization", "/", "Authorization", 2, TwoCredentials},
		{"two Authorization on a public rule", "/public", "Authorization", 2, TwoCredentials},
		{"two keys on a public rule", "/public", "X-Api-Key", 2, Public},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.path, nil)
			for range tt.lines {
				r.Header.Add(tt.header, "x")
			}
			if d := p.Decide(NewRequest(r, nil)); d.Reason != tt.want {
				t.Errorf("got %q, want %q", d.Reason, tt.want)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	reader := func(name, header string) *stub { return &stub{name: name, headers: []string{header}} }
	a := admits("a")
	for _, tt := range []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"nothing said", []Rule{{Match: "/"}}, "exactly one of accept, all and public"},
		{"two things said", []Rule{{Match: "/", Public: true, Accept: []Method{a}}}, "exactly one of"},
		{"public with require", []Rule{{Match: "/", Public: true, Require: Requirement{Scopes: []string{"x"}}}}, "is public and has require"},
		{"nil method", []Rule{{Match: "/", Accept: []Method{nil}}}, "nil method"},
		{"host", []Rule{{Match: "example.com/", Accept: []Method{a}}}, "without a host"},
		{"method and host", []Rule{{Match: "GET example.com/", Accept: []Method{a}}}, "without a host"},
		{"empty", []Rule{{Match: "", Accept: []Method{a}}}, "want [METHOD ]/path"},
		{"small method", []Rule{{Match: "get /x", Accept: []Method{a}}}, "in capitals"},
		{"broken pattern", []Rule{{Match: "/{x", Accept: []Method{a}}}, "bad wildcard"},
		{"the same twice", []Rule{{Match: "/x", Accept: []Method{a}}, {Match: "/x", Accept: []Method{a}}}, "rule 2"},
		{"conflict", []Rule{{Match: "/{a}/x", Accept: []Method{a}}, {Match: "/y/{b}", Accept: []Method{a}}}, "conflicts with"},
		{"two of one name", []Rule{{Match: "/", Accept: []Method{a, admits("a")}}}, `two methods are named "a"`},
		{"reads what is ours", []Rule{{Match: "/", Accept: []Method{reader("r", "X-Auth-Subject")}}}, "which is ours to set"},
		{"reads what is ours, other spelling", []Rule{{Match: "/", Accept: []Method{reader("r", "X_auth_subject")}}}, "which is ours to set"},
		{
			"all of two that read Authorization",
			[]Rule{{Match: "/", All: []Method{reader("b", "Authorization"), reader("c", "Authorization")}}},
			"can never be content",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Compile(tt.rules...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || p != nil {
				t.Errorf("got %v and %v, want an error with %q", p, err, tt.want)
			}
		})
	}
	t.Run("every problem", func(t *testing.T) {
		_, err := Compile(Rule{Match: "/"}, Rule{Match: "x", Public: true}, Rule{Match: "/y", Accept: []Method{nil}})
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok || len(joined.Unwrap()) < 2 {
			t.Errorf("got %v, want several errors", err)
		}
	})
	t.Run("one method in several rules", func(t *testing.T) {
		if _, err := Compile(Rule{Match: "/a", Accept: []Method{a}}, Rule{Match: "/b", All: []Method{a}}); err != nil {
			t.Error(err)
		}
	})
}

func TestCompileKeepsNothingOfTheCaller(t *testing.T) {
	rules := []Rule{{Match: "/", Accept: []Method{admits("a")}}}
	p := mustCompile(t, rules...)
	rules[0].Public, rules[0].Accept = true, nil
	if d := p.Decide(NewRequest(httptest.NewRequest("GET", "/", nil), nil)); d.Reason != Admitted {
		t.Errorf("got %q, want the policy as it was compiled", d.Reason)
	}
}

// FuzzPath holds that what is decided by path has one reading: cleaning,
// decoding once more, and splitting at what some parsers split at change
// nothing.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/admin/x", "//", "/a/../b", "/%2e%2e/", "/a%2fb", "/a;b", "/a%25%32%65", "/A/", "/admin/caf%C3%A9", "/a b"} {
		f.Add(s)
	}
	p := samplePolicy(f)
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.NewRequest("GET", "http://f/", nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := r.URL.Parse(raw)
		if err != nil || u.Host != "f" || u.RawQuery != "" {
			return
		}
		r.URL.Path, r.URL.RawPath = u.Path, u.RawPath
		d := p.Decide(NewRequest(r, nil))
		if !d.Allowed() {
			return
		}
		for _, bad := range []string{"//", "/./", "/../", `\`, ";", "#", "?", "\x00"} {
			if strings.Contains(r.URL.Path+"/", bad) && bad != "//" || strings.Contains(r.URL.Path, "//") {
				t.Fatalf("%q was admitted with %q in it", r.URL.Path, bad)
			}
		}
		if strings.HasPrefix(strings.ToLower(r.URL.Path), "/admin") && d.Rule.Match != "/admin/" &&
			(len(r.URL.Path) == 6 || r.URL.Path[6] == '/') {
			t.Fatalf("%q was judged by %q", r.URL.Path, d.Rule.Match)
		}
		if d.Rule.Public && !strings.HasPrefix(r.URL.Path, "/public") {
			t.Fatalf("%q is public", r.URL.Path)
		}
	})
}
