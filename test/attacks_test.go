package test

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What the watchdogs of these tests keep. Every value has the word by which
// the output of a whole test run is searched for leaks.
const (
	ciKey      = "awk_CANARY-ci-key-0123456789abcdef"
	otherKey   = "awk_CANARY-other-key-0123456789ab"
	userPass   = "CANARY-password-of-alice"
	webhookKey = "CANARY-webhook-key-0123456789"
)

const bearer = "Authorization: Bearer " + ciKey

func basicAuth(name, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// argon makes a stored password that takes m KiB.
func argon(password string, m uint32) string {
	salt := []byte("salt-of-the-test")
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=2,p=1$%s$%s", m, b64.EncodeToString(salt),
		b64.EncodeToString(argon2.IDKey([]byte(password), salt, 2, m, 1, 32)))
}

func signature(key, body string) string {
	m := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(m, body)
	return "X-Hub-Signature-256: sha256=" + hex.EncodeToString(m.Sum(nil))
}

// paths is a policy in which much depends on the path.
func paths() setup {
	return setup{
		secrets: map[string]string{"ci-keys": "ci " + ciKey + " scopes=deploy\n", "admin-users": "alice:" + argon(userPass, 64) + "\n"},
		policy: `
methods:
  ci:     {type: bearer, secret: ci-keys}
  admins: {type: basic, secret: admin-users}
rules:
  - {match: "GET /public/", public: true}
  - {match: "/api/status", public: true}
  - {match: "/admin/", accept: [admins]}
  - {match: "/Mixed", accept: [admins]}
  - {match: "/", accept: [ci]}
`,
	}
}

// oneKey is the shortest policy there is.
func oneKey() setup {
	return setup{env: map[string]string{"auth": "bearer"}, secrets: map[string]string{"api-key": "ci " + ciKey + "\n"}}
}

const publicURL = "https://tools.example.com"

// people is the shortest policy for people.
func people() setup {
	ring := make([]byte, 32)
	_, _ = rand.Read(ring) // never fails
	return setup{
		env:     map[string]string{"auth": "login", "public_url": publicURL},
		secrets: map[string]string{"users": "alice:" + argon(userPass, 19456) + "\n", "session-keys": base64.StdEncoding.EncodeToString(ring) + "\n"},
	}
}

// signIn sends the form of sign-in for alice.
func (d *dog) signIn(returnTo string, headers ...string) answer {
	d.t.Helper()
	form := url.Values{"username": {"alice"}, "password": {userPass}, "return_to": {returnTo}}
	return d.do(call{
		method: "POST", path: "/_/auth/sign-in", body: strings.NewReader(form.Encode()),
		headers: append(headers, "Content-Type: application/x-www-form-urlencoded", "Origin: "+publicURL),
	})
}

// refused fails if an answer is none of the statuses, or the function was
// reached.
func (d *dog) refused(what string, c call, statuses ...int) {
	d.t.Helper()
	before, _, _ := d.got()
	a := d.do(c)
	if after, r, _ := d.got(); after != before {
		d.t.Errorf("%s: reached the function as %s %s", what, r.Method, r.RequestURI)
	}
	if !slices.Contains(statuses, a.status) {
		d.t.Errorf("%s: got %d, want one of %v", what, a.status, statuses)
	}
	if a.status == http.StatusUnauthorized && (a.header.Get("WWW-Authenticate") == "" || a.body != "Unauthorized\n" && c.method != "HEAD") {
		d.t.Errorf("%s: 401 with the challenge %q and the body %q", what, a.header.Get("WWW-Authenticate"), a.body)
	}
	if a.status < 429 && a.header.Get("X-OpenFaaS-Internal") != "" {
		d.t.Errorf("%s: %d with X-OpenFaaS-Internal, so it would be tried again", what, a.status)
	}
}

// refusedRaw is the same for bytes on the wire.
func (d *dog) refusedRaw(what, text string, statuses ...int) {
	d.t.Helper()
	before, _, _ := d.got()
	got := d.raw(text)
	if after, r, _ := d.got(); after != before {
		d.t.Errorf("%s: reached the function as %s %s", what, r.Method, r.RequestURI)
	}
	if len(got) != 1 || !slices.Contains(statuses, got[0]) {
		d.t.Errorf("%s: got %v, want one of %v", what, got, statuses)
	}
}

// admitted fails if the function was not reached, and returns what it got.
func (d *dog) admitted(what string, c call) *http.Request {
	d.t.Helper()
	before, _, _ := d.got()
	a := d.do(c)
	after, r, _ := d.got()
	if a.status != http.StatusOK || after != before+1 {
		d.t.Errorf("%s: got %d and %d requests at the function, want 200 and one", what, a.status, after-before)
	}
	return r
}

func line(method, target string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: f\r\nConnection: close\r\n" + strings.Join(append(headers, "\r\n"), "\r\n")
}

