package page

import "net/http"

// SignedOut is what follows a sign-out.
type SignedOut struct {
	ReturnTo string // where the next sign-in leads
}

// SignedOut says what a sign-out does and does not do.
func (p *Pages) SignedOut(w http.ResponseWriter, s SignedOut) {
	p.render(w, http.StatusOK, view{heading: "You are signed out", at: p.at, body: `<p>This browser is signed out. Where you have signed in with other browsers or devices, you still are.</p>
<p>If you think that somebody else uses your account, tell the people who run this service. They can sign you out everywhere.</p>
<p class="more">` + p.signInLink("Sign in again", s.ReturnTo) + `</p>
`})
}

// here is the folder of links in pages whose address may have another prefix
// than ours. Such a page stands directly below /_/auth/.
const here = "./"

// PlainHTTP is a page that was opened without TLS.
type PlainHTTP struct {
	Opened string // empty if it is not known as the browser has it
	Want   string // the URL over https; empty if it is not known
}

// PlainHTTP says that signing in needs https.
func (p *Pages) PlainHTTP(w http.ResponseWriter, status int, a PlainHTTP) {
	opened, instead := html("this page over plain http"), html(`<p>Ask the people who run this service for its https address.</p>
`)
	if a.Opened != "" {
		opened = `<code>` + escape(a.Opened) + `</code>`
	}
	if a.Want != "" {
		instead = `<p>Use this address instead:</p>
` + address(a.Want)
	}
	p.render(w, status, view{heading: "This page needs https", at: here, body: `<p>You have opened ` + opened + `, which is not encrypted. Others could read your password there, and your browser would not stay signed in.</p>
` + instead})
}

// WrongOrigin is a page that was opened under another address than the public
// one.
type WrongOrigin struct {
	Opened string
	Want   string
}

// WrongOrigin says under which address signing in works.
func (p *Pages) WrongOrigin(w http.ResponseWriter, status int, a WrongOrigin) {
	p.render(w, status, view{heading: "Not at this address", at: here, body: `<p>You have opened <code>` + escape(a.Opened) + `</code>. Signing in works at one address only:</p>
` + address(a.Want)})
}

// address is one to read and to follow.
func address(url string) html {
	return `<p class="more"><a href="` + link(url) + `">` + escape(url) + `</a></p>
`
}

// NoSecondFactor is an account without the second factor that is needed.
type NoSecondFactor struct {
	Username string
	ReturnTo string // where a sign-in as somebody else leads
}

// NoSecondFactor says that a second factor is needed, and who can set one up.
func (p *Pages) NoSecondFactor(w http.ResponseWriter, status int, a NoSecondFactor) {
	p.render(w, status, view{heading: "You need a second factor", at: p.at, body: `<p>What you have opened is only for accounts with a second factor, such as an app that makes codes. <strong>` + escape(a.Username) + `</strong> has none yet.</p>
<p>The people who run this service can set one up for you.</p>
` + p.asSomebodyElse(a.ReturnTo)})
}

// Forbidden is a page of the function that is for others.
type Forbidden struct {
	Username string
	ReturnTo string // where a sign-in as somebody else leads
}

// Forbidden says who is signed in, and that this is not enough.
func (p *Pages) Forbidden(w http.ResponseWriter, a Forbidden) {
	p.render(w, http.StatusForbidden, view{heading: "This page is not for you", at: p.at, body: `<p>You are signed in as <strong>` + escape(a.Username) + `</strong>, and this page is for others. The people who run this service can change that.</p>
` + p.asSomebodyElse(a.ReturnTo)})
}

func (p *Pages) asSomebodyElse(returnTo string) html {
	return `<p class="more">` + p.signInLink("Sign in as somebody else", returnTo) + ` ` + p.signOutLink() + `</p>
`
}

// Error says in general words what went wrong. Whoever runs the service finds
// more in the log by the call's id.
func (p *Pages) Error(w http.ResponseWriter, status int, callID string) {
	heading, words := "Something went wrong", "Please try again in a moment."
	switch status {
	case http.StatusForbidden:
		heading, words = "Not allowed", "This request was refused."
	case http.StatusNotFound:
		heading, words = "Not found", "There is no page at this address."
	case http.StatusMethodNotAllowed:
		heading, words = "Not possible", "This address cannot be used in this way."
	case http.StatusRequestTimeout:
		heading, words = "Too slow", "This request did not arrive in time. Please try again."
	case http.StatusServiceUnavailable:
		heading, words = "Not available", "Signing in is not possible at this moment. Please try again soon."
	default:
		if status < http.StatusInternalServerError {
			heading, words = "Not possible", "This request was not understood."
		}
	}
	p.render(w, status, view{heading: heading, at: p.at, body: `<p>` + escape(words) + `</p>
` + when(callID != "", `<p class="hint">If it goes on, tell the people who run this service this id: <code>`+escape(callID)+`</code></p>
`) + `<p class="more">` + p.signInLink("To the sign-in page", "") + `</p>
`})
}
