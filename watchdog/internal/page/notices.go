package page

import "net/http"

// SignedOut is what follows a sign-out.
type SignedOut struct {
	ReturnTo string // where the next sign-in leads
}

// SignedOut says what a sign-out does and does not do.
func (p *Pages) SignedOut(w http.ResponseWriter, s SignedOut) {
	p.render(w, http.StatusOK, "signed-out.html", view{Heading: "You are signed out", Page: s})
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
	p.render(w, status, "plain-http.html", view{Heading: "This page needs https", At: here, Page: a})
}

// WrongOrigin is a page that was opened under another address than the public
// one.
type WrongOrigin struct {
	Opened string
	Want   string
}

// WrongOrigin says under which address signing in works.
func (p *Pages) WrongOrigin(w http.ResponseWriter, status int, a WrongOrigin) {
	p.render(w, status, "wrong-origin.html", view{Heading: "Not at this address", At: here, Page: a})
}

// NoSecondFactor is an account without the second factor that is needed.
type NoSecondFactor struct {
	Username string
	ReturnTo string // where a sign-in as somebody else leads
}

// NoSecondFactor says that a second factor is needed, and who can set one up.
func (p *Pages) NoSecondFactor(w http.ResponseWriter, status int, a NoSecondFactor) {
	p.render(w, status, "no-second-factor.html", view{Heading: "You need a second factor", Page: a})
}

// Forbidden is a page of the function that is for others.
type Forbidden struct {
	Username string
	ReturnTo string // where a sign-in as somebody else leads
}

// Forbidden says who is signed in, and that this is not enough.
func (p *Pages) Forbidden(w http.ResponseWriter, a Forbidden) {
	p.render(w, http.StatusForbidden, "forbidden.html", view{Heading: "This page is not for you", Page: a})
}

type failure struct {
	Text   string
	CallID string
}

// Error says in general words what went wrong. Whoever runs the service finds
// more in the log by the call's id.
func (p *Pages) Error(w http.ResponseWriter, status int, callID string) {
	heading, text := "Something went wrong", "Please try again in a moment."
	switch status {
	case http.StatusForbidden:
		heading, text = "Not allowed", "This request was refused."
	case http.StatusNotFound:
		heading, text = "Not found", "There is no page at this address."
	case http.StatusMethodNotAllowed:
		heading, text = "Not possible", "This address cannot be used in this way."
	case http.StatusRequestTimeout:
		heading, text = "Too slow", "This request did not arrive in time. Please try again."
	case http.StatusServiceUnavailable:
		heading, text = "Not available", "Signing in is not possible at this moment. Please try again soon."
	default:
		if status < http.StatusInternalServerError {
			heading, text = "Not possible", "This request was not understood."
		}
	}
	p.render(w, status, "error.html", view{Heading: heading, Page: failure{text, callID}})
}
