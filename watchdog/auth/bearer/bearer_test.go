package bearer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/authtest"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

const (
	token = "awk_canary-secret-0123456789abcdefABCDEF" //nolint:gosec // of tests
	other = "awk_canary-secret-other-0123456789abcdef"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func mustNew(t testing.TB, c Config, file string) *Method {
	t.Helper()
	m, err := New("ci", c, secret.New([]byte(file)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// request makes a request with headers given as "Name: value".
func request(target string, headers ...string) *http.Request {
	r := httptest.NewRequest("POST", target, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header[http.CanonicalHeaderKey(name)] = append(r.Header[http.CanonicalHeaderKey(name)], value)
	}
	return r
}

func TestContract(t *testing.T) {
	with := func(set func(*http.Request)) func(body string) *http.Request {
		return func(body string) *http.Request {
			r := httptest.NewRequest("POST", "/path?a=1&b=%32", strings.NewReader(body))
			set(r)
			return r
		}
	}
	deny := func(r *http.Request) func() *http.Request { return func() *http.Request { return r } }
	t.Run("Authorization", func(t *testing.T) {
		authtest.Test(t, authtest.Case{
			Method:  mustNew(t, Config{}, "me "+token),
			Admit:   with(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }),
			Secrets: []string{token},
			Deny: map[string]func() *http.Request{
				"unknown":   deny(request("/", "Authorization: Bearer "+other)),
				"malformed": deny(request("/", "Authorization: Bearer a b")),
			},
		})
	})
	t.Run("header", func(t *testing.T) {
		authtest.Test(t, authtest.Case{
			Method:  mustNew(t, Config{Header: "x-api-key"}, "me "+digest(token)),
			Admit:   with(func(r *http.Request) { r.Header.Set("X-Api-Key", token) }),
			Secrets: []string{token},
			Deny:    map[string]func() *http.Request{"unknown": deny(request("/", "X-Api-Key: "+other))},
		})
	})
	t.Run("query", func(t *testing.T) {
		authtest.Test(t, authtest.Case{
			Method:  mustNew(t, Config{Query: "key"}, token),
			Admit:   with(func(r *http.Request) { r.URL.RawQuery += "&k%65y=" + token }),
			Secrets: []string{token},
			Deny:    map[string]func() *http.Request{"unknown": deny(request("/?key=" + other))},
		})
	})
}

func TestAuthorization(t *testing.T) {
	m := mustNew(t, Config{}, "me "+token)
	for _, tt := range []struct {
		name  string
		value string
		want  auth.Reason
	}{
		{"plain", "Bearer " + token, auth.Admitted},
		{"small letters", "bearer " + token, auth.Admitted},
		{"capitals", "BEARER " + token, auth.Admitted},
		{"several spaces", "Bearer   " + token, auth.Admitted},
		{"no scheme", token, auth.NoCredential},
		{"another scheme", "Basic " + token, auth.NoCredential},
		{"a scheme that begins like it", "BearerX " + token, auth.NoCredential},
		{"a tab", "Bearer\t" + token, auth.NoCredential},
		{"empty", "", auth.NoCredential},
		{"scheme only", "Bearer", auth.Malformed},
		{"scheme and a space", "Bearer ", auth.Malformed},
		{"padding only", "Bearer ==", auth.Malformed},
		{"two tokens", "Bearer " + token + " " + token, auth.Malformed},
		{"a list", "Bearer " + token + ",Bearer " + token, auth.Malformed},
		{"padding added", "Bearer " + token + "=", auth.Unknown},
		{"cut short", "Bearer " + token[:len(token)-1], auth.Unknown},
		{"longer", "Bearer " + token + "x", auth.Unknown},
		{"another case", "Bearer " + strings.ToUpper(token), auth.Unknown},
		{"quotes", `Bearer "` + token + `"`, auth.Malformed},
		{"NUL", "Bearer " + token + "\x00", auth.Malformed},
		{"not ASCII", "Bearer " + token + "é", auth.Malformed},
		{"the digest of the key", "Bearer " + digest(token), auth.Malformed},
		{"the digest's digits", "Bearer " + digest(token)[7:], auth.Unknown},
		{"very long", "Bearer " + strings.Repeat("a", longest+1), auth.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = []string{tt.value}
			if _, got := authtest.Ask(m, r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	m := mustNew(t, Config{Header: "X-Api-Key"}, token+"\n"+digest("p@ss!word;with,signs"))
	for _, tt := range []struct {
		name, header string
		want         auth.Reason
	}{
		{"the key", "X-Api-Key: " + token, auth.Admitted},
		{"signs that a token can't have", "X-Api-Key: p@ss!word;with,signs", auth.Admitted},
		{"a scheme before it", "X-Api-Key: Bearer " + token, auth.Malformed},
		{"empty", "X-Api-Key: ", auth.Malformed},
		{"Authorization is not read", "Authorization: Bearer " + token, auth.NoCredential},
		{"another spelling is another header", "X_Api_Key: " + token, auth.NoCredential},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := authtest.Ask(m, request("/", tt.header)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestQuery(t *testing.T) {
	m := mustNew(t, Config{Query: "api_key"}, "me "+token)
	for _, tt := range []struct {
		name, query string
		header      string
		want        auth.Reason
		left        string // of the query, for the function
	}{
		{"the key", "api_key=" + token, "", auth.Admitted, ""},
		{"between others", "a=1&api_key=" + token + "&b=2;3", "", auth.TwoReadings, ""},
		{"between others that parse", "a=%20&api_key=" + token + "&&b", "", auth.Admitted, "a=%20&&b"},
		{"escaped name", "api%5Fkey=" + token, "", auth.Admitted, ""},
		{"twice", "api_key=" + token + "&api_key=" + token, "", auth.TwoCredentials, ""},
		{"twice, escaped", "api_key=" + token + "&api%5fkey=x", "", auth.TwoCredentials, ""},
		{"header too", "api_key=" + token, "Authorization: Bearer " + token, auth.TwoCredentials, ""},
		{"header only", "a=1", "Authorization: Bearer " + token, auth.Admitted, "a=1"},
		{"wrong header, key in the query", "api_key=" + token, "Authorization: Bearer ", auth.TwoCredentials, ""},
		{"empty", "api_key=", "", auth.Malformed, ""},
		{"no value", "api_key", "", auth.Malformed, ""},
		{"another case", "API_KEY=" + token, "", auth.NoCredential, ""},
		{"does not parse", "a=%zz&api_key=" + token, "", auth.TwoReadings, ""},
		{"none", "", "", auth.NoCredential, ""},
		{"wrong", "api_key=" + other, "", auth.Unknown, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/p", nil)
			r.URL.RawQuery = tt.query
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				r.Header.Set(name, value)
			}
			if _, got := authtest.Ask(m, r); got != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			before := r.URL
			m.Strip(r)
			if tt.want == auth.Admitted && (r.URL.RawQuery != tt.left || strings.Contains(r.RequestURI, token) || r.Header.Get("Authorization") != "") {
				t.Errorf("left %q, %q and %v, want the query %q and no credential", r.URL.RawQuery, r.RequestURI, r.Header, tt.left)
			}
			if before.RawQuery != tt.query {
				t.Error("the URL that others hold was changed")
			}
		})
	}
	off := mustNew(t, Config{}, "me "+token)
	if _, got := authtest.Ask(off, request("/?api_key="+token+"&access_token="+token)); got != auth.NoCredential {
		t.Errorf("with no query parameter named: got %q, want %q", got, auth.NoCredential)
	}
}

func TestKeys(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	m := mustNew(t, Config{Secret: "ci-keys"}, strings.Join([]string{
		"# comment",
		"",
		"deploy key-of-deploy-000 scopes=deploy,read expires=2026-07-01T00:00:00Z",
		"  key-without-a-name  ",
		digest("digested-key-00000"),
		"old key-that-is-old-00000 expires=2026-05-31T23:59:59Z",
		"deploy second-key-of-deploy expires=2026-06-01T00:00:00+01:00",
		"padded cGFkZGVkLWtleS0wMDA==",
	}, "\r\n"))
	m.now = func() time.Time { return now }
	for _, tt := range []struct {
		key     string
		want    auth.Reason
		subject string
		entry   string
		scopes  string
	}{
		{"key-of-deploy-000", auth.Admitted, "deploy", "deploy", "[deploy read]"},
		{"key-without-a-name", auth.Admitted, "ci", "line-4", "[]"},
		{"digested-key-00000", auth.Admitted, "ci", "line-5", "[]"},
		{"cGFkZGVkLWtleS0wMDA==", auth.Admitted, "padded", "padded", "[]"},
		{"key-that-is-old-00000", auth.Expired, "", "", "[]"},
		{"second-key-of-deploy", auth.Expired, "", "", "[]"},
		{"comment", auth.Unknown, "", "", "[]"},
		{"deploy", auth.Unknown, "", "", "[]"},
	} {
		t.Run(tt.key, func(t *testing.T) {
			id, got := authtest.Ask(m, request("/", "Authorization: Bearer "+tt.key))
			if got != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			if id.Subject != tt.subject || id.Entry != tt.entry || fmt.Sprint(id.Scopes) != tt.scopes {
				t.Errorf("got %+v, want %q, %q and %s", id, tt.subject, tt.entry, tt.scopes)
			}
			if got == auth.Admitted && id.Secret != "ci-keys" {
				t.Errorf("got the secret %q", id.Secret)
			}
		})
	}
	t.Run("until its second", func(t *testing.T) {
		for at, want := range map[time.Time]auth.Reason{
			time.Date(2026, 6, 30, 23, 59, 59, 0, time.UTC): auth.Admitted,
			time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC):     auth.Expired,
		} {
			m.now = func() time.Time { return at }
			if _, got := authtest.Ask(m, request("/", "Authorization: Bearer key-of-deploy-000")); got != want {
				t.Errorf("at %v: got %q, want %q", at, got, want)
			}
		}
	})
	t.Run("listed", func(t *testing.T) {
		var lines []string
		for _, c := range m.Credentials() {
			lines = append(lines, c.Entry)
		}
		if got, want := strings.Join(lines, " "), "deploy line-4 line-5 old deploy padded"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	const canary = "canary-secret-value"
	for _, tt := range []struct {
		name, file, want string
	}{
		{"nothing but comments", "# " + canary, "has no key, only comments"},
		{"three words", "a b " + canary, "line 1: want [name] credential"},
		{"unknown option", canary + " scope=admin", "line 1: has an option that is not one"},
		{"option twice", canary + " scopes=a scopes=b", "line 1: has an option"},
		{"empty option", canary + " scopes=", "line 1: scopes: want words"},
		{"bad scope", canary + " scopes=a,,b", "line 1: scopes: want words"},
		{"bad time", canary + " expires=tomorrow", "line 1: expires: want a time"},
		{"date only", canary + " expires=2027-01-01", "line 1: expires: want a time"},
		{"short digest", "sha256:abcdef", "line 1: want 64 hex digits after sha256:"},
		{"digest of nothing", digest(""), "line 1: is the digest of an empty credential"},
		{"name with a sign", "na/me " + canary, "line 1: the name comes first"},
		{"name that is the key", NewKey() + " me", "line 1: the name comes first"},
		{"name that is a random key", "Zk3vQ9xLw2Rt7YbN4mHs8PcA me", "line 1: the name comes first"},
		{"name that is a digest", digest("x") + " me", "line 1: the name comes first"},
		{"signs that can't be sent", "me canary-sécret", "line 1: the credential has characters"},
		{"like an option", "me CANARY=secret", "line 1: has an option that is not one"},
		{"= in the middle", "me CANARY-0=secret", "line 1: the credential has characters"},
		{"a digest in capitals", "ci SHA256:" + canary, "line 1: the credential is a hash of another kind"},
		{"another digest", "ci sha-512:" + canary, "line 1: the credential is a hash of another kind"},
		{"a password's hash", "ci $argon2id$v=19$" + canary, "line 1: the credential is a hash of another kind"},
		{"a user's line", "bob:$2y$10$" + canary, "line 1: the credential is a hash of another kind"},
		{"the same key twice", "a " + canary + "\nb " + digest(canary), "line 2: has the key of line 1"},
		{"several lines", "a b c\nme " + canary + "\nx y z", "line 3: want"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := New("ci", Config{}, secret.New([]byte(tt.file)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v and %v, want an error with %q", m, err, tt.want)
			}
			for _, word := range []string{canary, "Zk3vQ9", "CANARY", "sécret"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("the error repeats the line: %v", err)
				}
			}
		})
	}
	t.Run("empty", func(t *testing.T) {
		if _, err := New("ci", Config{}, secret.Value{}); err == nil {
			t.Error("an empty secret is taken")
		}
	})
}

func TestWarnings(t *testing.T) {
	m := mustNew(t, Config{Query: "k"}, "short 0123\nold "+token+" expires=2020-01-01T00:00:00Z\ngood "+other)
	got := strings.Join(m.Warnings(), "\n")
	for _, want := range []string{"short: is shorter than 16", "old: expired on 2020-01-01", `query parameter "k"`} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
	if len(m.Warnings()) != 3 {
		t.Errorf("got %q, want three", m.Warnings())
	}
}

func TestChallenge(t *testing.T) {
	m := mustNew(t, Config{}, token)
	for why, want := range map[auth.Reason]string{
		auth.NoCredential: `Bearer realm="fn"`,
		auth.Unknown:      `Bearer realm="fn", error="invalid_token"`,
		auth.Expired:      `Bearer realm="fn", error="invalid_token"`,
	} {
		if got := m.Challenge("fn", why); got != want {
			t.Errorf("%s: got %s, want %s", why, got, want)
		}
	}
}

func TestNewLine(t *testing.T) {
	expires := time.Date(2027, 1, 31, 12, 0, 0, 0, time.FixedZone("", 3600))
	l := Line{Name: "ci", Key: NewKey(), Scopes: []string{"a", "b"}, Expires: expires}
	text, err := l.Digested()
	if err != nil {
		t.Fatal(err)
	}
	if want := "ci " + digest(l.Key) + " scopes=a,b expires=2027-01-31T11:00:00Z"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
	m := mustNew(t, Config{}, text)
	if id, got := authtest.Ask(m, request("/", "Authorization: Bearer "+l.Key)); got != auth.Admitted || id.Subject != "ci" || !id.Expires.Equal(expires) {
		t.Errorf("got %q as %+v", got, id)
	}
	if l.Key == NewKey() || !strings.HasPrefix(l.Key, prefix) || len(l.Key) != len(prefix)+43 {
		t.Errorf("got the key %q, want %s and 256 random bits", l.Key, prefix)
	}
	for _, bad := range []Line{{Name: "a b", Key: "k"}, {Key: "k", Scopes: []string{"a b"}}, {Name: NewKey(), Key: "k"}} {
		if text, err := bad.Digested(); err == nil {
			t.Errorf("got %q, want an error", text)
		}
	}
}

func TestConfig(t *testing.T) {
	var c Config
	setting.Defaults(c.Fields())
	if c != (Config{Secret: "api-key", Header: "Authorization"}) {
		t.Errorf("got %+v", c)
	}
	if got := c.Secrets(); len(got) != 1 || got[0] != "api-key" {
		t.Errorf("got the secrets %q", got)
	}
	if got := c.Headers(); len(got) != 1 || got[0] != "Authorization" {
		t.Errorf("got the headers %q", got)
	}
	file, key, err := c.NewSecret("", "dev", nil, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if id, got := authtest.Ask(mustNew(t, c, file), request("/", "Authorization: Bearer "+key)); got != auth.Admitted || id.Subject != "dev" || id.Expires.IsZero() {
		t.Errorf("a secret that was made up: got %q as %+v", got, id)
	}
}

func TestPresent(t *testing.T) {
	for _, c := range []Config{{}, {Header: "X-Api-Key"}} {
		setting.Defaults((&Config{}).Fields())
		if c.Header == "" {
			c.Header = authorization
		}
		r := httptest.NewRequest("GET", "/", nil)
		if _, err := c.Present(r, setting.Presentation{Show: func(string) string { return token }}); err != nil {
			t.Fatal(err)
		}
		if _, got := authtest.Ask(mustNew(t, c, token), r); got != auth.Admitted {
			t.Errorf("%+v: got %q from %v", c, got, r.Header)
		}
	}
}

// FuzzToken holds that what is admitted is the key itself and nothing that is
// only like it.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"Bearer " + token, "bearer  " + token, "Bearer " + token + "=", token, "Basic x", "Bearer a,b"} {
		f.Add(s)
	}
	m := mustNew(f, Config{}, token)
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = []string{value}
		_, got := authtest.Ask(m, r)
		if got == auth.Admitted && (len(value) < 7 || !strings.EqualFold(value[:7], "Bearer ") || strings.Trim(value[7:], " ") != token) {
			t.Errorf("%q was admitted", value)
		}
	})
}

// BenchmarkDecision is what it takes to admit a request, with few and many
// keys: the gate's rules, the look-up, the identity.
func BenchmarkDecision(b *testing.B) {
	for _, n := range []int{1, 100, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			var file strings.Builder
			for i := range n {
				fmt.Fprintf(&file, "key-%d awk_%043d scopes=read\n", i, i)
			}
			policy, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{mustNew(b, Config{}, file.String())}})
			if err != nil {
				b.Fatal(err)
			}
			requests := make([]*auth.Request, 64)
			for i := range requests {
				r := httptest.NewRequest("GET", "/some/path", nil)
				r.Header.Set("Authorization", fmt.Sprintf("Bearer awk_%043d", i*7919%n))
				requests[i] = auth.NewRequest(r, nil)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if d := policy.Decide(requests[i%len(requests)]); !d.Allowed() {
					b.Fatal(d.Reason)
				}
				i++
			}
		})
	}
}

