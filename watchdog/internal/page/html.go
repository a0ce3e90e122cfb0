package page

import (
	"fmt"
	"strings"
)

// html is markup. A constant is what it says; of any other string nothing can
// become markup, as it is escape, link or query that make html of it. A test holds
// the package to that, and each of the three to its place.
//
// They write what html/template would. That package is not used because a
// program with it keeps every exported method of everything in it: 2 MB of ours.
type html string

// replacements are those of escape. A + begins what old browsers took for UTF-7.
var replacements = strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;")

// escape is s between tags, or as the quoted value of an attribute that is no
// address.
func escape(s string) html { return html(replacements.Replace(s)) }

// link is s as the quoted value of an attribute that is an address. Schemes that
// could do more than open a page, such as javascript:, lead nowhere.
func link(s string) html {
	scheme, _, ok := strings.Cut(s, ":")
	if ok && !strings.Contains(scheme, "/") && !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "mailto") {
		return "#ZgotmplZ"
	}
	return escape(percent(s, "!#$%&*+,/:;=?@[]"))
}

// query is s as the value of a parameter in an address.
func query(s string) html { return escape(percent(s, "")) }

// percent escapes s as RFC 3986 §2.1 has it, but for what is unreserved or kept,
// and for what is escaped already if % is kept.
func percent(s, kept string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isLetterOrDigit(c) || strings.IndexByte("-._~", c) >= 0 || strings.IndexByte(kept, c) >= 0 && (c != '%' || isEscape(s[i:])) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isEscape reports whether s, which begins with %, begins with an escape.
func isEscape(s string) bool {
	isHex := func(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }
	return len(s) >= 3 && isHex(s[1]) && isHex(s[2])
}

// when is h, or nothing.
func when(condition bool, h html) html {
	if condition {
		return h
	}
	return ""
}

// A view is a page without what all have.
type view struct {
	heading string
	alert   string // a problem, in words
	at      string // the folder of links
	body    html
}

// layout puts around a page what all have.
func (p *Pages) layout(v view) html {
	name, hasLogo := p.title, p.logo.content != nil
	return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>` + when(v.alert != "", "Error: ") + escape(v.heading) + when(name != "", " – "+escape(name)) + `</title>
<link rel="stylesheet" href="` + link(v.at+p.style.name) + `">
` + when(hasLogo, `<link rel="icon" href="`+link(v.at+p.logo.name)+`">
`) + `</head>
<body>
<main>
` + when(hasLogo, `<img class="logo" src="`+link(v.at+p.logo.name)+`" alt="">
`) + when(name != "", `<p class="name">`+escape(name)+`</p>
`) + `<h1>` + escape(v.heading) + `</h1>
` + when(v.alert != "", `<p class="problem" id="problem" role="alert">`+escape(v.alert)+`</p>
`) + v.body + `</main>
</body>
</html>
`
}
