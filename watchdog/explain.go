package watchdog

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"auth-watchdog/watchdog/auth"
)

// An Explanation says what would become of a request, and why. It holds no
// secret.
type Explanation struct {
	Admitted  bool      `json:"admitted"`
	Status    int       `json:"status"` // of the answer; 200 if it depends on the function
	Reason    string    `json:"reason"` // of the table of reasons
	Meaning   string    `json:"meaning"`
	At        time.Time `json:"at"`
	Method    string    `json:"method"` // of HTTP
	Path      string    `json:"path"`
	BodyBytes int       `json:"body_bytes"`
	BodyHash  string    `json:"body_sha256"`
	Rule      string    `json:"rule,omitempty"`
	Subject   string    `json:"subject,omitempty"`
	Key       string    `json:"key,omitempty"`       // secret and entry
	Handshake string    `json:"handshake,omitempty"` // the kind, if it is answered as one

	Methods []ExplainedMethod `json:"methods"` // that the rule names, in its order
	Notes   []string          `json:"notes,omitempty"`
}

// An ExplainedMethod says what a method makes of a request.
type ExplainedMethod struct {
	Name   string      `json:"name"`
	Type   string      `json:"type"`
	Reason string      `json:"reason"`
	Error  string      `json:"error,omitempty"`
	Facts  []auth.Fact `json:"facts"`
	Causes []string    `json:"causes,omitempty"` // likeliest first
}

// Explain says what a watchdog of these options would do with a request, given
// as it stands on the wire in HTTP/1.1, if it came at the given time. Nothing is
// started, and nothing outside of the process changes.
func Explain(o Options, raw []byte, at time.Time) (*Explanation, error) {
	// How function and watchdog are reached does not matter, and need not be said.
	settings := Settings{}
	maps.Copy(settings, o.Settings)
	for _, name := range []string{"fprocess", "function_process", "http_upstream_url", "tls_cert_secret", "tls_key_secret"} {
		delete(settings, name)
	}
	settings["mode"], settings["upstream_url"] = "http", "http://127.0.0.1:8082"
	o.Settings = settings
	cfg, ps := load(o)
	d := newDeps(cfg)
	d.now = func() time.Time { return at }
	_, policy, _ := readSecrets(&ps, cfg, secretNames(cfg.Policy), d)
	if err := ps.Err(); err != nil {
		return nil, err
	}
	r, body, notes, err := readRequest(raw)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	e := &Explanation{
		At: at.UTC(), Method: r.Method, Path: r.URL.Path, BodyBytes: len(body), BodyHash: hex.EncodeToString(sum[:]), Notes: notes,
	}
	again := r.Clone(r.Context()) // which the gate does not change

	var decision auth.Decision
	buffers := auth.NewBuffers(cfg.MaxBody, cfg.MaxBuffered)
	gate := auth.NewGate(policy.Policy, auth.Options{
		Realm: cfg.FunctionName, Buffers: buffers, At: at, Report: func(_ *http.Request, d auth.Decision) { decision = d },
	})
	gate.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(discard{}, r)

	e.Admitted, e.Reason, e.Status, e.Meaning = decision.Allowed(), string(decision.Reason), decision.Reason.Status(), decision.Reason.Meaning()
	e.Subject = decision.Subject
	if id := decision.Identity; id.Secret != "" {
		e.Key = id.Secret + " " + id.Entry
	}
	if h := decision.Handshake; h != nil {
		e.Handshake = h.Kind
		if h.Status != 0 {
			e.Status = h.Status
		}
	}
	if decision.Rule == nil {
		return e, nil
	}
	e.Rule = decision.Rule.Match
	for _, r := range cfg.Policy.Rules {
		if e.Admitted && r.Match == e.Rule && !r.Rate.IsZero() {
			e.Notes = append(e.Notes, "the rule's rate, "+rateOf(r)+", is not counted here")
		}
	}
	for _, m := range decision.Rule.Methods() {
		again.Body = io.NopCloser(bytes.NewReader(body))
		x := ExplainedMethod{Name: m.Name(), Type: cfg.Policy.TypeOf(m.Name()), Facts: []auth.Fact{}}
		x.judge(m, auth.NewRequest(again, buffers))
		again.Body = io.NopCloser(bytes.NewReader(body))
		x.explain(m, auth.NewRequest(again, buffers))
		e.Methods = append(e.Methods, x)
	}
	return e, nil
}

// judge asks a method alone.
func (x *ExplainedMethod) judge(m auth.Method, r *auth.Request) {
	defer r.Settle(false)
	_, err := m.Authenticate(r)
	x.Reason = string(auth.ReasonOf(err))
	denied := (*auth.Denied)(nil)
	switch {
	case errors.As(err, &denied):
		err = denied.Err
	case x.Reason != string(auth.Unavailable):
		err = nil
	}
	if err != nil {
		x.Error = err.Error()
	}
}

