package page

// A Problem is why a form is shown again.
type Problem int

const (
	None Problem = iota
	// Wrong is a wrong name or a wrong password; which of them is not said.
	Wrong
	// WrongCode is a code that is not the one of this time.
	WrongCode
	// UsedCode is a code that has been used.
	UsedCode
	// WrongRecovery is a recovery code that is unknown or has been used.
	WrongRecovery
	// Expired is a sign-in whose second step came too late.
	Expired
	// Foreign is a form that another site has sent.
	Foreign
	// NoCookie is a browser that does not keep cookies.
	NoCookie
	// Busy is too many sign-ins of all people at one time.
	Busy
	// Throttled is too many failures.
	Throttled
)

func (p Problem) text() string {
	switch p {
	case Wrong:
		return "The user name or the password is wrong."
	case WrongCode:
		return "This code is wrong. Enter the one that your app shows now."
	case UsedCode:
		return "This code has been used. Wait until your app shows the next one."
	case WrongRecovery:
		return "This recovery code is wrong, or it has been used."
	case Expired:
		return "That took too long. Please sign in again."
	case Foreign:
		return "That form came from another site, so nothing was done. You can sign in here."
	case NoCookie:
		return "Your browser did not keep the cookie that signing in needs. Allow cookies for this site, then try again."
	case Busy:
		return "Many people are signing in at this moment."
	case Throttled:
		return "There were too many failed attempts."
	}
	return ""
}

// Invalid says that what was typed is what was wrong.
func (p Problem) Invalid() bool {
	return p == Wrong || p == WrongCode || p == UsedCode || p == WrongRecovery
}

// field is what a field says of the problem that stands above it, if one does.
func (p Problem) field() html {
	return when(p != None, ` aria-describedby="problem"`+when(p.Invalid(), ` aria-invalid="true"`))
}
