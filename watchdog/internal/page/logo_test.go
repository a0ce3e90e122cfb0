package page

import "testing"

func TestLogoType(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"PNG":        {"\x89PNG\r\n\x1a\n", "image/png"},
		"JPEG":       {"\xff\xd8\xff\xe0", "image/jpeg"},
		"GIF":        {gif, "image/gif"},
		"WebP":       {"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"},
		"SVG":        {`<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>`, "image/svg+xml"},
		"whole SVG":  {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a -->\n<!DOCTYPE svg>\n<s:svg xmlns:s=\"http://www.w3.org/2000/svg\"></s:svg>\n", "image/svg+xml"},
		"empty":      {"", ""},
		"text":       {"logo", ""},
		"HTML":       {"<!doctype html><html><body></body></html>", ""},
		"XHTML":      {`<html xmlns="http://www.w3.org/1999/xhtml"><svg xmlns="http://www.w3.org/2000/svg"/></html>`, ""},
		"no XML":     {`<svg xmlns="http://www.w3.org/2000/svg"><path></svg>`, ""},
		"half":       {`<svg xmlns="http://www.w3.org/2000/svg">`, ""},
		"HTML after": {`<svg xmlns="http://www.w3.org/2000/svg"/><p>`, ""},
		"other svg":  {"<svg/>", ""},
		"BMP":        {"BM\x00\x00", ""},
	} {
		if got, ok := LogoType([]byte(c.content)); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q %t, want %q", name, got, ok, c.want)
		}
	}
}
