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

// SignIn shows the form for user name and password.
func (p *Pages) SignIn(w http.ResponseWriter, status int, f SignIn) { f.show(p, w, status, "") }

func (f SignIn) show(p *Pages, w http.ResponseWriter, status int, wait string) {
	heading := "Sign in"
	if f.Again {
		heading = "Sign in again"
	}
	p.render(w, status, view{heading: heading, alert: alert(f.Problem, wait), at: p.at, body: p.signIn(f)})
}

func (p *Pages) signIn(f SignIn) html {
	known := f.Username != ""
	return when(f.Again, `<p>It is some time since you signed in. To go on, enter your password again.</p>
`) + when(!f.Again && f.SignedInAs != "", `<p>You are signed in as <strong>`+escape(f.SignedInAs)+`</strong>. Here you can sign in again, or as somebody else.</p>
`) + `<form method="post" action="` + link(p.at+"sign-in") + `">
<input type="hidden" name="return_to" value="` + escape(f.ReturnTo) + `">
<label for="username">User name</label>
<input type="text" id="username" name="username" value="` + escape(f.Username) + `" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" required` + when(!known, " autofocus") + f.Problem.field() + `>
<label for="password">Password</label>
<input type="password" id="password" name="password" autocomplete="current-password" required` + when(known, " autofocus") + f.Problem.field() + `>
` + when(f.Remember, `<label class="check" for="remember"><input type="checkbox" id="remember" name="remember" value="on"`+when(f.Remembered, " checked")+`> Stay signed in on this device for `+escape(length(f.RememberFor))+`</label>
`) + `<button type="submit">Sign in</button>
</form>
` + when(f.SignedInAs != "", `<p class="more">`+p.signOutLink()+`</p>
`)
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
	p.render(w, status, view{heading: "Enter your code", alert: alert(f.Problem, wait), at: p.at, body: p.secondFactor(f)})
}

func (p *Pages) secondFactor(f SecondFactor) html {
	// Which of the two fields has the focus, and the problem if there is one.
	code, recovery := " autofocus"+f.Problem.field(), html("")
	if f.Problem == WrongRecovery {
		code, recovery = "", code
	}
	form := `<form method="post" action="` + link(p.at+"second-factor") + `">
<input type="hidden" name="return_to" value="` + escape(f.ReturnTo) + `">
`
	help := html(`<p class="hint">If you no longer have the app, ask the people who run this service.</p>
`)
	if f.Recovery {
		help = `<details` + when(f.Problem == WrongRecovery, " open") + `>
<summary>Use a recovery code instead</summary>
` + form + `<label for="recovery">Recovery code</label>
<input type="text" class="code" id="recovery" name="code" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false" required` + recovery + `>
<p class="hint">Each of your recovery codes works once.</p>
<button type="submit">Use recovery code</button>
</form>
</details>
`
	}
	return `<p>Open the app on your phone that makes your codes. Enter the code that it shows` + when(f.Username != "", ` for <strong>`+escape(f.Username)+`</strong>`) + `.</p>
` + form + `<label for="code">Code</label>
<input type="text" class="code" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" autocapitalize="none" autocorrect="off" spellcheck="false" required` + code + `>
<button type="submit">Continue</button>
</form>
` + help + `<p class="more">` + p.signInLink("Sign in as somebody else", f.ReturnTo) + `</p>
`
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
	body := `<p>You are not signed in.</p>
<p class="more">` + p.signInLink("Sign in", "") + `</p>
`
	if s.Username != "" {
		body = `<p>You are signed in as <strong>` + escape(s.Username) + `</strong>.</p>
<form method="post" action="` + link(p.at+"sign-out") + `">
<button type="submit" id="sign-out" autofocus>Sign out</button>
</form>
`
	}
	p.render(w, status, view{heading: "Sign out", at: p.at, body: body})
}

// signInLink leads to the form for user name and password, and from there, if
// returnTo is not empty, to it.
func (p *Pages) signInLink(words html, returnTo string) html {
	return `<a href="` + link(p.at+"sign-in") + when(returnTo != "", `?return_to=`+query(returnTo)) + `">` + words + `</a>`
}

func (p *Pages) signOutLink() html { return `<a href="` + link(p.at+"sign-out") + `">Sign out</a>` }