// explain says what the method has looked at.
func (x *ExplainedMethod) explain(m auth.Method, r *auth.Request) {
	for _, name := range m.Headers() {
		seen := "not there"
		switch values := r.Header[name]; {
		case len(values) == 1:
			seen = fmt.Sprintf("there, %d characters", len(values[0]))
		case len(values) > 1:
			seen = strconv.Itoa(len(values)) + " lines of it"
		}
		if len(m.Headers()) <= 8 || seen != "not there" { // DocuSign has a hundred
			x.Facts = append(x.Facts, auth.Fact{Name: "header " + name, Value: seen})
		}
	}
	explainer, ok := m.(auth.Explainer)
	if !ok {
		return
	}
	e := explainer.Explain(r)
	x.Facts = append(x.Facts, e.Facts...)
	if x.Reason != string(auth.Admitted) && x.Reason != string(auth.Answered) {
		x.Causes = e.Causes
	}
}

// discard is a ResponseWriter for an answer that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// readRequest reads a request from a file: its lines may end as a text editor
// ends them, and what follows the first empty one is the body.
func readRequest(raw []byte) (r *http.Request, body []byte, notes []string, err error) {
	head, body := raw, []byte(nil)
	for _, empty := range []string{"\n\r\n", "\n\n"} {
		if h, b, ok := bytes.Cut(raw, []byte(empty)); ok && len(h) < len(head) {
			head, body = h, b
		}
	}
	var text strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(string(head), "\r\n"), "\n") {
		text.WriteString(strings.TrimSuffix(line, "\r") + "\r\n")
	}
	first, _, _ := strings.Cut(text.String(), "\r\n")
	if !strings.HasSuffix(first, " HTTP/1.1") && !strings.HasSuffix(first, " HTTP/1.0") {
		return nil, nil, nil, errors.New("the first line does not end with HTTP/1.1: want a request as POST / HTTP/1.1, its headers, an empty line and its body")
	}
	if !strings.Contains(strings.ToLower(text.String()), "\r\nhost:") {
		text.WriteString("Host: function\r\n")
	}
	r, err = http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(text.String()+"\r\n"), bytes.NewReader(body))))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("is not a request of HTTP/1.1: %w", err)
	}
	switch length := r.ContentLength; {
	case len(r.TransferEncoding) > 0:
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, nil, nil, fmt.Errorf("the chunks of the body: %w", err)
		}
	case r.Header.Get("Content-Length") == "":
	case int64(len(body)) > length:
		notes = append(notes, fmt.Sprintf("the file has %d bytes after the headers, and Content-Length says %d: the rest is left out", len(body), length))
		body = body[:length]
	case int64(len(body)) < length:
		notes = append(notes, fmt.Sprintf("the file has %d bytes after the headers, and Content-Length says %d: is the copy whole?", len(body), length))
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return r, body, notes, nil
}

// String is the explanation for people.
func (e *Explanation) String() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	verdict := "refused"
	switch {
	case e.Handshake != "":
		verdict = "answered in the function's place"
	case e.Admitted:
		verdict = "admitted"
	}
	fmt.Fprintf(t, "%s\t%d %s: %s\n", verdict, e.Status, e.Reason, e.Meaning)
	fmt.Fprintf(t, "request\t%s %q, %d bytes of body, SHA-256 %s\n", e.Method, e.Path, e.BodyBytes, e.BodyHash)
	fmt.Fprintf(t, "at\t%s\n", e.At.Format(time.RFC3339))
	for name, value := range pairs("rule", e.Rule, "subject", e.Subject, "key", e.Key) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	for _, n := range e.Notes {
		fmt.Fprintf(t, "note\t%s\n", n)
	}
	for _, m := range e.Methods {
		fmt.Fprintf(t, "\n%s (%s)\t%s\n", m.Name, m.Type, m.Reason)
		if m.Error != "" {
			fmt.Fprintf(t, "  because\t%s\n", m.Error)
		}
		for _, f := range m.Facts {
			fmt.Fprintf(t, "  %s\t%s\n", strings.ReplaceAll(f.Name, "_", " "), f.Value)
		}
		for i, c := range m.Causes {
			name := "likely"
			if i > 0 {
				name = "or"
			}
			fmt.Fprintf(t, "  %s\t%s\n", name, c)
		}
	}
	_ = t.Flush() // a strings.Builder never fails
	return b.String()
}

// pairs goes through names and values in turn.
func pairs(texts ...string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for i := 0; i+1 < len(texts); i += 2 {
			if !yield(texts[i], texts[i+1]) {
				return
			}
		}
	}
}