// attacks has what went wrong in other proxies, by the names under which it is
// known to those who maintain this. Those that need what is not built yet are
// in later.
var attacks = map[string]func(*testing.T){
	// Paths and exemptions from a rule.
	"P1 a path in the query": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{"/api/private/x?path=/api/status", "/x?/public/", "/admin?/public/", "/admin/?x=/../public/", "/?GET=/public/"} {
			d.refused(p, call{path: p}, 401)
		}
	},
	"P2 a fragment in the path": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{"/foo/secret%23/public/", "/foo/secret%23/bar", "/admin%23/public/"} {
			d.refused(p, call{path: p}, 400, 401)
		}
		for _, p := range []string{"/foo/secret#/bar", "/admin#/public/", "/public/../admin#"} {
			d.refusedRaw(p, line("GET", p), 400, 401)
		}
	},
	"P3 a user agent": func(t *testing.T) {
		d := start(t, paths())
		for _, ua := range []string{"GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"} {
			d.refused(ua, call{path: "/", headers: []string{"User-Agent: " + ua}}, 401)
			d.refused(ua, call{path: "/admin/", headers: []string{"User-Agent: " + ua}}, 401)
		}
	},
	"P4 a path in a header": func(t *testing.T) {
		d := start(t, paths())
		for _, h := range []string{
			"X-Forwarded-Uri", "X-Original-URL", "X-Rewrite-URL", "X-Envoy-Original-Path", "X-Original-URI", "X-Forwarded-Path", "X_Original_URL",
			"SCRIPT_NAME", "Script-Name", "PATH_INFO", "Daphne-Root-Path",
		} {
			d.refused(h, call{path: "/admin", headers: []string{h + ": /public/"}}, 401)
			r := d.admitted(h, call{path: "/public/", headers: []string{h + ": /admin"}})
			if got := r.Header[http.CanonicalHeaderKey(h)]; got != nil || r.Header[h] != nil {
				t.Errorf("the function was told of another path: %v", r.Header)
			}
		}
	},
	"P5 dots": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{"/public/../admin/secrets", "/public/./../admin", "/./public/../admin", "/public/..", "/.."} {
			d.refusedRaw(p, line("GET", p), 400)
		}
	},
	"P6 escaped dots and slashes": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{
			"/public%2f..%2fadmin", "/public%5c..%5cadmin", "/public/%2e%2e/admin", "/public/%2E%2e%2Fadmin", "/public/.%2e/admin", "/public%2Fx",
			"/public/%252e%252e/admin", "/public/..%252fadmin", "/public/%c0%ae%c0%ae/admin", "/public/%00", "/public/%3b", "/public/%0d%0a",
		} {
			d.refusedRaw(p, line("GET", p), 400)
		}
	},
	"P7 dots behind a prefix": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{"/api../admin", "/public../admin", "/api/./../admin", "/api%2f..%2f", "/public/.../admin"} {
			d.refusedRaw(p, line("GET", p), 400)
		}
	},
	"P8 a fragment on the wire": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{"/admin#x", "/admin/#", "/#/public/"} {
			d.refusedRaw(p, line("GET", p), 400, 401)
		}
	},
	"P9 parameters of a segment": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{"/admin;x=y", "/public;/../admin", "/public/;/admin", "/;/admin", "/admin;", "/public%3bx/"} {
			d.refusedRaw(p, line("GET", p), 400, 401)
		}
	},
	"P10 other spellings of host and path": func(t *testing.T) {
		d := start(t, paths())
		for _, h := range []string{"Fn.Example.COM", "fn.example.com.", "fn.example.com:80", "localhost", "127.0.0.1:8081", ""} {
			d.refused("Host "+h, call{path: "/admin", headers: []string{"Host: " + h}}, 401)
		}
		for _, p := range []string{"//admin", "/ADMIN", "/Admin/", "/admin/", "/admin/.", "/admin//", "/aDMIN/x", "/PUBLIC/", "/mixed", "/MIXED", "/Mixed/"} {
			d.refusedRaw(p, line("GET", p), 400, 401)
			d.refusedRaw(p+" with a key for the rest", line("GET", p, bearer), 400, 401)
		}
	},
	"P11 escaped letters": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{"/%61dmin", "/%41dmin", "/%61%64%6d%69%6e/x", "/%4dixed", "/%6dixed"} {
			d.refused(p, call{path: p, headers: []string{bearer}}, 400, 401)
		}
		d.admitted("an escaped letter of a public path", call{path: "/%70ublic/x"})
	},
	"P12 methods": func(t *testing.T) {
		d := start(t, paths())
		d.refused("OPTIONS", call{method: "OPTIONS", path: "/x"}, 401)
		d.refused("OPTIONS with a body", call{method: "OPTIONS", path: "/x", body: strings.NewReader("x")}, 401)
		d.refused("a preflight", call{method: "OPTIONS", path: "/admin", headers: []string{"Origin: https://a", "Access-Control-Request-Method: GET"}}, 401)
		d.refused("HEAD", call{method: "HEAD", path: "/admin"}, 401)
		d.refused("POST where GET is public", call{method: "POST", path: "/public/"}, 401)
		for _, h := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X_HTTP_Method_Override"} {
			d.refused(h, call{path: "/admin", headers: []string{h + ": OPTIONS"}}, 401)
			if r := d.admitted(h, call{path: "/public/", headers: []string{h + ": DELETE"}}); r.Header.Get(h) != "" || r.Header[h] != nil {
				t.Errorf("the function was told of another method: %v", r.Header)
			}
		}
		d.refused("a method in small letters", call{method: "get", path: "/public/"}, 400)
		d.refused("a method in small letters, with a credential", call{method: "post", path: "/x", headers: []string{bearer}}, 400)
		d.refused("a made-up method", call{method: "BREW", path: "/public/"}, 401)
	},
	"P13 methods of proxies": func(t *testing.T) {
		d := start(t, oneKey())
		for _, text := range []string{line("CONNECT", "/x", bearer), line("TRACE", "/", bearer), line("CONNECT", "f:80", bearer), line("CONNECT", "@127.0.0.1:9999/admin", bearer)} {
			d.refusedRaw(strings.SplitN(text, "\r", 2)[0], text, 400, 405)
		}
		d.refusedRaw("OPTIONS *", line("OPTIONS", "*", bearer), 400)
	},
	"P14 a whole URL on the request line": func(t *testing.T) {
		d := start(t, paths())
		for _, p := range []string{"http://evil/admin", "http://evil/x", "https://f/admin", "http://evil@f/admin"} {
			d.refusedRaw(p, line("GET", p), 400, 401)
			d.refusedRaw(p+" with a key for the rest", line("GET", strings.Replace(p, "/x", "/admin", 1), bearer), 400, 401)
		}
		if got := d.raw(line("GET", "http://evil/x", bearer)); !slices.Equal(got, []int{200}) {
			t.Errorf("got %v", got)
		}
		if _, r, _ := d.got(); r.RequestURI != "/x" {
			t.Errorf("the function got %q", r.RequestURI)
		}
	},

	// Headers that say who somebody is.
	"H1 a caller's word for itself": func(t *testing.T) {
		d := start(t, paths())
		for _, c := range []call{{path: "/", headers: []string{bearer}}, {path: "/public/"}} {
			for _, h := range []string{"X-Auth-User", "X-Auth-Subject", "X-Auth-Method", "X-Auth-Scopes", "X-Auth-Groups", "Remote-User", "X-Forwarded-User", "X-Auth-Request-Email"} {
				c := c
				c.headers = append(slices.Clone(c.headers), h+": admin")
				d.isCI(h, d.admitted(h, c), c.path == "/public/")
			}
		}
	},
	"H2 the same with other separators": func(t *testing.T) {
		d := start(t, paths())
		for _, h := range []string{"X_Auth_User", "x_auth-user", "X-Auth_User", "X_AUTH_SUBJECT", "x_auth_subject", "Remote_User", "X_Forwarded_User", "SSL_CLIENT_S_DN"} {
			d.isCI(h, d.admitted(h, call{path: "/", headers: []string{bearer, h + ": admin"}}), false)
			d.isCI(h, d.admitted(h, call{path: "/public/", headers: []string{h + ": admin"}}), true)
		}
	},
	"H3 the same with any sign": func(t *testing.T) {
		d := start(t, paths())
		for _, sign := range []string{".", "~", "!", "#", "$", "%", "&", "'", "*", "+", "^", "`", "|"} {
			h := strings.ReplaceAll("X-Auth-Subject", "-", sign)
			d.isCI(h, d.admitted(h, call{path: "/", headers: []string{bearer, h + ": admin"}}), false)
		}
	},
	"H4 a configured name in small letters": func(t *testing.T) {
		s := oneKey()
		s.env["auth_bearer_header"] = "x-api-key"
		d := start(t, s)
		r := d.admitted("the configured header", call{path: "/", headers: []string{"X-API-KEY: " + ciKey, "x-auth-subject: admin"}})
		d.isCI("small letters", r, false)
		if len(r.Header["X-Api-Key"]) > 0 {
			t.Errorf("the function got the key: %v", r.Header["X-Api-Key"])
		}
	},
	"H5 headers named in Connection": func(t *testing.T) {
		d := start(t, paths())
		for _, c := range []string{"x-auth-subject, x-auth-method, authorization, x-real-ip", "X-Auth-Subject", "X-Call-Id, X-Forwarded-For, X-Auth-Scopes"} {
			if got := d.raw("GET / HTTP/1.1\r\nHost: f\r\nConnection: " + c + ", close\r\n" + bearer + "\r\n\r\n"); !slices.Equal(got, []int{200}) {
				t.Fatalf("got %v", got)
			}
			_, r, _ := d.got()
			d.isCI(c, r, false)
			if r.Header.Get("X-Auth-Scopes") != "deploy" || r.Header.Get("X-Call-Id") == "" || r.Header.Get("X-Forwarded-For") != "127.0.0.1" {
				t.Errorf("Connection: %s took away what is ours: %v", c, r.Header)
			}
		}
	},
	"H6 trailers": func(t *testing.T) {
		d := start(t, paths())
		for _, announced := range []string{"Trailer: X-Auth-Subject\r\n", ""} {
			got := d.raw("POST / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n" + bearer + "\r\n" + announced +
				"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Auth-Subject: admin\r\nX-Auth-User: admin\r\n\r\n")
			_, r, body := d.got()
			if !slices.Equal(got, []int{200}) || body != "body" {
				t.Errorf("got %v and the body %q", got, body)
			}
			for name := range r.Trailer {
				t.Errorf("the function got the trailer %s", name)
			}
			d.isCI("trailer", r, false)
		}
	},
	"H7 client certificates in headers": func(t *testing.T) {
		d := start(t, paths())
		for _, h := range []string{"X-SSL-Client-Verify", "X-SSL-Client-S-Dn", "X-Forwarded-Client-Cert", "Client-Cert", "Client-Cert-Chain", "Ssl-Client-Subject-Dn", "X-Forwarded-Tls-Client-Cert", "X-Amzn-Mtls-Clientcert"} {
			if r := d.admitted(h, call{path: "/", headers: []string{bearer, h + ": SUCCESS"}}); r.Header.Get(h) != "" {
				t.Errorf("the function got %s", h)
			}
		}
	},
	"H8 where a request comes from": func(t *testing.T) {
		d := start(t, oneKey())
		r := d.admitted("claims", call{path: "/", headers: []string{
			bearer, "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "X-Forwarded-Port: 443", "X-Forwarded-Prefix: /x", "X-Forwarded-For: 1.2.3.4",
			"Forwarded: for=1.2.3.4;proto=https", "X_Forwarded_Proto: https", "X-Real-Ip: 1.2.3.4", "True-Client-Ip: 1.2.3.4", "Host: real",
		}})
		for name, want := range map[string]string{
			"X-Forwarded-Proto": "http", "X-Forwarded-Host": "real", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": "", "X-Forwarded-Prefix": "",
			"Forwarded": "", "X_forwarded_proto": "", "X_Forwarded_Proto": "", "X-Real-Ip": "", "True-Client-Ip": "",
		} {
			if got := strings.Join(r.Header[name], ", "); got != want {
				t.Errorf("%s: the function got %q, want %q", name, got, want)
			}
		}
		s := oneKey()
		s.env["trusted_proxy_hops"] = "1"
		d = start(t, s)
		r = d.admitted("behind a proxy", call{path: "/", headers: []string{bearer, "X-Forwarded-For: 6.6.6.6, 1.2.3.4", "X-Forwarded-Proto: https"}})
		if got := r.Header.Get("X-Forwarded-For"); got != "1.2.3.4" {
			t.Errorf("behind a proxy the function got %q, want what the proxy has added", got)
		}
	},
	"H9 headers that make variables": func(t *testing.T) {
		s := oneKey()
		s.env["mode"], s.env["fprocess"] = "streaming", "env"
		d := start(t, s)
		a := d.get("/path?real=1", bearer, "Query: evil", "Path: evil", "Method: evil", "ContentLength: evil", "Content_Length: evil",
			"Proxy: http://evil", "X-Auth-Subject: evil", "X_Auth_Subject: evil")
		for _, want := range []string{"Http_Path=/path\n", "Http_Query=real=1\n", "Http_Method=GET\n", "Http_X_Auth_Subject=ci\n", "Http_X_Auth_Method=bearer\n"} {
			if !strings.Contains(a.body, want) {
				t.Errorf("the process was not told %q:\n%s", want, a.body)
			}
		}
		if strings.Contains(a.body, "=evil") || strings.Contains(a.body, "Http_Proxy") {
			t.Errorf("a caller has made a variable:\n%s", a.body)
		}
		if strings.Contains(a.body, "CANARY") {
			t.Error("the process was told the credential")
		}
		if a := d.get("/path", bearer, "Query: evil"); strings.Contains(a.body, "Http_Query") {
			t.Error("a header makes a query where there is none")
		}
	},
	"H10 a credential twice": func(t *testing.T) {
		s := oneKey()
		s.env["auth"], s.secrets["webhook-secret"] = "bearer,hmac", webhookKey
		d := start(t, s)
		wrong, good := "Authorization: Bearer "+otherKey, bearer
		for _, pair := range [][]string{{good, wrong}, {wrong, good}, {good, good}, {good, "Authorization: "}, {"Authorization: ", good}, {basicAuth("a", "b"), good}} {
			d.refused("Authorization", call{path: "/", headers: pair}, 400)
		}
		for _, pair := range [][]string{{signature(webhookKey, "x"), signature("y", "x")}, {signature("y", "x"), signature(webhookKey, "x")}} {
			d.refused("signature", call{method: "POST", path: "/", body: strings.NewReader("x"), headers: pair}, 400)
		}
		d.refused("a list in one line", call{path: "/", headers: []string{good + ", Bearer " + otherKey}}, 400, 401)
		d.refused("folded", call{path: "/", headers: []string{good + ",\tBearer x"}}, 400, 401)

		s = oneKey()
		s.env["auth_bearer_header"] = "X-Api-Key"
		d = start(t, s)
		for _, pair := range [][]string{{"X-Api-Key: " + ciKey, "X-Api-Key: x"}, {"X-Api-Key: x", "X-Api-Key: " + ciKey}, {"X-Api-Key: " + ciKey, "x-api-key: " + ciKey}} {
			d.refused("X-Api-Key", call{path: "/", headers: pair}, 400)
		}
	},
	"H11 bytes that are no text": func(t *testing.T) {
		s := paths()
		s.env = map[string]string{"log_format": "text"}
		d := start(t, s)
		for name, h := range map[string]string{
			"NUL": bearer + "\x00", "NUL inside": "Authorization: Bearer \x00" + ciKey, "bare CR": bearer + "\rX-Auth-Subject: admin", "bare LF": "Authorization: Bearer x\n y",
			"not UTF-8": "Authorization: Bearer \xff\xfe", "not UTF-8 in a user name": basicAuth("al\xffice", userPass), "line end in a user name": basicAuth("alice\r\nX: y", userPass),
			"NUL in a user name": basicAuth("alice\x00", userPass), "NUL in a password": basicAuth("alice", userPass+"\x00"), "comma": basicAuth("alice,bob", userPass),
		} {
			for _, path := range []string{"/", "/admin/"} {
				d.refusedRaw(name, line("GET", path, h), 400, 401)
			}
		}
		d.raw(line("GET", "/x%0d%0alevel=ERROR%20msg=forged"))
		if strings.Contains(d.log.String(), "\nlevel=ERROR msg=forged") {
			t.Error("a caller has written a line of the log")
		}
	},
	"H12 requests in requests": func(t *testing.T) {
		d := start(t, oneKey())
		inner := line("GET", "/inner", bearer)
		for name, text := range map[string]string{
			"length and chunks":   "POST / HTTP/1.1\r\nHost: f\r\n" + bearer + "\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"two lengths":         "POST / HTTP/1.1\r\nHost: f\r\n" + bearer + "\r\nContent-Length: 0\r\nContent-Length: " + strconv.Itoa(len(inner)) + "\r\n\r\n",
			"a space before :":    "POST / HTTP/1.1\r\nHost: f\r\n" + bearer + "\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
			"chunked twice":       "POST / HTTP/1.1\r\nHost: f\r\n" + bearer + "\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
			"another coding":      "POST / HTTP/1.1\r\nHost: f\r\n" + bearer + "\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
			"LF in an extension":  "POST / HTTP/1.1\r\nHost: f\r\n" + bearer + "\r\nTransfer-Encoding: chunked\r\n\r\n0;x\n\r\n\r\n",
			"a length with a +":   "POST / HTTP/1.1\r\nHost: f\r\n" + bearer + "\r\nContent-Length: +0\r\n\r\n",
			"HTTP/1.0 and chunks": "POST / HTTP/1.0\r\nHost: f\r\n" + bearer + "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"no host":             "POST / HTTP/1.1\r\n" + bearer + "\r\nContent-Length: 0\r\n\r\n",
			"two hosts":           "POST / HTTP/1.1\r\nHost: f\r\nHost: g\r\n" + bearer + "\r\nContent-Length: 0\r\n\r\n",
			"folded header":       "POST / HTTP/1.1\r\nHost: f\r\nX: y\r\n Transfer-Encoding: chunked\r\n" + bearer + "\r\nContent-Length: 0\r\n\r\n",
		} {
			// Several of these are answered before the function has seen them,
			// so each says whose they are.
			mark := "X-Case: " + strings.ReplaceAll(name, ":", "")
			d.raw(strings.Replace(text, bearer, bearer+"\r\n"+mark, 1) + strings.Replace(inner, bearer, "Authorization: Bearer none", 1))
		}
		d.stop()
		perCase := map[string]int{}
		for _, r := range d.requests {
			if r.RequestURI == "/inner" {
				t.Errorf("%s: the function got what was hidden in the body", r.Header.Get("X-Case"))
			}
			if perCase[r.Header.Get("X-Case")]++; perCase[r.Header.Get("X-Case")] > 1 {
				t.Errorf("%s: the function got more than a request", r.Header.Get("X-Case"))
			}
		}
		d = start(t, oneKey())
		d.refusedRaw("two lengths", "POST / HTTP/1.1\r\nHost: f\r\n"+bearer+"\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello", 400)
	},
	"H13 credentials that travel on": func(t *testing.T) {
		function := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "broken", http.StatusInternalServerError)
		})
		for name, tt := range map[string]struct {
			s setup
			h string
		}{
			"bearer": {oneKey(), bearer},
			"header": {setup{env: map[string]string{"auth": "bearer", "auth_bearer_header": "X-Api-Key"}, secrets: oneKey().secrets}, "X-Api-Key: " + ciKey},
			"basic": {setup{
				env:     map[string]string{"auth": "basic"},
				secrets: map[string]string{"basic-auth-user": "alice", "basic-auth-password": userPass},
			}, basicAuth("alice", userPass)},
		} {
			tt.s.function = function
			d := start(t, tt.s)
			if a := d.get("/", tt.h); a.status != 500 {
				t.Errorf("%s: got %d", name, a.status)
			}
			_, r, _ := d.got()
			for h, values := range r.Header {
				if v := strings.Join(values, " "); strings.Contains(v, "CANARY") || strings.Contains(v, "Q0FOQVJZ") || h == "Authorization" {
					t.Errorf("%s: the function got %s", name, h)
				}
			}
			tt.s.env["forward_credentials"] = "true"
			d = start(t, tt.s)
			d.get("/", tt.h)
			_, r, _ = d.got()
			header, value, _ := strings.Cut(tt.h, ": ")
			if r.Header.Get(header) != value {
				t.Errorf("%s with forward_credentials: the function got %v", name, r.Header)
			}
		}
	},

	// Basic, tokens, keys.
	"B1 known and unknown users take the same time": func(t *testing.T) {
		s := paths()
		s.secrets["admin-users"] = "alice:" + argon(userPass, 8192) + "\nbob:" + argon("x", 8192)
		d := start(t, s)
		const samples = 60
		times := map[string][]time.Duration{}
		for i := range samples {
			for _, name := range []string{"alice", "nobody"} {
				begun := time.Now()
				d.refused(name, call{path: "/admin/", headers: []string{basicAuth(name, fmt.Sprint("wrong ", i))}}, 401)
				times[name] = append(times[name], time.Since(begun))
			}
		}
		median := func(name string) float64 {
			slices.Sort(times[name])
			return times[name][samples/2].Seconds()
		}
		// Without a hash for unknown names the ratio is about 20; the exact
		// comparison is BenchmarkWrongPassword, beside the code.
		if ratio := median("alice") / median("nobody"); ratio > 2 || ratio < 0.5 {
			t.Errorf("a known user takes %.2f times as long as an unknown one", ratio)
		}
	},
	"B2 a verdict for somebody else": func(t *testing.T) {
		stored := argon(userPass, 4096)
		s := paths()
		s.secrets["admin-users"] = "alice:" + stored + "\nroot:" + argon("CANARY-root", 4096)
		d := start(t, s)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if a := d.get("/admin/", basicAuth("alice", userPass)); a.status != 200 {
					t.Errorf("alice: got %d", a.status)
				}
			})
			wg.Go(func() {
				for _, h := range []string{basicAuth("root", userPass+stored), basicAuth("root", userPass), basicAuth("alic", "e"+userPass)} {
					if a := d.get("/admin/", h); a.status != 401 {
						t.Errorf("somebody else: got %d", a.status)
					}
				}
			})
		}
		wg.Wait()
	},
	"B3 a verdict of another file": func(t *testing.T) {
		s := setup{
			secrets: map[string]string{"a": "alice:" + argon(userPass, 64), "b": "alice:" + argon("CANARY-another", 64)},
			policy: "methods:\n  one: {type: basic, secret: a}\n  two: {type: basic, secret: b}\n" +
				"rules:\n  - {match: /one, accept: one}\n  - {match: /two, accept: two}\n",
		}
		d := start(t, s)
		for range 3 {
			d.admitted("in its own file", call{path: "/one", headers: []string{basicAuth("alice", userPass)}})
			d.refused("in the other", call{path: "/two", headers: []string{basicAuth("alice", userPass)}}, 401)
		}
	},
	"B4 a letter that moves": func(t *testing.T) {
		s := paths()
		s.secrets["admin-users"] = "ab:" + argon("c1"+userPass, 64)
		d := start(t, s)
		d.admitted("right", call{path: "/admin/", headers: []string{basicAuth("ab", "c1"+userPass)}})
		for _, h := range []string{basicAuth("a", "bc1"+userPass), basicAuth("abc", "1"+userPass), basicAuth("ab", "c"+userPass), basicAuth("abc1", userPass)} {
			d.refused("moved", call{path: "/admin/", headers: []string{h}}, 401)
		}
	},
	"B5 secrets that are not there": func(t *testing.T) {
		for name, breakIt := range map[string]func(path string) error{
			"missing":    os.Remove,
			"empty":      func(p string) error { return os.WriteFile(p, nil, 0o600) },
			"line ends":  func(p string) error { return os.WriteFile(p, []byte("\n\n"), 0o600) },
			"comments":   func(p string) error { return os.WriteFile(p, []byte("# "+ciKey+"\n"), 0o600) },
			"folder":     func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
			"broken":     func(p string) error { return os.WriteFile(p, []byte("a b c d\n"), 0o600) },
			"dead link":  func(p string) error { return errors.Join(os.Remove(p), os.Symlink("nowhere", p)) },
			"named pipe": func(p string) error { return errors.Join(os.Remove(p), exec.Command("mkfifo", p).Run()) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := oneKey()
				folder := writeSecrets(t, s.secrets)
				if err := breakIt(filepath.Join(folder, "api-key")); err != nil {
					t.Fatal(err)
				}
				out, code := run(t, command(t, s, map[string]string{"secret_mount_path": folder, "upstream_url": "unix:///nowhere.sock"}))
				if code != 2 || !strings.Contains(out, `secret "api-key"`) {
					t.Errorf("at the start: got %d and %s", code, out)
				}
				if name != "broken" && name != "comments" && !strings.Contains(out, "faas-cli secret create api-key") {
					t.Errorf("it does not say what to type: %s", out)
				}

				d := start(t, s)
				if err := breakIt(filepath.Join(d.folder, "api-key")); err != nil {
					t.Fatal(err)
				}
				eventually(t, "a failed reload in the metrics", func() bool {
					return strings.Contains(d.scrape(), `auth_secret_reloads_total{result="error"} 1`)
				})
				d.admitted("the last good key", call{path: "/", headers: []string{bearer}})
				d.refused("no key", call{path: "/"}, 401)
				d.refused("the empty key", call{path: "/", headers: []string{"Authorization: Bearer "}}, 401)
			})
		}
	},
	"B6 keys that anyone has": func(t *testing.T) {
		for _, text := range []string{"", "\n", " ", "\r\n", " \n\t\n"} {
			for secret, kind := range map[string]string{"webhook-secret": "hmac", "api-key": "bearer", "basic-auth-password": "basic"} {
				secrets := map[string]string{"webhook-secret": webhookKey, "api-key": ciKey, "basic-auth-user": "alice", "basic-auth-password": userPass}
				secrets[secret] = text
				s := setup{env: map[string]string{"auth": kind, "upstream_url": "unix:///nowhere.sock"}}
				out, code := run(t, command(t, s, map[string]string{"secret_mount_path": writeSecrets(t, secrets)}))
				if code != 2 || !strings.Contains(out, secret) {
					t.Errorf("%s=%q: got %d and %s", secret, text, code, out)
				}
			}
		}
		d := start(t, setup{env: map[string]string{"auth": "hmac"}, secrets: map[string]string{"webhook-secret": webhookKey + "\n\n"}})
		d.refused("not signed", call{method: "POST", path: "/", body: strings.NewReader("x")}, 401)
		for _, key := range []string{"", "\n", " ", webhookKey + "\n"} {
			d.refused(fmt.Sprintf("signed with %q", key), call{method: "POST", path: "/", body: strings.NewReader("x"), headers: []string{signature(key, "x")}}, 401)
		}
	},
	"B7 credentials with nothing in them": func(t *testing.T) {
		d := start(t, setup{
			env:     map[string]string{"auth": "bearer,basic,hmac"},
			secrets: map[string]string{"api-key": ciKey, "basic-auth-user": "alice", "basic-auth-password": userPass, "webhook-secret": webhookKey},
		})
		for _, h := range []string{
			"Authorization: Bearer ", "Authorization: Bearer", "Authorization: Basic Og==", "Authorization: Basic", "Authorization: Basic ", "Authorization: ",
			"Authorization: Bearer null", "Authorization: Bearer undefined", basicAuth("alice", ""), basicAuth("", userPass), "X-Hub-Signature-256: ", "X-Hub-Signature-256: sha256=",
		} {
			d.refused(h, call{path: "/", headers: []string{h}}, 401)
		}
	},
	"B8 one name in many spellings": func(t *testing.T) {
		s := paths()
		s.secrets["admin-users"] = "alice:" + argon(userPass, 64) + "\nbob:" + argon(userPass+"2", 64)
		d := start(t, s)
		spellings := []string{"Alice", "alice ", "ALICE", "\uff21\uff4c\uff49\uff43\uff45", "alice"}
		held := 0
		for i := 0; held == 0 && i < 1000; i++ {
			if d.get("/admin/", basicAuth(spellings[i%len(spellings)], fmt.Sprint("wrong ", i))).status == 429 {
				held = i
			}
		}
		if held == 0 {
			t.Fatal("a thousand failures under one name, and nothing holds them up")
		}
		for _, name := range spellings {
			a := d.get("/admin/", basicAuth(name, "one more"))
			if a.status != 429 || a.header.Get("Retry-After") == "" {
				t.Errorf("%q: got %d and Retry-After %q, want one counter for all spellings", name, a.status, a.header.Get("Retry-After"))
			}
		}
		d.admitted("another user", call{path: "/admin/", headers: []string{basicAuth("bob", userPass+"2")}})
	},
	"B9 a thousand wrong keys from one address": func(t *testing.T) {
		d := start(t, oneKey())
		statuses := map[int]int{}
		var last answer
		for i := range 1000 {
			last = d.get("/", fmt.Sprintf("Authorization: Bearer wrong-%d", i))
			statuses[last.status]++
		}
		if statuses[429] == 0 || last.status != 429 || last.header.Get("Retry-After") == "" || statuses[401]+statuses[429] != 1000 {
			t.Errorf("got %v, and Retry-After %q at last", statuses, last.header.Get("Retry-After"))
		}
		if after, _, _ := d.got(); after != 0 {
			t.Errorf("%d reached the function", after)
		}
		d.admitted("the right key from another address", call{path: "/", headers: []string{bearer}, from: "127.0.0.2"})
		d.refused("a wrong key from another address", call{path: "/", headers: []string{"Authorization: Bearer wrong"}, from: "127.0.0.2"}, 401)
		// Behind the gateway all callers have one address.
		d.admitted("the right key from the same address", call{path: "/", headers: []string{bearer}})
	},
	"B10 an address in a header": func(t *testing.T) {
		d := start(t, oneKey())
		held := false
		for i := range 1000 {
			h := fmt.Sprintf("X-Forwarded-For: 10.0.%d.%d", i/250, i%250)
			held = d.get("/", "Authorization: Bearer wrong", h, strings.Replace(h, "For", "Host", 1), "X-Real-Ip: 10.0.0.1").status == 429
		}
		if !held {
			t.Error("whoever invents addresses is never held up")
		}
		s := oneKey()
		s.env["trusted_proxy_hops"] = "1"
		d = start(t, s)
		for range 1000 {
			held = d.get("/", "Authorization: Bearer wrong", "X-Forwarded-For: 127.0.0.1, 6.6.6.6").status == 429
		}
		if !held {
			t.Error("behind a proxy, one address is never held up")
		}
		d.refused("another address behind the proxy", call{path: "/", headers: []string{"Authorization: Bearer wrong", "X-Forwarded-For: 6.6.6.6, 7.7.7.7"}}, 401)
	},
	"B12 a session from before the sign-in": func(t *testing.T) {
		d := start(t, people())
		planted := d.signIn("/").header["Set-Cookie"][0]
		planted, _, _ = strings.Cut(planted, ";")
		for _, c := range []string{planted, "__Host-Http-aw-fn=v1.x", "__Host-Http-aw-fn="} {
			a := d.signIn("/", "Cookie: "+c)
			fresh, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
			if a.status != http.StatusSeeOther || fresh == c || !strings.HasPrefix(fresh, "__Host-Http-aw-fn=v1.") {
				t.Errorf("%.24s: got %d and Set-Cookie %.24s", c, a.status, fresh)
			}
			d.refused("what there was before", call{path: "/", headers: []string{"Cookie: " + c}}, 401)
			d.admitted("what there is now", call{path: "/", headers: []string{"Cookie: " + fresh}})
		}
		a := d.get("/_/auth/sign-in", "Cookie: __Host-Http-aw-fn=v1.x")
		if got := a.header.Get("Set-Cookie"); a.status != http.StatusOK || got != "__Host-Http-aw-fn=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
			t.Errorf("the page, with a cookie that is good for nothing: got %d and Set-Cookie %q", a.status, got)
		}
	},
	"B13 any token at all": func(t *testing.T) {
		d := start(t, paths())
		for _, h := range []string{"Authorization: Bearer x", "Authorization: bearer x", "Authorization: Token x", "Authorization: x", "Cookie: session=x", "X-Api-Key: " + ciKey, "Proxy-Authorization: Bearer " + ciKey} {
			d.refused(h, call{path: "/", headers: []string{h}}, 401)
			d.refused(h, call{path: "/admin/", headers: []string{h}}, 401)
		}
		d.refused("a key of another method", call{path: "/admin/", headers: []string{bearer}}, 401)
	},
	"B14 a session from before the sign-out": func(t *testing.T) {
		d := start(t, people())
		set := d.signIn("/").header["Set-Cookie"][0]
		cookie, attributes, _ := strings.Cut(set, ";")
		d.admitted("before", call{path: "/", headers: []string{"Cookie: " + cookie}})
		a := d.do(call{method: "POST", path: "/_/auth/sign-out", headers: []string{"Cookie: " + cookie, "Origin: " + publicURL}})
		name, _, _ := strings.Cut(cookie, "=")
		if want := name + "=; Path=/; Max-Age=0;" + strings.TrimPrefix(attributes, " Path=/;"); a.status != http.StatusSeeOther || a.header.Get("Set-Cookie") != want {
			t.Errorf("got %d and Set-Cookie %q, want %q", a.status, a.header.Get("Set-Cookie"), want)
		}
		d.refused("after", call{path: "/", headers: []string{"Cookie: " + cookie}}, 401)
		d.refused("after, as a form", call{method: "POST", path: "/", headers: []string{"Cookie: " + cookie, "Origin: " + publicURL}}, 401)
	},
	"B15 somewhere else after the sign-in": func(t *testing.T) {
		d := start(t, people())
		for _, to := range []string{
			"//evil.example", "/\\evil.example", "/\t/evil.example", "/%09/evil.example", "https:evil.example", "https://evil.example", "/..//evil.example", "/.//evil.example", "\\\\evil.example",
			"/%5cevil.example", "/%2f/evil.example/..//", "//evil.example/%2f..", "javascript:alert(1)", "/\r\nSet-Cookie: a=b", "/\n//evil.example", "///evil.example", "/x/../..//evil.example", "@evil.example", "/_/auth/sign-in",
		} {
			a := d.signIn(to)
			if got := a.header.Get("Location"); a.status != http.StatusSeeOther || strings.Contains(got, "evil") && strings.HasPrefix(strings.TrimPrefix(got, "/"), "/") || strings.HasPrefix(got, "/_/auth/") ||
				!strings.HasPrefix(got, "/") || strings.ContainsAny(got, "\\\t") || len(a.header["Set-Cookie"]) != 3 {
				t.Errorf("%q: got %d to %q with %q", to, a.status, got, a.header["Set-Cookie"])
			}
		}
		if got := d.signIn("/report?q=//x").header.Get("Location"); got != "/report?q=//x" {
			t.Errorf("a page of ours: to %q", got)
		}
		for _, p := range []string{"//evil.example/", "/\\evil.example"} {
			d.refusedRaw(p, line("GET", p, "Accept: text/html"), 302, 400)
		}
	},
	"B16 keys in the query": func(t *testing.T) {
		d := start(t, oneKey())
		for _, q := range []string{"access_token=", "api_key=", "key=", "token=", "auth="} {
			d.refused(q, call{path: "/?" + q + ciKey}, 401)
		}
		s := oneKey()
		s.env["auth_bearer_query"] = "api_key"
		d = start(t, s)
		r := d.admitted("in the query", call{path: "/p?a=1&api_key=" + ciKey + "&b=%20"})
		if r.RequestURI != "/p?a=1&b=%20" {
			t.Errorf("the function got %q", r.RequestURI)
		}
		d.refused("twice", call{path: "/?api_key=" + ciKey + "&api_key=x"}, 400)
		d.refused("in two places", call{path: "/?api_key=" + ciKey, headers: []string{bearer}}, 400)
		d.refused("another name", call{path: "/?API_KEY=" + ciKey}, 401)
	},

	// Resources, before anybody is known.
	"R1 a large body with a bad signature": func(t *testing.T) {
		d := start(t, setup{env: map[string]string{"auth": "hmac", "max_body": "1MiB"}, secrets: map[string]string{"webhook-secret": webhookKey}})
		before := d.memory()
		for _, chunked := range []bool{true, false} {
			if status := d.upload(&endless{left: 100 << 20}, chunked, 100<<20, signature("x", "y")); status != 413 {
				t.Errorf("chunked %v: got %d, want 413", chunked, status)
			}
		}
		if grown := d.memory() - before; grown > 16<<20 {
			t.Errorf("the memory has grown by %d MiB", grown>>20)
		}
		if n, _, _ := d.got(); n != 0 {
			t.Error("it reached the function")
		}
	},
	"R2 a signed body without a length": func(t *testing.T) {
		d := start(t, setup{env: map[string]string{"auth": "hmac", "max_body": "1MiB"}, secrets: map[string]string{"webhook-secret": webhookKey}})
		body := strings.Repeat("0123456789", 10_000)
		if got := d.upload(strings.NewReader(body), true, 0, signature(webhookKey, body)); got != 200 {
			t.Errorf("got %d", got)
		}
		if _, r, got := d.got(); got != body || r.ContentLength != int64(len(body)) {
			t.Errorf("the function got %d bytes and the length %d, want %d", len(got), r.ContentLength, len(body))
		}
		if got := d.upload(strings.NewReader(body), true, 0, signature("x", body)); got != 401 {
			t.Errorf("signed with another key: got %d", got)
		}
		large := strings.Repeat("x", 1<<20+1)
		if got := d.upload(strings.NewReader(large), true, 0, signature(webhookKey, large)); got != 413 {
			t.Errorf("too large and well signed: got %d, want it refused and not passed over", got)
		}
	},
	"R3 a body that does not come": func(t *testing.T) {
		d := start(t, setup{env: map[string]string{"auth": "hmac", "read_timeout": "1s"}, secrets: map[string]string{"webhook-secret": webhookKey}})
		c, err := net.Dial("tcp", d.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 100\r\n%s\r\n\r\nhalf", signature("x", "y"))
		answer, err := io.ReadAll(c) // ends because the watchdog ends it
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
			t.Errorf("got %q and %v, want 408 and the end of the connection", answer, err)
		}
		c, err = net.Dial("tcp", d.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: f\r\nX-Slow: ")
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("a head that does not end: %v, want the end of the connection", err)
		}
	},
	"R4 a flood of passwords": func(t *testing.T) {
		s := paths()
		s.secrets["admin-users"] = "alice:" + argon(userPass, 19456)
		d := start(t, s)
		d.admitted("alice", call{path: "/admin/", headers: []string{basicAuth("alice", userPass)}})
		before := d.memory()
		var mu sync.Mutex
		statuses := map[int]int{}
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				a := d.get("/admin/", basicAuth("alice", fmt.Sprint("wrong ", i)))
				mu.Lock()
				defer mu.Unlock()
				statuses[a.status]++
				if a.status == 429 && a.header.Get("Retry-After") == "" {
					t.Error("429 without Retry-After")
				}
			})
		}
		wg.Wait()
		if statuses[429] == 0 || statuses[401] == 0 || statuses[401]+statuses[429] != 200 {
			t.Errorf("got %v, want some 401 and the others 429", statuses)
		}
		// 64 MiB for hashing, and as much again that the collector has not
		// taken back yet.
		if grown := d.memory() - before; grown > 128<<20 {
			t.Errorf("the memory has grown by %d MiB", grown>>20)
		}
		d.admitted("alice, who was here before", call{path: "/admin/", headers: []string{basicAuth("alice", userPass)}})
	},
	"R5 what bcrypt does not see": func(t *testing.T) {
		long := userPass + strings.Repeat("x", 72-len(userPass))
		stored, err := bcrypt.GenerateFromPassword([]byte(long), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		s := paths()
		s.secrets["admin-users"] = "alice:" + string(stored)
		d := start(t, s)
		d.admitted("72 bytes", call{path: "/admin/", headers: []string{basicAuth("alice", long)}})
		for _, p := range []string{long + "y", long + "\x00", long[:71], long + "\x00" + long} {
			d.refused("another", call{path: "/admin/", headers: []string{basicAuth("alice", p)}}, 401)
		}
	},
	"R6 a WebSocket": func(t *testing.T) {
		s := oneKey()
		s.secrets["api-key"] = "ci " + ciKey + "\nshort " + otherKey + " expires=" + time.Now().Add(3*time.Second).UTC().Format(time.RFC3339)
		s.function = http.HandlerFunc(echoUpgraded)
		d := start(t, s)
		for _, upgrade := range []string{"websocket", "WebSocket", "WEBSOCKET"} {
			d.refusedRaw("no key", line("GET", "/ws", "Connection: Upgrade", "Upgrade: "+upgrade), 401)
			c, status := d.upgrade(upgrade, ciKey)
			if status != http.StatusSwitchingProtocols {
				t.Fatalf("%s: got %d", upgrade, status)
			}
			if got := exchange(t, c, "hello"); got != "hello" {
				t.Errorf("%s: got %q", upgrade, got)
			}
			c.Close()
		}
		// After another upgrade than this one nobody would judge what follows.
		for _, upgrade := range []string{"h2c", "websocket, h2c", "TLS/1.2"} {
			if got := d.raw(line("GET", "/ws", bearer, "Connection: Upgrade, HTTP2-Settings", "Upgrade: "+upgrade, "HTTP2-Settings: AAMAAABkAAQAAP__")); !slices.Equal(got, []int{200}) {
				t.Errorf("%s: got %v, want it to be passed over", upgrade, got)
			}
			if _, r, _ := d.got(); r.Header.Get("Upgrade") != "" || r.Header.Get("HTTP2-Settings") != "" {
				t.Errorf("%s: the function was asked for %v", upgrade, r.Header)
			}
		}
		c, status := d.upgrade("websocket", otherKey)
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("got %d", status)
		}
		defer c.Close()
		if got := exchange(t, c, "hello"); got != "hello" {
			t.Errorf("got %q", got)
		}
		if _, err := io.ReadAll(c); err != nil { // ends when the key does
			t.Errorf("got %v, want the end of the connection", err)
		}
		d.refused("the key afterwards", call{path: "/", headers: []string{"Authorization: Bearer " + otherKey}}, 401)
	},
	"S1 a body that stalls behind the gate": func(t *testing.T) {
		d := start(t, setup{
			env:     map[string]string{"exec_timeout": "1s", "read_timeout": "1s", "max_inflight": "1"},
			secrets: map[string]string{"api-key": "ci " + ciKey},
			policy:  "methods:\n  ci: {type: bearer}\nrules:\n  - {match: /public/, public: true}\n  - {match: /, accept: [ci]}\n",
		})
		for name, head := range map[string]string{"with a length": "Content-Length: 100", "chunked": "Transfer-Encoding: chunked"} {
			c, err := net.Dial("tcp", d.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "POST /public/ HTTP/1.1\r\nHost: f\r\n%s\r\n\r\n", head)
			answer, err := io.ReadAll(c) // ends because the watchdog ends it
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 504 ") {
				t.Errorf("%s: got %q and %v, want 504 and the end of the connection", name, answer, err)
			}
			d.admitted(name+": the next", call{path: "/", headers: []string{bearer}})
		}
	},
	"S2 a body that stalls behind a key that expires": func(t *testing.T) {
		s := oneKey()
		s.secrets["api-key"] = "ci " + ciKey + " expires=" + time.Now().Add(3*time.Second).UTC().Format(time.RFC3339)
		d := start(t, s)
		c, err := net.Dial("tcp", d.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: f\r\n%s\r\nContent-Length: 100\r\n\r\nhalf", bearer)
		if answer, err := io.ReadAll(c); err != nil && !errors.Is(err, syscall.ECONNRESET) || strings.Contains(string(answer), "200 OK") {
			t.Errorf("got %q and %v, want the end of the connection", answer, err)
		}
	},
	"S3 a probe with a body that stalls": func(t *testing.T) {
		s := oneKey()
		s.env["read_timeout"] = "1s"
		d := start(t, s)
		for _, path := range []string{"/_/health", "/_/ready"} {
			for _, head := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
				c, err := net.Dial("tcp", d.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: f\r\n%s\r\n\r\n", path, head)
				if _, err := io.ReadAll(c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%s, %s: %v, want the end of the connection", path, head, err)
				}
			}
		}
	},
	"S4 a signed header that is taken away": func(t *testing.T) {
		d := start(t, setup{
			secrets: map[string]string{"webhook-secret": webhookKey},
			policy: `
methods:
  shop: {type: hmac, alg: hmac-sha256, sig: {header: X-Sig}, signed: "{header:X-Topic}.{body}", require: {X-Version: "2"}}
rules:
  - {match: /, accept: [shop]}
`,
		})
		mac := hmac.New(sha256.New, []byte(webhookKey))
		mac.Write([]byte("order/paid.x"))
		r := d.admitted("signed", call{method: "POST", path: "/", body: strings.NewReader("x"), headers: []string{
			"X-Sig: " + hex.EncodeToString(mac.Sum(nil)), "X-Topic: order/paid", "X-Version: 2",
			"X_Topic: app/uninstalled", "X.Version: 1", "Connection: x-topic, X-Other , X-VERSION", "X-Other: 1",
		}})
		for name, want := range map[string]string{"X-Topic": "order/paid", "X-Version": "2", "X_topic": "", "X_Topic": "", "X.version": "", "X.Version": "", "X-Other": ""} {
			if got := strings.Join(r.Header[name], ","); got != want {
				t.Errorf("the function got %s %q, want %q", name, got, want)
			}
		}
	},
	"S5 a long list of proxies": func(t *testing.T) {
		s := oneKey()
		s.env["trusted_proxy_hops"] = "2"
		d := start(t, s)
		before := d.memory()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { d.get("/", "X-Forwarded-For: "+strings.Repeat(",", 1000_000)) })
		}
		wg.Wait()
		if grown := d.memory() - before; grown > 200<<20 {
			t.Errorf("the memory has grown by %d MiB", grown>>20)
		}
	},
	"S6 bodies that are announced and do not come": func(t *testing.T) {
		d := start(t, setup{
			env:     map[string]string{"auth": "hmac", "max_body": "512KiB", "max_buffered": "1MiB", "read_timeout": "20s"},
			secrets: map[string]string{"webhook-secret": webhookKey},
		})
		for range 100 {
			c, err := net.Dial("tcp", d.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\n%s\r\n\r\n", signature("x", "y"))
		}
		d.admitted("a webhook", call{method: "POST", path: "/", body: strings.NewReader("x"), headers: []string{signature(webhookKey, "x")}})
	},
	"R7 streams that are reset at once": func(t *testing.T) {
		s := oneKey()
		s.https = true
		s.env["max_inflight"] = "5"
		s.function = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				<-r.Context().Done()
			}
		})
		d := start(t, s)
		const callers, streams = 5, 120 // together more guesses than an address has
		rush := func(path, key string) {
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					c := dialHTTP2(t, d.addr)
					var text []byte
					for i := range uint32(streams) {
						text = append(text, encodeHeaders(2*i+1, true, headOf(d.addr, "GET", path, key)...)...)
						text = append(text, encodeFrame(frameRSTStream, 0, 2*i+1, []byte{0, 0, 0, codeCancel})...)
					}
					c.write(text)
				})
			}
			wg.Wait()
		}
		decided := func(labels string) float64 { return d.sum("auth_decisions_total{" + labels) }

		rush("/", otherKey)
		eventually(t, "all guesses to be counted", func() bool { return decided(`method="bearer",`) == callers*streams })
		d.refused("a guess after them", call{path: "/", headers: []string{"Authorization: Bearer " + otherKey}}, 429)

		rush("/wait", ciKey)
		eventually(t, "all decisions", func() bool { return decided(`method="bearer",reason="admitted"`) == callers*streams })
		eventually(t, "an end of all", func() bool { return strings.Contains(d.scrape(), "\nhttp_requests_in_flight 0\n") })
		if requests, decisions := d.sum("http_requests_total{"), decided(""); requests != decisions {
			t.Errorf("%v requests and %v decisions were counted", requests, decisions)
		}
		var wg sync.WaitGroup
		for range 5 { // as many as there are slots
			wg.Go(func() {
				if got := d.get("/", bearer).status; got != 200 {
					t.Errorf("a request after them: got %d", got)
				}
			})
		}
		wg.Wait()
		if got := d.get("/_/ready").status; got != 200 {
			t.Errorf("afterwards it is not ready: %d", got)
		}
	},
	"R7 HTTP/2 in the clear": func(t *testing.T) {
		d := start(t, oneKey())
		if got := d.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); len(got) > 0 && got[0] < 400 {
			t.Errorf("got %v, want HTTP/2 not to be spoken in the clear", got)
		}
		if got := d.raw("GET / HTTP/1.1\r\nHost: f\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"); !slices.Equal(got, []int{401}) {
			t.Errorf("an upgrade to it: got %v", got)
		}
	},
}

