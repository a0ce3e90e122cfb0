package page

import (
	"net/http"
	"strconv"
	"time"
)

// SignIn is the form for user name and password.
type SignIn struct {
	Username string // that was given
	ReturnTo string // where it leads

	Remember    bool          // offer a longer session
	RememberFor time.Duration // how long that one is
	Remembered  bool          // it was chosen

	Problem    Problem
	SignedInAs string // who is signed in already
	Again      bool   // asked for because the last sign-in was long ago
}

// RememberWords is RememberFor in words.
func (f SignIn) RememberWords() string { return length(f.RememberFor) }

// SignIn shows the form for user name and password.
func (p *Pages) SignIn(w http.ResponseWriter, status int, f SignIn) { f.show(p, w, status, "") }

func (f SignIn) show(p *Pages, w http.ResponseWriter, status int, wait string) {
	heading := "Sign in"
	if f.Again {
		heading = "Sign in again"
	}
	p.render(w, status, "sign-in.html", view{Heading: heading, Problem: f.Problem, Alert: alert(f.Problem, wait), Page: f})
}

func (f SignIn) throttled() Form {
	if f.Problem != Busy {
		f.Problem = Throttled
	}
	return f
}

// SecondFactor is the form for a code.
type SecondFactor struct {
	Username string
	ReturnTo string
	Recovery bool // the account has recovery codes
	Problem  Problem
}

// SecondFactor shows the form for a code.
func (p *Pages) SecondFactor(w http.ResponseWriter, status int, f SecondFactor) {
	f.show(p, w, status, "")
}

func (f SecondFactor) show(p *Pages, w http.ResponseWriter, status int, wait string) {
	p.render(w, status, "second-factor.html", view{Heading: "Enter your code", Problem: f.Problem, Alert: alert(f.Problem, wait), Page: f})
}

func (f SecondFactor) throttled() Form {
	if f.Problem != Busy {
		f.Problem = Throttled
	}
	return f
}

// A Form is a [SignIn] or a [SecondFactor].
type Form interface {
	show(p *Pages, w http.ResponseWriter, status int, wait string)
	throttled() Form
}

// TooMany shows a form with 429 and how long to wait. If its Problem is [Busy] it
// says so, else that there were too many failures.
func (p *Pages) TooMany(w http.ResponseWriter, wait time.Duration, f Form) {
	w.Header().Set("Retry-After", strconv.FormatInt(int64(max(1, ceil(wait, time.Second))), 10))
	f.throttled().show(p, w, http.StatusTooManyRequests, waitWords(wait))
}

// alert is a problem in words, with the time to wait if there is one.
func alert(p Problem, wait string) string {
	switch {
	case wait != "":
		return p.text() + " Try again " + wait + "."
	case p == Busy || p == Throttled:
		return p.text() + " Try again later."
	}
	return p.text()
}

// SignOut is the question whether to sign out.
type SignOut struct {
	Username string // empty if nobody is signed in
}

// SignOut shows a button that signs out.
func (p *Pages) SignOut(w http.ResponseWriter, status int, s SignOut) {
	p.render(w, status, "sign-out.html", view{Heading: "Sign out", Page: s})
}
