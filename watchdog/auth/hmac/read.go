package hmac

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth"
)

// maxSignatures is how many signatures one request may bring.
const maxSignatures = 20

func malformed(format string, args ...any) error {
	return &auth.Denied{Reason: auth.Malformed, Err: fmt.Errorf(format, args...)}
}

// signatures returns the signatures of r as they are written, and the items
// that stood beside them. It returns auth.ErrNoCredential if there is none.
func (s *Signature) signatures(d *document) (found, items []string, err error) {
	var values []string
	for _, h := range s.Headers {
		if v := d.request.Header.Get(h); v != "" {
			values = append(values, v)
		}
	}
	switch {
	case s.JSON != "" && (d.element != nil || isJSON(d.request)):
		if v, ok, err := d.value(s.JSON); err != nil {
			return nil, nil, err
		} else if ok {
			values = append(values, v)
		}
	case s.Query != "":
		v, _, err := d.request.Parameter(s.Query)
		if err != nil {
			return nil, nil, err
		}
		if v != "" {
			values = append(values, v)
		}
	}
	for _, v := range values {
		if s.Split == "" {
			items = append(items, v)
			continue
		}
		for item := range strings.SplitSeq(v, s.Split) {
			items = append(items, strings.Trim(item, " \t"))
		}
	}
	for _, item := range items {
		if text, ok := strings.CutPrefix(item, s.Prefix); ok && text != "" {
			found = append(found, text)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil, auth.ErrNoCredential
	case len(found) > maxSignatures:
		return nil, nil, malformed("more than %d signatures", maxSignatures)
	}
	return found, items, nil
}

// decode returns the signatures that are written as they have to be.
func (s *Signature) decode(texts []string, size int) ([][]byte, error) {
	var list [][]byte
	for _, text := range texts {
		var b []byte
		var err error
		switch s.Encoding {
		case Base64:
			b, err = base64.StdEncoding.Strict().DecodeString(text)
		case Base64URL:
			b, err = base64.RawURLEncoding.Strict().DecodeString(text)
			if strings.HasSuffix(text, "=") {
				b, err = base64.URLEncoding.Strict().DecodeString(text)
			}
		default:
			b, err = hex.DecodeString(text)
		}
		// The decoders of base64 pass over line ends.
		if err == nil && !strings.ContainsAny(text, "\r\n") && len(b) > 0 && (size == 0 || len(b) == size) {
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		return nil, malformed("no signature is %s of the right length", s.Encoding)
	}
	return list, nil
}

// read returns the text at the source; empty if there is none.
func (s Source) read(d *document) (string, error) {
	switch {
	case s.Header != "":
		return d.request.Header.Get(s.Header), nil
	case s.JSON != "":
		v, _, err := d.value(s.JSON)
		return v, err
	}
	return "", nil
}

// text returns the time as it is written, which is what was signed.
func (t Time) text(d *document, items []string) (string, error) {
	if t.Claim != "" {
		return d.token.claims[t.Claim], nil
	}
	if t.SigPrefix == "" {
		return t.read(d)
	}
	var found []string
	for _, item := range items {
		if text, ok := strings.CutPrefix(item, t.SigPrefix); ok {
			found = append(found, text)
		}
	}
	if len(found) != 1 {
		return "", malformed("%d times in the signature", len(found))
	}
	return found[0], nil
}

// parse reads a time. It takes one spelling of each: no sign, no space.
func (t Time) parse(text string) (time.Time, error) {
	wrong := malformed("the time is not %s", t.Format)
	switch t.Format {
	case RFC3339:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || strings.Contains(text, ",") { // which package time takes for a point
			return time.Time{}, wrong
		}
		return at, nil
	case HTTPDate:
		at, err := http.ParseTime(text)
		if err != nil {
			return time.Time{}, wrong
		}
		return at, nil
	}
	const most = 16
	if text == "" || len(text) > most || strings.Trim(text, "0123456789") != "" || len(text) > 1 && text[0] == '0' {
		return time.Time{}, wrong
	}
	n, _ := strconv.ParseInt(text, 10, 64) // so many digits always fit
	if t.Format == UnixMS {
		return time.UnixMilli(n), nil
	}
	return time.Unix(n, 0), nil
}

// judge reports whether text is a time near enough to now, on either side.
func (t Time) judge(text string, now time.Time) error {
	if text == "" {
		return malformed("no time of signing")
	}
	at, err := t.parse(text)
	if err != nil {
		return err
	}
	if t.Tolerance == 0 {
		return nil // signed, and not judged
	}
	if age := now.Sub(at); age > t.Tolerance || age < -t.Tolerance {
		return &auth.Denied{Reason: auth.Stale, Err: fmt.Errorf("signed %s from now, and %s is the most", age.Round(time.Second), t.Tolerance)}
	}
	return nil
}

// isJSON reports whether to look for JSON in a body: it says that it is, or
// nothing of what it is.
func isJSON(r *auth.Request) bool {
	header := r.Header.Get("Content-Type")
	t, _, err := mime.ParseMediaType(header)
	return header == "" && r.ContentLength != 0 || err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}