// later are those that need what is not built yet.
var later = map[string]string{
	"B11": "sign-in with a provider",
}

func TestAttacks(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(keys(attacks)) {
		id, _, _ := strings.Cut(name, " ")
		seen[id] = true
		t.Run(name, attacks[name])
	}
	for group, n := range map[string]int{"P": 14, "H": 13, "B": 16, "R": 7} {
		for i := range n {
			id := group + strconv.Itoa(i+1)
			if seen[id] == (later[id] != "") {
				t.Errorf("%s: wants a test, or a reason to come later", id)
			}
		}
	}
}

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// isCI fails unless the function was told that ci is calling, or nothing at
// all on a public rule, in any spelling.
func (d *dog) isCI(what string, r *http.Request, public bool) {
	d.t.Helper()
	fold := regexp.MustCompile(`[^a-z0-9]`)
	found := map[string][]string{}
	for name, values := range r.Header {
		n := fold.ReplaceAllString(strings.ToLower(name), "-")
		if strings.HasPrefix(n, "x-auth-") || strings.Contains(n, "user") && n != "user-agent" || strings.Contains(n, "ssl") {
			found[n] = append(found[n], values...)
		}
	}
	subject := found["x-auth-subject"]
	delete(found, "x-auth-subject")
	delete(found, "x-auth-method")
	delete(found, "x-auth-scopes")
	if len(found) > 0 {
		d.t.Errorf("%s: the function was told %v", what, found)
	}
	if public && len(subject) > 0 || !public && !slices.Equal(subject, []string{"ci"}) {
		d.t.Errorf("%s: the function was told that %q is calling", what, subject)
	}
}

