package page

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
)

func TestCheckColor(t *testing.T) {
	for s, want := range map[string]bool{
		"#1f5fbf": true, "#FFFFFF": true, "#000000": true,
		"": false, "#fff": false, "1f5fbf": false, "#1f5fbg": false, "#1f5fbf ": false, "#1f5fbf;": false, "red": false, "##1f5fb": false, "#1f5fb\n": false,
	} {
		if got := CheckColor(s); got != want {
			t.Errorf("%q: got %t, want %t", s, got, want)
		}
	}
}

func parsed(tb testing.TB, s string) color {
	tb.Helper()
	c, ok := parseColor(s)
	if !ok {
		tb.Fatalf("%q is no color", s)
	}
	return c
}

// TestContrast has values that were computed elsewhere (WCAG 2.2, and the well
// known #767676, the lightest gray that is enough on white).
func TestContrast(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#ffffff", "#ffffff", 1},
		{"#767676", "#ffffff", 4.54},
		{"#777777", "#ffffff", 4.48},
		{"#ff0000", "#ffffff", 4.00},
		{"#0000ff", "#ffffff", 8.59},
		{"#00ff00", "#000000", 15.30},
	} {
		a, b := parsed(t, c.a), parsed(t, c.b)
		if got := contrast(a, b); math.Abs(got-c.want) > 0.005 || got != contrast(b, a) {
			t.Errorf("%s on %s: got %.3f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

// accents are colors all over the cube.
func accents(yield func(string) bool) {
	for r := 0; r < 256; r += 51 {
		for g := 0; g < 256; g += 51 {
			for b := 0; b < 256; b += 51 {
				if !yield(fmt.Sprintf("#%02x%02x%02x", r, g, b)) {
					return
				}
			}
		}
	}
}

// variables reads the colors of a part of the stylesheet.
func variables(tb testing.TB, css string, into map[string]color) {
	tb.Helper()
	for _, m := range regexp.MustCompile(`--([a-z-]+): ([^;]*);`).FindAllStringSubmatch(css, -1) {
		into[m[1]] = parsed(tb, m[2])
	}
}

// TestStyleCanBeRead computes the contrast of what stands on what, in light and
// dark, for many accents.
func TestStyleCanBeRead(t *testing.T) {
	pairs := []struct {
		front, back string
		least       float64
	}{
		{"text", "card", 7},
		{"text", "field", 7},
		{"faint", "card", enough},
		{"link", "card", enough},
		{"problem", "problem-card", 7},
		{"on-accent", "accent", enough},
		{"on-accent", "hover", enough},
		// What is not text, WCAG 2.2 §1.4.11; link is also the ring of the focus
		// and the edge of buttons.
		{"field-edge", "card", 3},
		{"field-edge", "field", 3},
		{"problem-edge", "card", 3},
		{"problem-edge", "problem-card", 3},
	}
	for accent := range accents {
		light, dark, ok := strings.Cut(string(newStyle(parsed(t, accent))), "@media (prefers-color-scheme: dark)")
		if !ok {
			t.Fatal("got no dark part")
		}
		v := map[string]color{}
		for _, part := range []struct {
			name, css string
			card      color
		}{{"light", light, lightCard}, {"dark", dark, darkCard}} {
			variables(t, part.css, v)
			if v["card"] != part.card {
				t.Errorf("%s: got a card of %s, want %s", part.name, v["card"], part.card)
			}
			for _, p := range pairs {
				if got := contrast(v[p.front], v[p.back]); got < p.least {
					t.Errorf("%s, %s: %s %s on %s %s has %.2f, want %.1f", accent, part.name, p.front, v[p.front], p.back, v[p.back], got, p.least)
				}
			}
		}
	}
}

// TestAccentStays leaves a color alone that can be read.
func TestAccentStays(t *testing.T) {
	if got := readable(defaultAccent, lightCard); got != defaultAccent {
		t.Errorf("got %s, want %s", got, defaultAccent)
	}
}

func TestStyleLoadsNothing(t *testing.T) {
	if m := regexp.MustCompile(`(?i)url\(|@import|//|@font-face|expression|<|\{\{`).Find(newStyle(defaultAccent)); m != nil {
		t.Errorf("got %s in the stylesheet", m)
	}
}
