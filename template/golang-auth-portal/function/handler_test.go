package function

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// ask asks as the watchdog does for somebody with these scopes. A form is sent
// with POST.
func ask(h http.Handler, path, scopes string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if form != nil {
		r = httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("X-Auth-Subject", "<alice>")
	r.Header.Set("X-Auth-Scopes", scopes)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	for name, tt := range map[string]struct {
		publicURL, path, scopes string
		status                  int
		has, hasNot             string
	}{
		"greeting":             {"", "/", "", 200, "<h1>Hello &lt;alice&gt;</h1>", "<alice>"},
		"no link to the admin": {"", "/", "administrator,reader", 200, "", `href="/admin/"`},
		"a link to the admin":  {"", "/", "reader,admin", 200, `<a href="/admin/">`, ""},
		"admin":                {"", "/admin/", "admin", 200, `<a href="/admin/" aria-current="page">`, ""},
		"no such page":         {"", "/other", "", 404, "There is no such page", ""},
		"sign-out":             {"https://tools.example.com", "/", "", 200, `action="/_/auth/sign-out"`, ""},
		"sign-out below":       {"https://gw.example.com/function/tools/", "/", "", 200, `action="/function/tools/_/auth/sign-out"`, ""},
		"a style below":        {"https://gw.example.com/function/tools", "/", "", 200, `href="/function/tools/style.css"`, `"/style.css"`},
		"style":                {"", "/style.css", "", 200, "prefers-color-scheme: dark", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(newTool(tt.publicURL), tt.path, tt.scopes, nil)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.has) {
				t.Errorf("got %d, want %d and %s in\n%s", w.Code, tt.status, tt.has, w.Body)
			}
			if tt.hasNot != "" && strings.Contains(w.Body.String(), tt.hasNot) {
				t.Errorf("%s is in\n%s", tt.hasNot, w.Body)
			}
			if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none';") {
				t.Errorf("the content security policy is %q", policy)
			}
		})
	}
}

func TestHandle(t *testing.T) {
	if w := ask(http.HandlerFunc(Handle), "/", "", nil); w.Code != http.StatusOK {
		t.Errorf("got %d, want 200", w.Code)
	}
}

func TestNotes(t *testing.T) {
	tool := newTool("https://gw.example.com/function/tools")
	w := ask(tool, "/", "", url.Values{"text": {" <b>\r\nhello "}})
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/function/tools/" {
		t.Errorf("put up: got %d to %q", w.Code, to)
	}
	const note = `<p class="text" id="note-1">&lt;b&gt;` + "\n" + `hello</p>`
	for _, path := range []string{"/", "/admin/"} {
		if page := ask(tool, path, "admin", nil).Body.String(); !strings.Contains(page, note) {
			t.Errorf("%s: want %s in\n%s", path, note, page)
		}
	}

	w = ask(tool, "/admin/", "admin", url.Values{"id": {"1"}})
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/function/tools/admin/" {
		t.Errorf("taken down: got %d to %q", w.Code, to)
	}
	if page := ask(tool, "/", "", nil).Body.String(); !strings.Contains(page, "None yet") {
		t.Errorf("want no notes in\n%s", page)
	}
	if w := ask(tool, "/admin/", "admin", url.Values{"id": {"all"}}); w.Code != http.StatusBadRequest {
		t.Errorf("what is no note: got %d, want 400", w.Code)
	}
}

func TestNotesThatAreRefused(t *testing.T) {
	tool := newTool("")
	for name, tt := range map[string]struct {
		text   string
		status int
		want   string
	}{
		"empty":    {" \r\n ", 422, "Write something first."},
		"too long": {strings.Repeat("ü", maxLength+1), 422, "This note has 281 characters, and at most 280 fit."},
		"enormous": {strings.Repeat("x", maxForm), 400, "the form could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(tool, "/", "", url.Values{"text": {tt.text}})
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %d, want %d and %q in\n%s", w.Code, tt.status, tt.want, w.Body)
			}
			if tt.status == 422 && !strings.Contains(w.Body.String(), tt.text+"</textarea>") {
				t.Errorf("its author has to type it again:\n%s", w.Body)
			}
		})
	}
}

// TestManyNotes: many people at once are no harm, and the oldest notes go.
func TestManyNotes(t *testing.T) {
	tool := newTool("")
	var people sync.WaitGroup
	for range 2 * maxNotes {
		people.Go(func() {
			ask(tool, "/", "", url.Values{"text": {"hello"}})
			ask(tool, "/admin/", "admin", nil)
		})
	}
	people.Wait()
	page := ask(tool, "/", "", nil).Body.String()
	if n := strings.Count(page, "<li "); n != maxNotes {
		t.Errorf("there are %d notes, want %d", n, maxNotes)
	}
	if !strings.Contains(page, `id="note-100"`) || strings.Contains(page, `id="note-50"`) {
		t.Errorf("want the latest notes in\n%s", page)
	}
}

func TestStyleIsKept(t *testing.T) {
	tool := newTool("")
	r := httptest.NewRequest(http.MethodGet, "/style.css", nil)
	r.Header.Set("If-None-Match", ask(tool, "/style.css", "", nil).Header().Get("ETag"))
	w := httptest.NewRecorder()
	tool.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified {
		t.Errorf("got %d, want 304", w.Code)
	}
}
