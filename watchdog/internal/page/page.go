// Package page renders the pages of sign-in: HTML and one stylesheet, without
// scripts. What a page says is decided by its caller.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed style.css
var css string

// A Look is how the pages present themselves.
type Look struct {
	Title string // whose pages they are, above the heading and in the title
	Color string // of buttons and links, as #rrggbb; empty for ours
	Logo  []byte // an image that [LogoType] knows; nil if there is none
}

// Pages renders the pages, all in one look.
type Pages struct {
	title string
	at    string // the folder of the pages, as browsers see it
	style file
	logo  file
}

// New prepares pages. The prefix stands before /_/auth/ as browsers see it, such
// as /function/hook, or is empty.
func New(l Look, prefix string) (*Pages, error) {
	if prefix != "" && (prefix[0] != '/' || strings.HasPrefix(prefix, "//") || strings.HasSuffix(prefix, "/")) {
		return nil, fmt.Errorf("prefix %q: must be empty, or begin with one / and not end with it", prefix)
	}
	accent, ok := parseColor(l.Color)
	switch {
	case l.Color == "":
		accent = defaultAccent
	case !ok:
		return nil, fmt.Errorf("color %q: must be #rrggbb", l.Color)
	}
	p := &Pages{title: l.Title, at: prefix + "/_/auth/", style: newFile("style.css", "text/css; charset=utf-8", newStyle(accent))}
	if l.Logo != nil {
		contentType, ok := LogoType(l.Logo)
		if !ok {
			return nil, errors.New("logo: must be a PNG, JPEG, WebP, GIF or SVG image")
		}
		p.logo = newFile("logo", contentType, l.Logo)
	}
	return p, nil
}

// render answers with a page. It sets the headers of [SetHeaders] too, so that no
// page goes out without them.
func (p *Pages) render(w http.ResponseWriter, status int, v view) {
	body := p.layout(v)
	h := w.Header()
	SetHeaders(h, false)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, string(body))
}

// A file is what pages load.
type file struct {
	name        string // with its digest, so that browsers can keep it for good
	digest      string
	contentType string
	content     []byte
}

func newFile(name, contentType string, content []byte) file {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:8])
	return file{name + "?" + digest, digest, contentType, content}
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Etag", `"`+f.digest+`"`)
	// While an update is rolled out, another replica may be asked for a file that
	// only the new one has.
	h.Set("Cache-Control", "no-cache")
	if r.URL.RawQuery == f.digest {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// Style serves style.css.
func (p *Pages) Style(w http.ResponseWriter, r *http.Request) {
	SetHeaders(w.Header(), false)
	p.style.serve(w, r)
}

// Logo serves logo, or 404 if there is none.
func (p *Pages) Logo(w http.ResponseWriter, r *http.Request) {
	if p.logo.content == nil {
		p.Error(w, http.StatusNotFound, "")
		return
	}
	SetHeaders(w.Header(), false)
	// An SVG opened by itself is a document of our origin. Nothing in it may run,
	// but it may have styles of its own.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox")
	p.logo.serve(w, r)
}
