package login

import (
	"strings"
	"testing"
	"time"
)

func TestParseEpoch(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name, text string
		good       bool
	}{
		{"past", "2026-01-31T12:00:00Z\n", true},
		{"now", now.Format(time.RFC3339), true},
		{"now, by a clock that is ahead", now.Add(30 * time.Second).Format(time.RFC3339), true},
		{"the future", now.Add(time.Hour).Format(time.RFC3339), false},
		{"a year that was mistyped", now.AddDate(10, 0, 0).Format(time.RFC3339), false},
		{"a day", "2026-01-31", false},
		{"nothing", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, err := ParseEpoch([]byte(tt.text))
			if (err == nil) != tt.good {
				t.Fatalf("got %v, %v", at, err)
			}
			if want := "want a time"; err != nil && !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %q, want it to begin with %q", err, want)
			}
		})
	}
}

func TestPublicURL(t *testing.T) {
	for _, tt := range []struct{ url, origin, want string }{
		{"https://tools.example.com", "https://tools.example.com", ""},
		{"HTTPS://Tools.Example.COM:443/", "https://tools.example.com", ""},
		{"https://tools.example.com.:8443", "https://tools.example.com.:8443", ""},
		{"https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443", ""},
		{"https://xn--bcher-kva.example", "https://xn--bcher-kva.example", ""},
		{"http://localhost:8080", "http://localhost:8080", ""},
		{"http://127.0.0.1", "http://127.0.0.1", ""},
		{"", "", "public_url: is not set"},
		{"tools.example.com", "", "want a URL"},
		{"https://tools.example.com?x", "", "want a URL"},
		{"https://tools.example.com#x", "", "want a URL"},
		{"https://me@tools.example.com", "", "want a URL"},
		{"http://tools.example.com", "", "want https"},
		{"http://localhost.example.com", "", "want https"},
		{"https://bücher.example", "", "xn--"},
		{"https://tools.example.com/%zz", "", "want a URL"},
	} {
		t.Run(tt.url, func(t *testing.T) {
			s, err := newSite("", "hook", tt.url)
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("got %v, want %q in it", err, tt.want)
			case s.origin != tt.origin:
				t.Errorf("got %q, want %q", s.origin, tt.origin)
			}
		})
	}
}

func TestGroupThatWasNotGiven(t *testing.T) {
	for _, tt := range []struct{ group, function, url, want string }{
		{"", "tool", "https://tools.example.com", "tool"},
		{"", "tool", "https://gw.example.com/function/other", "tool"},
		{"", "function", "https://gw.example.com/function/tool", "tool"},
		{"", "function", "https://gw.example.com/function/tool.openfaas-fn/", "tool-openfaas-fn"},
		{"", "function", "https://gw.example.com/a%2fb", "a-2fb"},
		{"", "function", "https://tools.example.com/", "function"},
		{"", "my.tool", "https://tools.example.com", "my-tool"},
		{"shared", "function", "https://gw.example.com/function/tool", "shared"},
	} {
		t.Run(tt.group+" "+tt.function+" "+tt.url, func(t *testing.T) {
			s, err := newSite(tt.group, tt.function, tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if want := "__Host-Http-aw-" + tt.want; s.cookieName(kindSession) != want {
				t.Errorf("got %q, want %q", s.cookieName(kindSession), want)
			}
		})
	}
}
