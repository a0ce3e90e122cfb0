package hmac

import (
	"mime"
	"net/url"
	"slices"
	"strings"

	"auth-watchdog/watchdog/auth"
)

// formType is the Content-Type of a form (WHATWG URL §5).
const formType = "application/x-www-form-urlencoded"

// sortedForm is the form in the body of a request as Twilio signs it: names and
// values without anything between, in the order of the names, each value of a
// name once. A body that is no form is refused, because it would not be signed.
func sortedForm(r *auth.Request) ([]byte, error) {
	body, err := r.ReadBody()
	if err != nil || len(body) == 0 {
		return nil, err
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != formType {
		return nil, malformed("the body is not a form, and nothing else is signed")
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("the body as a form: %w", err)
	}
	return []byte(joinForm(values)), nil
}

func joinForm(values url.Values) string {
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range names {
		list := values[n]
		slices.Sort(list)
		for _, v := range slices.Compact(list) {
			b.WriteString(n)
			b.WriteString(v)
		}
	}
	return b.String()
}
