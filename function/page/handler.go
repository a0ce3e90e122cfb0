// Package function is a page for people, whose browsers ask for name and
// password.
//
// It has no code that checks a password: the watchdog in front of it lets
// nobody through without one, and says in a header whose it was.
package function

import (
	"html/template"
	"net/http"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Hello</title>
<h1>Hello {{.}}</h1>
<p>Only who has a password sees this page.</p>
</html>
`))

// Handle is called for each request that the watchdog has let through.
func Handle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, r.Header.Get("X-Auth-Subject")) // the browser may have gone
}