// sum adds the values of all series that begin with a text.
func (d *dog) sum(series string) float64 {
	total := 0.0
	for line := range strings.Lines(d.scrape()) {
		if rest, ok := strings.CutPrefix(line, series); ok {
			_, value, _ := strings.Cut(rest, "} ")
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				d.t.Errorf("%s: %v", line, err)
			}
			total += n
		}
	}
	return total
}

// run runs a program to its end.
func run(t *testing.T, cmd *exec.Cmd) (output string, code int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err == nil {
		return string(out), 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatal(err)
	}
	return string(out), exit.ExitCode()
}

// memory is the most that the process has had in memory, in bytes.
func (d *dog) memory() int64 {
	d.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.t.Skip("no /proc on this system")
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		d.t.Fatal(err)
	}
	return n << 10
}

type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	return int(n), nil
}

// upload posts a body as far as it is taken, and returns the status. The
// answer may come, and the connection end, before the body is sent.
func (d *dog) upload(body io.Reader, chunked bool, length int64, header string) int {
	d.t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	go func() {
		framing := fmt.Sprintf("Content-Length: %d", length)
		if chunked {
			framing = "Transfer-Encoding: chunked"
		}
		_, _ = io.WriteString(c, line("POST", "/", framing, header))
		if !chunked {
			_, _ = io.Copy(c, body)
			return
		}
		w := httputil.NewChunkedWriter(c)
		_, _ = io.Copy(w, body)
		_ = w.Close()
		_, _ = io.WriteString(c, "\r\n")
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// echoUpgraded takes over the connection and sends back what comes.
func echoUpgraded(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	_ = rw.Flush()
	_, _ = io.Copy(c, rw)
}

// upgrade asks for another protocol.
func (d *dog) upgrade(protocol, key string) (net.Conn, int) {
	d.t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: f\r\nConnection: keep-alive, Upgrade\r\nUpgrade: %s\r\nAuthorization: Bearer %s\r\n\r\n", protocol, key)
	var head strings.Builder
	b := make([]byte, 1)
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		if _, err := c.Read(b); err != nil {
			d.t.Fatalf("%v after %q\n%s", err, head.String(), d.log)
		}
		head.Write(b)
	}
	status, _ := strconv.Atoi(strings.Fields(head.String())[1])
	return c, status
}

func exchange(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}
