package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A tab is a window of a browser profile of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	messages []string // of the console
}

// open opens a window.
func open(t *testing.T, how ...chromedp.Action) *tab {
	t.Helper()
	// By itself chromedp opens no window for a new profile, which Chromium needs.
	browser := cdp.WithExecutor(chromium, chromedp.FromContext(chromium).Browser)
	profile, err := target.CreateBrowserContext().Do(browser)
	if err != nil {
		t.Fatal(err)
	}
	window, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(browser)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithTargetID(window))
	t.Cleanup(func() {
		cancel()
		if err := target.DisposeBrowserContext(profile).Do(browser); err != nil {
			t.Error(err)
		}
	})
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	// Only one window has the focus of the desktop, and tests have many.
	b.run(log.Enable(), runtime.Enable(), emulation.SetFocusEmulationEnabled(true))
	b.run(how...)
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelInfo || e.Entry.Level == log.LevelVerbose {
			return
		}
		b.messages = append(b.messages, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.messages = append(b.messages, e.ExceptionDetails.Error())
	}
}

// complaints are the messages of the console that are not about a status.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, m := range b.messages {
		if !strings.Contains(m, "the server responded with a status of") && !strings.Contains(m, "/favicon.ico") {
			all = append(all, m)
		}
	}
	return all
}

// How a window is.
var (
	desktop  = chromedp.EmulateViewport(1280, 800)
	phone    = chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile, chromedp.EmulateScale(2))
	smallest = chromedp.EmulateViewport(320, 640, chromedp.EmulateMobile)
	noScript = emulation.SetScriptExecutionDisabled(true)
	light    = scheme("light")
	dark     = scheme("dark")
)

func scheme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}})
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// load does what leads to another page, and waits for it. It returns the status.
func (b *tab) load(actions ...chromedp.Action) int {
	b.t.Helper()
	r, err := chromedp.RunResponse(b.ctx, actions...)
	if err != nil {
		b.t.Fatal(err)
	}
	if r == nil {
		b.t.Fatal("no page was loaded")
	}
	return int(r.Status)
}

// visit opens a URL and returns the status.
func (b *tab) visit(url string) int {
	b.t.Helper()
	return b.load(chromedp.Navigate(url))
}

// get reads what an expression is in the page.
func get[V any](b *tab, expression string) V {
	b.t.Helper()
	var raw json.RawMessage
	b.run(chromedp.Evaluate(expression, &raw, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	var v V
	if err := json.Unmarshal(raw, &v); err != nil {
		b.t.Fatalf("%s: got %s: %v", expression, raw, err)
	}
	return v
}

// at is where the window is, as the page itself sees it.
func (b *tab) at() *url.URL {
	b.t.Helper()
	u, err := url.Parse(get[string](b, "location.href"))
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// text is what the page shows.
func (b *tab) text() string {
	b.t.Helper()
	return get[string](b, "document.body?.innerText ?? ''")
}

func (b *tab) wantPage(origin, path string) {
	b.t.Helper()
	u := b.at()
	if got := u.Scheme + "://" + u.Host; got != origin || u.Path != path {
		b.t.Fatalf("got to %s, want %s%s\n%s", u, origin, path, b.text())
	}
}

func (b *tab) wantText(want string) {
	b.t.Helper()
	if got := b.text(); !strings.Contains(got, want) {
		b.t.Fatalf("got %q at %s, want %q in it", got, b.at(), want)
	}
}

// focus is the name of the field, or the text of the button or link, that has
// the focus.
func (b *tab) focus() string {
	b.t.Helper()
	return get[string](b, "document.activeElement.name || document.activeElement.textContent.trim()")
}

// wantFocus waits for the focus, which a page gives away with its first frame.
func (b *tab) wantFocus(want string) {
	b.t.Helper()
	b.eventually("the focus on "+want, func() bool { return b.focus() == want })
}

// eventually waits for the browser to have done something that it tells nobody.
func (b *tab) eventually(what string, ok func() bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			b.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// keys types into whatever has the focus.
func keys(text string) chromedp.Action { return chromedp.KeyEvent(text) }

var (
	tabKey = chromedp.KeyEvent(kb.Tab)
	enter  = chromedp.KeyEvent(kb.Enter)
)

// tabTo presses the tab key until the focus is where it should be.
func (b *tab) tabTo(want string) {
	b.t.Helper()
	var seen []string
	for range 20 {
		b.run(tabKey)
		got := b.focus()
		if got == want {
			return
		}
		seen = append(seen, got)
	}
	b.t.Fatalf("the tab key led to %q, never to %q", seen, want)
}

// back is the browser's button. A page that the browser has kept comes without
// the events that a page has that is loaded.
func (b *tab) back() {
	b.t.Helper()
	var want int64
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		at, entries, err := page.GetNavigationHistory().Do(ctx)
		if err != nil {
			return err
		}
		if at == 0 {
			return errors.New("there is nothing to go back to")
		}
		want = entries[at-1].ID
		return page.NavigateToHistoryEntry(want).Do(ctx)
	}))
	b.eventually("the page before", func() bool {
		var at int64
		var entries []*page.NavigationEntry
		var state string
		err := chromedp.Run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
			at, entries, err = page.GetNavigationHistory().Do(ctx)
			return err
		}), chromedp.Evaluate("document.readyState", &state))
		// Amid the change there is no page to ask.
		return err == nil && entries[at].ID == want && state == "complete"
	})
}

// cookies are all those of the profile.
func (b *tab) cookies() []*network.Cookie {
	b.t.Helper()
	var all []*network.Cookie
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		all, err = network.GetCookies().WithURLs([]string{b.at().String()}).Do(ctx)
		return err
	}))
	return all
}

// A spoken is an element as assistive technology has it.
type spoken struct{ role, name, description string }

// spoken are the elements that somebody can do something with.
func (b *tab) spoken() []spoken {
	b.t.Helper()
	var all []spoken
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		nodes, err := accessibility.GetFullAXTree().Do(ctx)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if s := (spoken{value(n.Role), value(n.Name), value(n.Description)}); !n.Ignored {
				all = append(all, s)
			}
		}
		return nil
	}))
	return all
}

func value(v *accessibility.Value) string {
	var s string
	if v != nil {
		_ = json.Unmarshal(v.Value, &s)
	}
	return s
}

// picture writes a picture of the page, if the tests were asked for some.
func (b *tab) picture(write func(png []byte)) {
	b.t.Helper()
	var png []byte
	b.run(chromedp.FullScreenshot(&png, 100))
	write(png)
}
