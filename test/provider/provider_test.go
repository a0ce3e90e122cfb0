package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openfaas/faas-provider/auth"
)

// A served is a provider on a fake engine, with a caller.
type served struct {
	*provider
	engine *fakeEngine
	url    string
	t      *testing.T
}

func serve(t *testing.T) served {
	t.Helper()
	return serveOn(t, newFakeEngine(t), t.TempDir())
}

func serveOn(t *testing.T, e *fakeEngine, state string) served {
	t.Helper()
	secrets, err := newSecretStore(filepath.Join(state, "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{
		engine:       newEngine(e.socket),
		secrets:      secrets,
		log:          slog.New(slog.DiscardHandler),
		prober:       &http.Transport{DisableKeepAlives: true},
		listensAt:    e.listensAt,
		timeout:      time.Minute,
		readyTimeout: time.Minute,
		grace:        40 * time.Second,
	}
	server := httptest.NewServer(p.routes(&auth.BasicAuthCredentials{User: "admin", Password: "pass"}))
	t.Cleanup(server.Close)
	t.Cleanup(p.retiring.Wait)
	return served{p, e, server.URL, t}
}

// call sends a request as the administrator.
func (s served) call(method, path, body string) (status int, answer string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("admin", "pass")
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, strings.TrimSpace(string(text))
}

// want calls, and compares with "STATUS ANSWER".
func (s served) want(method, path, body string, status int, answer string) {
	s.t.Helper()
	gotStatus, got := s.call(method, path, body)
	if gotStatus != status || got != answer {
		s.t.Errorf("%s %s %s:\ngot  %d %s\nwant %d %s", method, path, body, gotStatus, got, status, answer)
	}
}

func (s served) wantChanges(want ...string) {
	s.t.Helper()
	s.retiring.Wait()
	if diff := cmp.Diff(want, s.engine.changes()); diff != "" {
		s.t.Errorf("what was asked of the engine (-want +got):\n%s", diff)
	}
}

func TestSystemNeedsCredentials(t *testing.T) {
	s := serve(t)
	for _, route := range []string{
		"GET /system/functions", "POST /system/functions", "PUT /system/functions", "DELETE /system/functions",
		"GET /system/function/x", "POST /system/scale-function/x", "GET /system/logs?name=x", "GET /system/namespaces",
		"GET /system/info", "GET /system/secrets", "POST /system/secrets", "PUT /system/secrets", "DELETE /system/secrets",
	} {
		method, path, _ := strings.Cut(route, " ")
		for _, user := range []string{"", "admin:wrong", "other:pass"} {
			r := httptest.NewRequest(method, path, nil)
			if name, password, ok := strings.Cut(user, ":"); ok {
				r.SetBasicAuth(name, password)
			}
			w := httptest.NewRecorder()
			s.routes(&auth.BasicAuthCredentials{User: "admin", Password: "pass"}).ServeHTTP(w, r)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s as %q: got %d, want 401", route, user, w.Code)
			}
		}
	}
}

func TestReadCredentials(t *testing.T) {
	for name, c := range map[string]struct{ user, password, want string }{
		"both":        {"admin\n", "pass\n", ""},
		"no user":     {"", "pass", "must not be empty"},
		"no password": {"admin", " \n", "must not be empty"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			os.WriteFile(filepath.Join(folder, "basic-auth-user"), []byte(c.user), 0o600)
			os.WriteFile(filepath.Join(folder, "basic-auth-password"), []byte(c.password), 0o600)
			got, err := readCredentials(folder)
			if c.want == "" {
				if err != nil || got.User != "admin" || got.Password != "pass" {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := readCredentials(t.TempDir()); err == nil || !strings.Contains(err.Error(), "basic-auth-user") {
		t.Errorf("an empty folder: got error %v, want the file's name", err)
	}
}

func TestSmallAnswers(t *testing.T) {
	s := serve(t)
	s.want("GET", "/healthz", "", 200, "")
	s.want("GET", "/system/namespaces", "", 200, `["openfaas-fn"]`)
	s.want("GET", "/system/functions", "", 200, `[]`)
	s.want("GET", "/system/functions?namespace=other", "", 400, `namespace "other": there is openfaas-fn only`)
	s.want("GET", "/system/function/none", "", 404, `there is no function "none"`)
	s.want("DELETE", "/system/functions", `{"functionName":"none"}`, 404, `there is no function "none"`)
	s.want("POST", "/system/scale-function/none", `{"replicas":1}`, 404, `there is no function "none"`)
	s.want("POST", "/system/functions", `{`, 400, "the body is no function in JSON: unexpected EOF")
	if status, info := s.call("GET", "/system/info", ""); status != 200 || !strings.Contains(info, `"provider":"test-provider"`) {
		t.Errorf("info: got %d %s", status, info)
	}
}

func TestHealthTellsThatTheEngineIsGone(t *testing.T) {
	s := serve(t)
	s.provider.engine = newEngine(filepath.Join(t.TempDir(), "none.sock"))
	if status, answer := s.call("GET", "/healthz", ""); status != 500 || !strings.Contains(answer, "none.sock") {
		t.Errorf("got %d %s, want 500 with the socket", status, answer)
	}
}
