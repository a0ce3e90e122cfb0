// Package function is a small tool for people who have signed in: a board with
// notes, and a page on which admins take notes down.
//
// It has no code that checks a password, a role, or which page has sent a form.
// The watchdog in front of it does, by static/auth.yml, and says in headers who
// is asking.
package function

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html style.css
var files embed.FS

var pages = template.Must(template.ParseFS(files, "page.html"))

var fresh = newTool(os.Getenv("public_url"))

// Handle answers requests that the watchdog has let through.
func Handle(w http.ResponseWriter, r *http.Request) {
	fresh.ServeHTTP(w, r)
}

type tool struct {
	base  string // what comes before every path in a browser: "/function/tools", or nothing
	board board
}

func newTool(publicURL string) http.Handler {
	t := &tool{}
	if u, err := url.Parse(publicURL); err == nil {
		t.base = strings.TrimRight(u.EscapedPath(), "/")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", t.showNotes)
	mux.HandleFunc("POST /{$}", t.addNote)
	mux.HandleFunc("GET /admin/{$}", t.showAdmin)
	mux.HandleFunc("POST /admin/{$}", t.removeNote)
	mux.HandleFunc("/admin", func(w http.ResponseWriter, _ *http.Request) { t.see(w, "/admin/") })
	mux.HandleFunc("GET /style.css", style)
	mux.HandleFunc("/", t.showMissing)
	return withHeaders(mux)
}

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		// Not no-referrer: with it browsers do not say which page has sent a
		// form, and the watchdog refuses the form.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

// A view is what a page shows.
type view struct {
	Title     string
	Base      string
	Path      string // of the page
	Subject   string
	IsAdmin   bool
	Notes     []note
	MaxNotes  int
	MaxLength int
	Draft     string // a note that was refused
	Problem   string // why it was
}

func (t *tool) view(r *http.Request, title string) view {
	return view{
		Title: title, Base: t.base, Path: r.URL.Path,
		Subject: r.Header.Get("X-Auth-Subject"),
		// Who is none sees no link. That the page stays closed is up to the policy.
		IsAdmin: slices.Contains(strings.Split(r.Header.Get("X-Auth-Scopes"), ","), "admin"),
		Notes:   t.board.all(), MaxNotes: maxNotes, MaxLength: maxLength,
	}
}

func (t *tool) showNotes(w http.ResponseWriter, r *http.Request) {
	show(w, http.StatusOK, "notes", t.view(r, "Notes"))
}

func (t *tool) showAdmin(w http.ResponseWriter, r *http.Request) {
	show(w, http.StatusOK, "admin", t.view(r, "Admin"))
}

func (t *tool) showMissing(w http.ResponseWriter, r *http.Request) {
	show(w, http.StatusNotFound, "missing", t.view(r, "No such page"))
}

// maxForm is the most of a form in bytes, with room for a note that is too long
// and comes back to its author.
const maxForm = 64 << 10

func (t *tool) addNote(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form could not be read", http.StatusBadRequest)
		return
	}
	text := r.PostForm.Get("text")
	if problem := t.board.add(r.Header.Get("X-Auth-Subject"), text); problem != "" {
		v := t.view(r, "Not put up")
		v.Draft, v.Problem = text, problem
		show(w, http.StatusUnprocessableEntity, "notes", v)
		return
	}
	t.see(w, "/")
}

func (t *tool) removeNote(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	id, err := strconv.Atoi(r.PostFormValue("id"))
	if err != nil {
		http.Error(w, "the form could not be read", http.StatusBadRequest)
		return
	}
	t.board.remove(id)
	t.see(w, "/admin/")
}

// see has the browser open a page, which it can load again without sending the
// form once more.
func (t *tool) see(w http.ResponseWriter, path string) {
	w.Header().Set("Location", t.base+path)
	w.WriteHeader(http.StatusSeeOther)
}

func show(w http.ResponseWriter, status int, name string, v view) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, v); err != nil {
		fmt.Fprintln(os.Stderr, err)
		http.Error(w, "the page could not be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // the browser may have gone
}

func style(w http.ResponseWriter, r *http.Request) {
	css, err := files.ReadFile("style.css")
	if err != nil {
		http.Error(w, "there is no style", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "private, no-cache") // kept, and asked for again
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(css)))
	http.ServeContent(w, r, "style.css", time.Time{}, bytes.NewReader(css))
}
