package page

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the pages to testdata/*.golden")

const gif = "GIF89a\x01\x00\x01\x00\x00\x00\x00;"

func newPages(tb testing.TB, l Look, prefix string) *Pages {
	tb.Helper()
	p, err := New(l, prefix)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// A show renders one page.
type show func(p *Pages, w http.ResponseWriter)

// shown are all pages, in all their forms, by name. Every text that comes from
// outside is s after what it usually is.
func shown(s string) map[string]show {
	path := "/function/hook/report?year=2026&page=2" + s
	user := "alice" + s
	all := map[string]show{
		"sign-in": func(p *Pages, w http.ResponseWriter) {
			p.SignIn(w, 200, SignIn{ReturnTo: path, Remember: true, RememberFor: 30 * day})
		},
		"sign-in-wrong": func(p *Pages, w http.ResponseWriter) {
			p.SignIn(w, 401, SignIn{ReturnTo: path, Username: user, Problem: Wrong, Remember: true, Remembered: true, RememberFor: 12 * time.Hour})
		},
		"sign-in-other": func(p *Pages, w http.ResponseWriter) { p.SignIn(w, 200, SignIn{ReturnTo: path, SignedInAs: user}) },
		"sign-in-again": func(p *Pages, w http.ResponseWriter) {
			p.SignIn(w, 200, SignIn{ReturnTo: path, Username: user, SignedInAs: user, Again: true})
		},
		"sign-in-throttled": func(p *Pages, w http.ResponseWriter) {
			p.TooMany(w, 40*time.Second, SignIn{ReturnTo: path, Username: user, Problem: Wrong})
		},
		"sign-in-busy": func(p *Pages, w http.ResponseWriter) {
			p.TooMany(w, time.Second, SignIn{ReturnTo: path, Username: user, Problem: Busy})
		},
		"second-factor": func(p *Pages, w http.ResponseWriter) {
			p.SecondFactor(w, 200, SecondFactor{ReturnTo: path, Username: user, Recovery: true})
		},
		"second-factor-wrong": func(p *Pages, w http.ResponseWriter) {
			p.SecondFactor(w, 401, SecondFactor{ReturnTo: path, Username: user, Problem: WrongCode})
		},
		"second-factor-recovery": func(p *Pages, w http.ResponseWriter) {
			p.SecondFactor(w, 401, SecondFactor{ReturnTo: path, Username: user, Recovery: true, Problem: WrongRecovery})
		},
		"second-factor-throttled": func(p *Pages, w http.ResponseWriter) {
			p.TooMany(w, 90*time.Second, SecondFactor{ReturnTo: path, Username: user, Problem: WrongCode})
		},
		"sign-out":        func(p *Pages, w http.ResponseWriter) { p.SignOut(w, 200, SignOut{Username: user}) },
		"sign-out-nobody": func(p *Pages, w http.ResponseWriter) { p.SignOut(w, 200, SignOut{}) },
		"signed-out":      func(p *Pages, w http.ResponseWriter) { p.SignedOut(w, SignedOut{ReturnTo: path}) },
		"plain-http": func(p *Pages, w http.ResponseWriter) {
			p.PlainHTTP(w, 400, PlainHTTP{
				Opened: "http://gw.example.com/function/hook/_/auth/sign-in" + s,
				Want:   "https://gw.example.com/function/hook/_/auth/sign-in" + s,
			})
		},
		"plain-http-unknown": func(p *Pages, w http.ResponseWriter) {
			p.PlainHTTP(w, 400, PlainHTTP{})
		},
		"wrong-origin": func(p *Pages, w http.ResponseWriter) {
			p.WrongOrigin(w, 421, WrongOrigin{
				Opened: "https://10.0.0.7:8080/_/auth/sign-in" + s,
				Want:   "https://gw.example.com/function/hook/_/auth/sign-in" + s,
			})
		},
		"forbidden": func(p *Pages, w http.ResponseWriter) {
			p.Forbidden(w, Forbidden{Username: user, ReturnTo: path})
		},
		"no-second-factor": func(p *Pages, w http.ResponseWriter) {
			p.NoSecondFactor(w, 403, NoSecondFactor{Username: user, ReturnTo: path})
		},
	}
	for status, name := range map[int]string{400: "error-400", 403: "error-403", 404: "error-404", 405: "error-405", 408: "error-408", 500: "error-500", 503: "error-503"} {
		all[name] = func(p *Pages, w http.ResponseWriter) {
			id := ""
			if status >= 500 {
				id = "5f2b6f0e-8c0a-4a35-9d2c-8d4b1f8f2c11" + s
			}
			p.Error(w, status, id)
		}
	}
	for problem, name := range map[Problem]string{Expired: "expired", Foreign: "foreign", NoCookie: "no-cookie", Throttled: "too-many"} {
		all["sign-in-"+name] = func(p *Pages, w http.ResponseWriter) { p.SignIn(w, 403, SignIn{ReturnTo: path, Problem: problem}) }
	}
	all["second-factor-used"] = func(p *Pages, w http.ResponseWriter) {
		p.SecondFactor(w, 401, SecondFactor{ReturnTo: path, Username: user, Problem: UsedCode})
	}
	return all
}

func answer(p *Pages, s show) *http.Response {
	w := httptest.NewRecorder()
	s(p, w)
	return w.Result()
}

func text(tb testing.TB, r *http.Response) string {
	tb.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(body)
}

// golden compares with a file of testdata, or writes it. Digests would change all
// files with the stylesheet.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = regexp.MustCompile(`\?[0-9a-f]{16}"`).ReplaceAllString(got, `?digest"`)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("got something else than %s (-want +got):\n%s", path, diff)
	}
}

func TestPages(t *testing.T) {
	p := newPages(t, Look{Title: "Reports of Example Ltd", Logo: []byte(gif)}, "/function/hook")
	for name, s := range shown("") {
		t.Run(name, func(t *testing.T) { golden(t, name, text(t, answer(p, s))) })
	}
	t.Run("style", func(t *testing.T) { golden(t, "style", string(p.style.content)) })
	files, err := filepath.Glob("testdata/*.golden")
	if want := len(shown("")) + 1; err != nil || len(files) != want {
		t.Errorf("got %d files in testdata, %v, want %d: remove those of no page", len(files), err, want)
	}
}

// An element is one of a page, with its texts as a browser reads them.
type element struct {
	name  string
	attrs map[string]string
	text  string // up to the next tag
}

// parse reads a page. What html/template writes is almost XML: tags are closed
// but for those that HTML never closes, and attributes have values or none.
func parse(tb testing.TB, page string) []element {
	tb.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var all []element
	within := false
	for {
		switch token, err := d.Token(); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			tb.Fatalf("got %v in\n%s", err, page)
		default:
			switch token := token.(type) {
			case xml.StartElement:
				e := element{name: token.Name.Local, attrs: map[string]string{}}
				for _, a := range token.Attr {
					e.attrs[a.Name.Local] = a.Value
				}
				all, within = append(all, e), true
			case xml.EndElement:
				within = false
			case xml.CharData:
				if within {
					all[len(all)-1].text += string(token)
				}
			}
		}
	}
}

// known are the elements and attributes that pages are made of.
var known = map[string][]string{
	"html": {"lang"}, "head": nil, "meta": {"charset", "name", "content"}, "title": nil, "link": {"rel", "href"}, "body": nil, "main": nil,
	"img": {"class", "src", "alt"}, "h1": nil, "p": {"class", "id", "role"}, "strong": nil, "code": nil, "a": {"href"},
	"form": {"method", "action"}, "label": {"class", "for"}, "button": {"type", "id", "autofocus"}, "details": {"open"}, "summary": nil,
	"input": {
		"type", "id", "name", "value", "class", "autocomplete", "autocapitalize", "autocorrect", "spellcheck", "inputmode", "required", "autofocus", "checked",
		"aria-describedby", "aria-invalid",
	},
}

// TestNothingIsMarkup gives markup wherever a page takes a text.
func TestNothingIsMarkup(t *testing.T) {
	for _, attack := range []string{
		`"><img src=x onerror=alert(1)>`, `' onfocus='alert(1)`, `</title></p></form><script>alert(1)</script>`, `{{.At}}`, "javascript:alert(1)", "&quot;&lt;b&gt;", "\x00<b>",
	} {
		usual, err := New(Look{Title: "Reports", Logo: []byte(gif)}, "/function/hook")
		if err != nil {
			t.Fatal(err)
		}
		attacked, err := New(Look{Title: "Reports" + attack, Logo: []byte(gif)}, "/function/hook")
		if err != nil {
			t.Fatal(err)
		}
		plain := shown("")
		for name, s := range shown(attack) {
			want, got := parse(t, text(t, answer(usual, plain[name]))), parse(t, text(t, answer(attacked, s)))
			if diff := cmp.Diff(shape(want), shape(got)); diff != "" {
				t.Errorf("%s: got other markup with %q (-want +got):\n%s", name, attack, diff)
			}
		}
	}
}

// shape is a page's elements with the names of their attributes.
func shape(page []element) []string {
	var all []string
	for _, e := range page {
		s := e.name
		for _, name := range slices.Sorted(maps.Keys(e.attrs)) {
			s += " " + name
		}
		all = append(all, s)
	}
	return all
}

// TestTextsArrive wants every text from outside back as it was, where it belongs.
func TestTextsArrive(t *testing.T) {
	attack := `"><img src=x onerror=alert(1)>`
	page := parse(t, text(t, answer(newPages(t, Look{}, ""), shown(attack)["sign-in-wrong"])))
	got := map[string]string{}
	for _, e := range page {
		if e.name == "input" {
			got[e.attrs["name"]] = e.attrs["value"]
		}
	}
	want := map[string]string{"return_to": "/function/hook/report?year=2026&page=2" + attack, "username": "alice" + attack, "password": "", "remember": "on"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("got other values (-want +got):\n%s", diff)
	}
}

func TestLinksThatAreNone(t *testing.T) {
	p := newPages(t, Look{}, "")
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", " javascript:alert(1)"} {
		for name, s := range map[string]show{
			"plain http":   func(p *Pages, w http.ResponseWriter) { p.PlainHTTP(w, 400, PlainHTTP{Want: bad}) },
			"wrong origin": func(p *Pages, w http.ResponseWriter) { p.WrongOrigin(w, 421, WrongOrigin{Want: bad}) },
		} {
			for _, e := range parse(t, text(t, answer(p, s))) {
				if href := e.attrs["href"]; e.name == "a" && !strings.HasPrefix(href, "#") {
					t.Errorf("%s: got a link to %q", name, href)
				}
			}
		}
	}
}

func TestMarkup(t *testing.T) {
	for _, l := range []Look{{}, {Title: "Reports", Logo: []byte(gif)}} {
		p := newPages(t, l, "/function/hook")
		for name, s := range shown("") {
			t.Run(name, func(t *testing.T) { checkMarkup(t, l, parse(t, text(t, answer(p, s)))) })
		}
	}
}

func checkMarkup(t *testing.T, l Look, page []element) {
	count, ids, labels, alert := map[string]int{}, map[string]bool{}, map[string]bool{}, false
	for _, e := range page {
		count[e.name]++
		if _, has := e.attrs["autofocus"]; has {
			count["autofocus"]++
		}
		for name := range e.attrs {
			if !slices.Contains(known[e.name], name) {
				t.Errorf("got %s %s: it has no place here", e.name, name)
			}
		}
		if _, ok := known[e.name]; !ok {
			t.Errorf("got %s: it has no place here", e.name)
		}
		if id := e.attrs["id"]; id != "" {
			if ids[id] {
				t.Errorf("got two elements with the id %s", id)
			}
			ids[id] = true
		}
		if e.name == "label" {
			labels[e.attrs["for"]] = true
		}
		alert = alert || e.attrs["role"] == "alert"
		if e.name == "html" && e.attrs["lang"] != "en" {
			t.Errorf("got lang %q, want en", e.attrs["lang"])
		}
	}
	for _, name := range []string{"html", "title", "main", "h1"} {
		if count[name] != 1 {
			t.Errorf("got %d of %s, want 1", count[name], name)
		}
	}
	if count["autofocus"] > 1 {
		t.Errorf("got autofocus %d times, want once at most", count["autofocus"])
	}
	if got, want := count["img"] == 1, l.Logo != nil; got != want {
		t.Errorf("got a logo: %t, want %t", got, want)
	}
	for _, e := range page {
		switch e.name {
		case "input":
			if e.attrs["type"] != "hidden" && !labels[e.attrs["id"]] {
				t.Errorf("the input %s has no label", e.attrs["name"])
			}
			if d := e.attrs["aria-describedby"]; d != "" && !ids[d] {
				t.Errorf("the input %s is described by %s, which is nowhere", e.attrs["name"], d)
			}
			if _, has := e.attrs["autofocus"]; has && alert && e.attrs["aria-describedby"] == "" {
				t.Errorf("the input %s is not tied to the problem", e.attrs["name"])
			}
		case "form":
			if e.attrs["method"] != "post" || !strings.HasPrefix(e.attrs["action"], "/function/hook/_/auth/") {
				t.Errorf("got the form %v, want one that posts to our pages", e.attrs)
			}
		case "title":
			if got := strings.HasPrefix(e.text, "Error: "); got != alert {
				t.Errorf("got the title %q with a problem: %t", e.text, alert)
			}
		}
	}
}

func TestAutocomplete(t *testing.T) {
	p := newPages(t, Look{}, "")
	got := map[string]string{}
	for _, name := range []string{"sign-in", "second-factor"} {
		for _, e := range parse(t, text(t, answer(p, shown("")[name]))) {
			if e.name == "input" && e.attrs["autocomplete"] != "" {
				got[e.attrs["id"]] = strings.TrimSpace(e.attrs["type"] + " " + e.attrs["autocomplete"] + " " + e.attrs["inputmode"])
			}
		}
	}
	want := map[string]string{
		"username": "text username", "password": "password current-password", "code": "text one-time-code numeric", "recovery": "text off",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("got other fields (-want +got):\n%s", diff)
	}
}

func TestFocus(t *testing.T) {
	p := newPages(t, Look{}, "")
	for name, want := range map[string]string{
		"sign-in": "username", "sign-in-wrong": "password", "sign-in-again": "password", "sign-in-expired": "username",
		"second-factor": "code", "second-factor-wrong": "code", "second-factor-recovery": "recovery",
	} {
		got := ""
		for _, e := range parse(t, text(t, answer(p, shown("")[name]))) {
			if _, has := e.attrs["autofocus"]; has {
				got += e.attrs["id"]
			}
		}
		if got != want {
			t.Errorf("%s: got the focus on %q, want %q", name, got, want)
		}
	}
}

// TestRecoveryIsOpen wants the field in sight that a problem is about.
func TestRecoveryIsOpen(t *testing.T) {
	p := newPages(t, Look{}, "")
	for name, want := range map[string]bool{"second-factor": false, "second-factor-recovery": true} {
		for _, e := range parse(t, text(t, answer(p, shown("")[name]))) {
			if _, got := e.attrs["open"]; e.name == "details" && got != want {
				t.Errorf("%s: got it open: %t, want %t", name, got, want)
			}
		}
	}
}

func TestTitle(t *testing.T) {
	for title, want := range map[string]string{"": "Sign in", "Reports": "Sign in – Reports"} {
		for _, e := range parse(t, text(t, answer(newPages(t, Look{Title: title}, ""), shown("")["sign-in"]))) {
			if e.name == "title" && e.text != want {
				t.Errorf("got the title %q, want %q", e.text, want)
			}
		}
	}
}

func TestStatus(t *testing.T) {
	p := newPages(t, Look{}, "")
	for name, want := range map[string]int{"sign-in": 200, "sign-in-wrong": 401, "sign-in-throttled": 429, "error-404": 404, "signed-out": 200, "no-second-factor": 403} {
		if got := answer(p, shown("")[name]).StatusCode; got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

func TestTooMany(t *testing.T) {
	p := newPages(t, Look{}, "")
	for _, c := range []struct {
		wait        time.Duration
		problem     Problem
		after, want string
	}{
		{40 * time.Second, Wrong, "40", "There were too many failed attempts. Try again in 40\u00a0seconds."},
		{61 * time.Second, None, "61", "There were too many failed attempts. Try again in 2\u00a0minutes."},
		{time.Millisecond, Busy, "1", "Many people are signing in at this moment. Try again in 1\u00a0second."},
		{0, Throttled, "1", "There were too many failed attempts. Try again in 1\u00a0second."},
	} {
		for _, f := range []Form{SignIn{Problem: c.problem}, SecondFactor{Problem: c.problem}} {
			r := answer(p, func(p *Pages, w http.ResponseWriter) { p.TooMany(w, c.wait, f) })
			got := ""
			for _, e := range parse(t, text(t, r)) {
				if e.attrs["role"] == "alert" {
					got = e.text
				}
				if e.attrs["aria-invalid"] != "" {
					t.Errorf("%+v: got %v: what was typed is not what is wrong", f, e.attrs)
				}
			}
			if after := r.Header.Get("Retry-After"); got != c.want || after != c.after {
				t.Errorf("%+v: got %q, %s, want %q, %s", f, got, after, c.want, c.after)
			}
		}
	}
}

// TestProblems wants words for each problem.
func TestProblems(t *testing.T) {
	for p := Wrong; p <= Throttled; p++ {
		if p.text() == "" {
			t.Errorf("problem %d has no words", p)
		}
	}
	if None.text() != "" || None.Invalid() {
		t.Error("no problem has words")
	}
}

func TestNew(t *testing.T) {
	for _, c := range []struct {
		look   Look
		prefix string
		want   string
	}{
		{Look{Color: "red"}, "", `color "red": must be #rrggbb`},
		{Look{Color: "#12345"}, "", `color "#12345": must be #rrggbb`},
		{Look{Logo: []byte("<html>")}, "", "logo: must be a PNG, JPEG, WebP, GIF or SVG image"},
		{Look{Logo: []byte{}}, "", "logo: must be a PNG, JPEG, WebP, GIF or SVG image"},
		{Look{}, "/", `prefix "/": must be empty, or begin with one / and not end with it`},
		{Look{}, "//evil.example.com", `prefix "//evil.example.com": must be empty, or begin with one / and not end with it`},
		{Look{}, "function/hook", `prefix "function/hook": must be empty, or begin with one / and not end with it`},
	} {
		if _, err := New(c.look, c.prefix); err == nil || err.Error() != c.want {
			t.Errorf("%+v %q: got %v, want %s", c.look, c.prefix, err, c.want)
		}
	}
}

var headers = map[string]string{
	"Cache-Control":                "no-store",
	"Content-Security-Policy":      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Referrer-Policy":              "same-origin",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

func wantHeaders(t *testing.T, h http.Header, but ...string) {
	t.Helper()
	for name, want := range headers {
		if got := h.Values(name); !slices.Contains(but, name) && !slices.Equal(got, []string{want}) {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	p := newPages(t, Look{}, "")
	for name, s := range shown("") {
		h := answer(p, s).Header
		wantHeaders(t, h)
		if got := h.Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("%s: got Content-Type %q", name, got)
		}
		if h.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: got Strict-Transport-Security without https", name)
		}
	}
	h := http.Header{}
	SetHeaders(h, true)
	wantHeaders(t, h)
	if got := h.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("got Strict-Transport-Security %q", got)
	}
	h = answer(p, func(p *Pages, w http.ResponseWriter) {
		SetHeaders(w.Header(), true)
		p.Error(w, 404, "")
	}).Header
	if h.Get("Strict-Transport-Security") == "" {
		t.Error("a page has taken away Strict-Transport-Security")
	}
}

// load asks for a file as pages do.
func load(serve http.HandlerFunc, url string, header http.Header) *http.Response {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.Header = header
	w := httptest.NewRecorder()
	serve(w, r)
	return w.Result()
}

func TestFiles(t *testing.T) {
	svg := `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`
	p := newPages(t, Look{Logo: []byte(svg)}, "")
	page := text(t, answer(p, shown("")["sign-in"]))
	for _, c := range []struct {
		name, contentType, content string
		serve                      http.HandlerFunc
		but                        []string
	}{
		{"style.css", "text/css; charset=utf-8", string(p.style.content), p.Style, nil},
		{"logo", "image/svg+xml", svg, p.Logo, []string{"Content-Security-Policy"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := regexp.MustCompile(`"(/_/auth/` + regexp.QuoteMeta(c.name) + `\?[0-9a-f]{16})"`).FindStringSubmatch(page)
			if url == nil {
				t.Fatalf("the page does not load it:\n%s", page)
			}
			r := load(c.serve, url[1], nil)
			if got := text(t, r); r.StatusCode != 200 || got != c.content {
				t.Errorf("got %d %q, want %q", r.StatusCode, got, c.content)
			}
			wantHeaders(t, r.Header, append(c.but, "Cache-Control")...)
			if got := r.Header.Get("Content-Type"); got != c.contentType {
				t.Errorf("got Content-Type %q, want %q", got, c.contentType)
			}
			if got := r.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
				t.Errorf("got Cache-Control %q", got)
			}
			for _, other := range []string{"/_/auth/" + c.name, "/_/auth/" + c.name + "?0000000000000000"} {
				if got := load(c.serve, other, nil).Header.Get("Cache-Control"); got != "no-cache" {
					t.Errorf("%s: got Cache-Control %q, want no-cache", other, got)
				}
			}
			if got := load(c.serve, url[1], http.Header{"If-None-Match": r.Header["Etag"]}).StatusCode; got != http.StatusNotModified {
				t.Errorf("got %d for what the browser has already, want 304", got)
			}
		})
	}
	if got := p.Logo; load(got, "/_/auth/logo", nil).Header.Get("Content-Security-Policy") != "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox" {
		t.Error("an image is a document without bounds")
	}
	r := load(newPages(t, Look{}, "").Logo, "/_/auth/logo", nil)
	wantHeaders(t, r.Header)
	if r.StatusCode != http.StatusNotFound {
		t.Errorf("got %d without a logo, want 404", r.StatusCode)
	}
}
