package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auth-watchdog/watchdog"
	"auth-watchdog/watchdog/auth"
)

// tells is what the functions of the matrix answer: who was said to call, the
// credential if they have seen one, and the body.
const tells = "subject=%s method=%s credential=%s\n"

// script is tells for a process.
const script = `printf 'subject=%s method=%s credential=%s\n' "$Http_X_Auth_Subject" "$Http_X_Auth_Method" "$Http_Authorization"
exec cat`

// matrixURL is where people sign in.
const matrixURL = "https://tools.example.com"

// signedIn makes the secrets of sign-in with one user, and the header of somebody
// who has signed in as that at matrixURL.
func signedIn(t *testing.T, name string) (secrets map[string]string, header string) {
	t.Helper()
	s := watchdog.Settings{"auth": "login", "auth_login_group": "people", "public_url": matrixURL, "mode": "static"}
	people, err := watchdog.NewTryOut(s)
	if err != nil {
		t.Fatal(err)
	}
	secrets = map[string]string{}
	for _, secret := range people.Secrets() {
		if secrets[secret], _, err = people.NewSecret(secret, name, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	s["secret_mount_path"] = writeSecrets(t, secrets)
	if people, err = watchdog.NewTryOut(s); err != nil {
		t.Fatal(err)
	}
	examples, err := people.Examples(matrixURL, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return secrets, "Cookie: " + examples[0].Request.Header.Get("Cookie")
}

// http2Suffix marks the modes that callers reach over HTTP/2.
const http2Suffix = " over HTTP/2"

// TestMatrix has every method in front of every mode.
func TestMatrix(t *testing.T) {
	program, public := writeProgram(t, script), t.TempDir()
	if err := os.WriteFile(filepath.Join(public, "index.html"), []byte("page"), 0o600); err != nil {
		t.Fatal(err)
	}
	people, presents := signedIn(t, "alice")
	methods := []struct {
		name       string
		env        map[string]string
		secrets    map[string]string
		subject    string
		credential func(body string) string // a header
	}{
		{"bearer", nil, map[string]string{"api-key": "ci " + ciKey}, "ci", func(string) string { return bearer }},
		{"basic", nil, map[string]string{"basic-auth-user": "alice", "basic-auth-password": userPass}, "alice", func(string) string { return basicAuth("alice", userPass) }},
		{"hmac", nil, map[string]string{"webhook-secret": webhookKey}, "hmac", func(body string) string { return signature(webhookKey, body) }},
		{"login", map[string]string{"public_url": matrixURL, "auth_login_group": "people"}, people, "alice", func(string) string { return presents }},
	}
	modes := map[string]map[string]string{
		"http": nil, "inproc": nil,
		"streaming":   {"mode": "streaming", "fprocess": program},
		"serializing": {"mode": "serializing", "fprocess": program},
		"classic":     {"mode": "", "classic": "true", "fprocess": program},
		"static":      {"mode": "static", "static_path": public},
	}
	for _, mode := range []string{"http", "streaming", "serializing", "classic", "static"} {
		modes[mode+http2Suffix] = modes[mode]
	}
	for _, m := range methods {
		for name, env := range modes {
			t.Run(m.name+" "+name, func(t *testing.T) {
				mode, https := strings.CutSuffix(name, http2Suffix)
				function := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					subject, method := r.Header.Get(auth.SubjectHeader), r.Header.Get(auth.MethodHeader)
					if id, ok := auth.FromContext(r.Context()); mode == "inproc" && ok {
						subject, method = id.Subject, id.Method
					}
					fmt.Fprintf(w, tells, subject, method, r.Header.Get("Authorization"))
					_, _ = io.Copy(w, r.Body)
				})
				s := setup{env: map[string]string{"auth": m.name}, secrets: m.secrets, function: function, https: https}
				maps.Copy(s.env, m.env)
				maps.Copy(s.env, env)
				url := ""
				if mode == "inproc" {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					settings := watchdog.Settings{"auth": m.name, "secret_mount_path": writeSecrets(t, m.secrets)}
					maps.Copy(settings, m.env)
					h, err := watchdog.Wrap(ctx, function, settings)
					if err != nil {
						t.Fatal(err)
					}
					server := httptest.NewServer(h)
					defer server.Close()
					url = server.URL
				} else {
					url = map[bool]string{false: "http://", true: "https://"}[https] + start(t, s).addr
				}
				for _, b := range []struct {
					name    string
					size    int
					chunked bool
					trailer bool
				}{{"empty", 0, false, false}, {"a byte", 1, false, false}, {"a MiB", 1 << 20, false, false}, {"chunked", 1 << 20, true, false}, {"with trailers", 1000, true, true}} {
					body := strings.Repeat("0123456789abcdef\x00\xff", b.size/18+1)[:b.size]
					send := func(body string, headers ...string) (int, string) {
						var reader io.Reader = strings.NewReader(body)
						if b.chunked {
							reader = struct{ io.Reader }{reader}
						}
						verb := http.MethodPost
						if mode == "static" {
							verb, reader = http.MethodGet, nil
							if m.name == "hmac" {
								reader = strings.NewReader(body)
							}
						}
						r, err := http.NewRequest(verb, url+"/", reader)
						if err != nil {
							t.Fatal(err)
						}
						if b.trailer && reader != nil {
							r.Trailer = http.Header{"X-Auth-Subject": {"evil"}, "X-Other": {"1"}}
							r.ContentLength = -1
						}
						for _, h := range headers {
							name, value, _ := strings.Cut(h, ": ")
							r.Header.Add(name, value)
						}
						if m.name == "login" {
							r.Header.Set("Origin", matrixURL) // as a page of its own sends it
						}
						trusting := &tls.Config{InsecureSkipVerify: true}
						res, err := (&http.Transport{DisableKeepAlives: true, TLSClientConfig: trusting, ForceAttemptHTTP2: true}).RoundTrip(r)
						if err != nil {
							t.Fatalf("%s: %v", b.name, err)
						}
						defer res.Body.Close()
						if (res.ProtoMajor == 2) != https {
							t.Fatalf("%s: got %s", b.name, res.Proto)
						}
						var got bytes.Buffer
						if _, err := io.Copy(&got, res.Body); err != nil {
							t.Errorf("%s: %v", b.name, err)
						}
						return res.StatusCode, got.String()
					}
					want := fmt.Sprintf(tells, m.subject, m.name, "") + body
					if mode == "static" {
						want = "page"
					}
					if status, got := send(body, m.credential(body), "X-Auth-Subject: evil", "X_Auth_Method: evil"); status != 200 || got != want {
						t.Errorf("%s: got %d and %d bytes that begin with %.80q, want 200 and %d that begin with %.80q", b.name, status, len(got), got, len(want), want)
					}
					// Whoever is refused may be cut off before all of it was sent.
					body = body[:min(len(body), 1000)]
					if status, got := send(body); status != 401 || got != "Unauthorized\n" {
						t.Errorf("%s without a credential: got %d and %.80q", b.name, status, got)
					}
					if status, got := send(body, strings.NewReplacer(ciKey, otherKey, basicAuth("alice", userPass), basicAuth("alice", "x"), "=v1.", "=v1.x").Replace(m.credential(body+"x"))); status != 401 || got != "Unauthorized\n" {
						t.Errorf("%s with a wrong one: got %d and %.80q", b.name, status, got)
					}
				}
			})
		}
	}
}
