package page

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

type color [3]byte

// CheckColor says whether s is a color as #rrggbb.
func CheckColor(s string) bool {
	_, ok := parseColor(s)
	return ok
}

func parseColor(s string) (c color, ok bool) {
	if len(s) != 7 || s[0] != '#' {
		return color{}, false
	}
	_, err := hex.Decode(c[:], []byte(s[1:]))
	return c, err == nil
}

func (c color) String() string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }

var (
	black         = color{}
	white         = color{255, 255, 255}
	defaultAccent = color{0x1f, 0x5f, 0xbf}
	// The cards on which all text stands, as in style.css.
	lightCard = white
	darkCard  = color{0x1d, 0x21, 0x26}
)

// enough is the contrast that text needs, WCAG 2.2 §1.4.3.
const enough = 4.5

// luminance is the relative luminance of WCAG 2.2.
func (c color) luminance() float64 {
	weights, sum := [3]float64{0.2126, 0.7152, 0.0722}, 0.0
	for i, b := range c {
		v := float64(b) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weights[i] * v
	}
	return sum
}

// contrast is the contrast ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// mix is a with a part of b in it.
func mix(a, b color, part float64) (c color) {
	for i := range c {
		c[i] = byte(math.Round(float64(a[i])*(1-part) + float64(b[i])*part))
	}
	return c
}

// textOn is white or, where that is too faint, black. One of them is enough on
// every color.
func textOn(background color) color {
	if contrast(white, background) >= enough {
		return white
	}
	return black
}

// readable is the color nearest to c that can be read on a background.
func readable(c, background color) color {
	text := textOn(background)
	for part := 0.0; part < 1; part += 0.02 {
		if m := mix(c, text, part); contrast(m, background) >= enough {
			return m
		}
	}
	return text
}

// newStyle is the stylesheet for an accent.
func newStyle(accent color) []byte {
	on := textOn(accent)
	away := black // what makes the text clearer yet
	if on == black {
		away = white
	}
	return []byte(strings.NewReplacer(
		"{{.Accent}}", accent.String(), "{{.OnAccent}}", on.String(), "{{.Hover}}", mix(accent, away, 0.18).String(),
		"{{.Light}}", readable(accent, lightCard).String(), "{{.Dark}}", readable(accent, darkCard).String(),
	).Replace(css))
}