// BenchmarkRules is the same with a policy that has to be asked by path.
func BenchmarkRules(b *testing.B) {
	m := mustNew(b, Config{}, "me "+token)
	policy, err := auth.Compile(
		auth.Rule{Match: "/", Accept: []auth.Method{m}},
		auth.Rule{Match: "/admin/", Accept: []auth.Method{m}, Require: auth.Requirement{Scopes: []string{"admin"}}},
		auth.Rule{Match: "GET /public/", Public: true},
	)
	if err != nil {
		b.Fatal(err)
	}
	r := auth.NewRequest(request("/some/path", "Authorization: Bearer "+token), nil)
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Decide(r); !d.Allowed() {
			b.Fatal(d.Reason)
		}
	}
}

// TestDecisionAllocatesNothing keeps what BenchmarkDecision shows.
func TestDecisionAllocatesNothing(t *testing.T) {
	m := mustNew(t, Config{}, "me "+token)
	policy, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{m}, Require: auth.Requirement{Subjects: []string{"me"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := auth.NewRequest(request("/some/path", "Authorization: Bearer "+token), nil)
	if got := testing.AllocsPerRun(100, func() {
		if !policy.Decide(r).Allowed() {
			t.Fatal("refused")
		}
	}); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

// BenchmarkRequest is the whole gate, with a handler that does nothing.
func BenchmarkRequest(b *testing.B) {
	policy, err := auth.Compile(auth.Rule{Match: "/", Accept: []auth.Method{mustNew(b, Config{}, "me "+token)}})
	if err != nil {
		b.Fatal(err)
	}
	h := auth.NewGate(policy, auth.Options{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := discard{http.Header{}}
	r := request("/", "Authorization: Bearer "+token)
	b.ReportAllocs()
	for b.Loop() {
		r.Header["Authorization"] = []string{"Bearer " + token}
		h.ServeHTTP(w, r)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header       { return d.h }
func (discard) WriteHeader(int)             {}
func (discard) Write(p []byte) (int, error) { return io.Discard.Write(p) }
