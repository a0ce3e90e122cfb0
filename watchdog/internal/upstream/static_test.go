package upstream

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStatic(t *testing.T) {
	outside := t.TempDir()
	root := t.TempDir()
	write := func(name, text string) error {
		path := filepath.Join(root, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600))
	}
	if err := errors.Join(
		write("index.html", "<p>home"), write("a.txt", "hello"), write("page/index.html", "<p>page"), write("files/b.txt", "b"),
		write(".env", "CANARY"), write(".git/config", "CANARY"), write("files/.hidden", "CANARY"), write("..data/c.txt", "c"),
		os.WriteFile(filepath.Join(outside, "secret"), []byte("CANARY"), 0o600),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(root, "out")), os.Symlink(outside, filepath.Join(root, "outside")),
		os.Symlink("../"+filepath.Base(outside), filepath.Join(root, "up")),
		os.Symlink("..data/c.txt", filepath.Join(root, "mounted.txt")), syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path, header string
		status               int
		body                 string
		listing              string // what it has with static_listing, if that differs
	}{
		{"GET", "/", "", 200, "<p>home", ""},
		{"GET", "/a.txt", "", 200, "hello", ""},
		{"HEAD", "/a.txt", "", 200, "", ""},
		{"GET", "/a.txt", "Range: bytes=1-3", 206, "ell", ""},
		{"GET", "/a.txt", "If-Modified-Since: Mon, 01 Jan 2120 00:00:00 GMT", 304, "", ""},
		{"GET", "/page/", "", 200, "<p>page", ""},
		{"GET", "/page", "", 301, "", ""},
		{"GET", "/index.html", "", 301, "", ""},
		{"GET", "/files/b.txt", "", 200, "b", ""},
		{"GET", "/files/", "", 404, "404 page not found\n", "b.txt"},
		{"GET", "/files", "", 404, "404 page not found\n", "b.txt"},
		{"GET", "/none", "", 404, "404 page not found\n", ""},
		{"GET", "/.env", "", 404, "404 page not found\n", ""},
		{"GET", "/.git/config", "", 404, "404 page not found\n", ""},
		{"GET", "/.git/", "", 404, "404 page not found\n", ""},
		{"GET", "/files/.hidden", "", 404, "404 page not found\n", ""},
		{"GET", "/..data/c.txt", "", 404, "404 page not found\n", ""},
		{"GET", "/%2eenv", "", 404, "404 page not found\n", ""},
		{"GET", "/mounted.txt", "", 200, "c", ""},
		{"GET", "/out", "", 404, "404 page not found\n", ""},
		{"GET", "/outside/secret", "", 404, "404 page not found\n", ""},
		{"GET", "/up/secret", "", 404, "404 page not found\n", ""},
		{"GET", "/pipe", "", 404, "404 page not found\n", ""},
		{"GET", "/a.txt/", "", 301, "", ""},
		{"POST", "/a.txt", "", 405, "Method Not Allowed\n", ""},
		{"DELETE", "/a.txt", "", 405, "Method Not Allowed\n", ""},
	} {
		for _, listing := range []bool{false, true} {
			s, err := NewStatic(root, listing)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(tt.method, tt.path, nil)
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if strings.Contains(w.Body.String(), "CANARY") || strings.Contains(w.Body.String(), "hidden") {
				t.Errorf("%s %s: got %q", tt.method, tt.path, w.Body)
			}
			if listing && tt.listing != "" {
				if tt.path[len(tt.path)-1] == '/' && (w.Code != 200 || !strings.Contains(w.Body.String(), tt.listing)) {
					t.Errorf("%s %s with listing: got %d and %q", tt.method, tt.path, w.Code, w.Body)
				}
				continue
			}
			if w.Code != tt.status || w.Body.String() != tt.body && w.Code != 301 {
				t.Errorf("%s %s %s: got %d and %q, want %d and %q", tt.method, tt.path, tt.header, w.Code, w.Body, tt.status, tt.body)
			}
			if w.Code == 301 && strings.HasPrefix(w.Header().Get("Location"), "/") {
				t.Errorf("%s: redirected to %s, which is not below the gateway's path", tt.path, w.Header().Get("Location"))
			}
			if w.Code == 200 && w.Header().Get("Last-Modified") == "" {
				t.Errorf("%s: no Last-Modified", tt.path)
			}
			ctx, cancel := context.WithCancel(t.Context())
			if err := s.Ready(ctx); err != nil {
				t.Errorf("Ready: %v", err)
			}
			cancel()
			if err := s.Run(ctx); err != nil || s.Ready(ctx) == nil {
				t.Errorf("Run: got %v, or ready after it", err)
			}
		}
	}
	if f, err := (staticFiles{mustRoot(t, root), false}).Open("page"); err != nil {
		t.Error(err)
	} else if list, err := f.(visible).ReadDir(-1); err == nil || len(list) > 0 { //nolint:forcetypeassert // it is a folder
		t.Errorf("a folder that is not to be listed: got %v", list)
	}
	if _, err := NewStatic(filepath.Join(root, "none"), false); err == nil || !strings.Contains(err.Error(), "static_path") {
		t.Errorf("no folder: got %v", err)
	}
}

func mustRoot(t *testing.T, folder string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

// TestWebTypes: what is known here is what package mime would say.
func TestWebTypes(t *testing.T) {
	for ext, got := range webTypes {
		if want := mime.TypeByExtension(ext); got != want {
			t.Errorf("%s: got %s, want %s", ext, got, want)
		}
	}
}

// TestStaticTypes wants types for files, and for nothing else.
func TestStaticTypes(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"index.html", "style.css", "logo.PNG", "data", "x.gif/index.html"} {
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("text"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := NewStatic(root, false)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8", "/logo.PNG": "image/png", "/data": "text/plain; charset=utf-8",
		"/x.gif/": "text/html; charset=utf-8", "/none.css": "text/plain; charset=utf-8", "/none/": "text/plain; charset=utf-8",
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Header().Get("Content-Type"); got != want {
			t.Errorf("%s: got %d %q, want %q", path, w.Code, got, want)
		}
	}
}
