package browser

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// goldens are the pages as the tests of their package have written them.
var goldens = filepath.Join("..", "..", "watchdog", "internal", "page", "testdata")

// A picture that scales, and has styles of its own.
const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><style>.a{fill:#1f5fbf}</style>` +
	`<rect class="a" width="40" height="40" rx="8"/><circle cx="70" cy="20" r="18" fill="none" stroke="#c9743a" stroke-width="4"/></svg>`

// servePages serves the goldens as the program serves the pages.
func servePages(t *testing.T) (f *front, names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(goldens, "*.golden"))
	if err != nil || len(paths) < 20 {
		t.Fatalf("got %d pages, %v", len(paths), err)
	}
	f = newFront(t)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, contentType := strings.TrimSuffix(filepath.Base(path), ".golden"), "text/html; charset=utf-8"
		if name == "style" {
			name, contentType = "style.css", "text/css"
		} else {
			names = append(names, name)
		}
		f.handle("gw.example.test/function/hook/_/auth/"+name, static(contentType, content))
	}
	f.handle("gw.example.test/function/hook/_/auth/logo", static("image/svg+xml", []byte(logo)))
	return f, names
}

func static(contentType string, content []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		_, _ = w.Write(content)
	})
}

// TestPages looks at each page in windows of all kinds.
func TestPages(t *testing.T) {
	f, names := servePages(t)
	for window, how := range map[string][]chromedp.Action{
		"desktop-light": {desktop, light},
		"desktop-dark":  {desktop, dark},
		"phone-light":   {phone, light},
		"phone-dark":    {phone, dark},
		"smallest":      {smallest, light},
	} {
		t.Run(window, func(t *testing.T) {
			b := open(t, how...)
			for _, name := range names {
				b.visit(f.https("gw.example.test", "/function/hook/_/auth/"+name))
				t.Run(name, func(t *testing.T) {
					b.t = t
					if auto := get[string](b, "document.querySelector('[autofocus]')?.id ?? ''"); auto != "" {
						b.eventually("the focus on "+auto, func() bool { return get[string](b, "document.activeElement.id") == auto })
					}
					if *shots != "" {
						b.picture(func(png []byte) {
							if err := os.WriteFile(filepath.Join(*shots, name+"-"+window+".png"), png, 0o600); err != nil {
								t.Fatal(err)
							}
						})
					}
					b.checkPage()
				})
				b.t = t
			}
			if got := b.complaints(); len(got) > 0 {
				t.Errorf("got complaints of the browser:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}

// A box is an element with its place in the window.
type box struct {
	Name                string
	Left, Right, Height float64
	Width               float64
}

func (b *tab) checkPage() {
	b.t.Helper()
	if !get[bool](b, "getComputedStyle(document.querySelector('main')).borderRadius !== '0px'") {
		b.t.Error("the stylesheet is not in force")
	}
	// Not innerWidth, which on phones grows with the page.
	room := get[float64](b, "document.documentElement.clientWidth")
	if width := get[float64](b, "document.documentElement.scrollWidth"); width > room {
		b.t.Errorf("the page is %v wide in a window of %v", width, room)
	}
	if loaded := get[bool](b, "[...document.images].every(i => i.complete && i.naturalWidth > 0)"); !loaded {
		b.t.Error("the logo is not shown")
	}
	boxes := get[[]box](b, `[...document.querySelectorAll("button, a, summary, input:not([type=hidden])")].filter(e => e.checkVisibility()).map(e => {
		const r = (e.type === "checkbox" ? e.parentElement : e).getBoundingClientRect()
		return {Name: e.name || e.textContent, Left: r.left, Right: r.right, Height: r.height, Width: r.width}
	})`)
	for _, e := range boxes {
		if e.Height < 44 || e.Width < 44 {
			b.t.Errorf("%s is %v by %v, want at least 44 by 44", e.Name, e.Width, e.Height)
		}
		if e.Left < 0 || e.Right > room {
			b.t.Errorf("%s is from %v to %v in a window of %v", e.Name, e.Left, e.Right, room)
		}
	}
	problem := get[bool](b, "document.querySelector('[role=alert]') !== null")
	described := false
	for _, s := range b.spoken() {
		if slices.Contains([]string{"textbox", "button", "link", "checkbox", "DisclosureTriangle"}, s.role) && s.name == "" {
			b.t.Errorf("got a %s without a name", s.role)
		}
		described = described || s.role == "textbox" && s.description != ""
	}
	if problem != described {
		b.t.Errorf("got a problem: %t, and a field that tells of it: %t", problem, described)
	}
	// The ring of the focus, wherever the tab key leads.
	for range boxes {
		b.run(tabKey)
		if style := get[string](b, "getComputedStyle(document.activeElement).outlineStyle + ' ' + getComputedStyle(document.activeElement).outlineWidth"); style != "solid 3px" &&
			get[bool](b, "document.activeElement !== document.body") {
			b.t.Errorf("got the outline %q on %q, which has the focus", style, b.focus())
		}
	}
}
