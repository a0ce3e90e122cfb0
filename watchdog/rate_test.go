package watchdog

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const otherKey = "awk_CANARY-another-key-of-these-tests"

// rated are settings with a rate for callers with a key, one for anybody, and
// none.
func rated(t *testing.T, more Settings) Settings {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "auth.yml")
	if err := os.WriteFile(policy, []byte(`methods:
  ci:    {type: bearer}
  users: {type: basic}
rules:
  - {match: "POST /", accept: [ci, users], rate: "10/m burst 3"}
  - {match: "GET /public/", public: true, rate: 6/m burst 2}
  - {match: "GET /free", accept: [ci]}
  - {match: "GET /other", accept: [ci], rate: "2/h"}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Settings{"auth_config": policy}
	for name, value := range more {
		s[name] = value
	}
	return secrets(t, map[string]string{
		"api-key": "me " + key + "\nother " + otherKey, "basic-auth-user": "me", "basic-auth-password": "secret",
	}, s)
}

// A rateCall is a request and what becomes of it.
type rateCall struct {
	after         time.Duration // the one before
	method, path  string
	authorization string
	from          string // an address; 192.0.2.1 if empty
	forwarded     string // X-Forwarded-For
	want          int
	retry         string // Retry-After
}

const (
	asMe    = "Bearer " + key
	asOther = "Bearer " + otherKey
	asUser  = "Basic bWU6c2VjcmV0"
)

func (c rateCall) send(w *Watchdog) *httptest.ResponseRecorder {
	r := httptest.NewRequest(c.method, c.path, nil)
	if c.from != "" {
		r.RemoteAddr = c.from
	}
	if c.authorization != "" {
		r.Header.Set("Authorization", c.authorization)
	}
	if c.forwarded != "" {
		r.Header.Set("X-Forwarded-For", c.forwarded)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func times(n int, c rateCall) []rateCall {
	calls := make([]rateCall, n)
	for i := range calls {
		calls[i] = c
		if i > 0 {
			calls[i].after = 0
		}
	}
	return calls
}

func TestRate(t *testing.T) {
	post := func(as string, want int, retry string) rateCall {
		return rateCall{method: "POST", path: "/", authorization: as, want: want, retry: retry}
	}
	public := func(from, forwarded string, want int, retry string) rateCall {
		return rateCall{method: "GET", path: "/public/x", from: from, forwarded: forwarded, want: want, retry: retry}
	}
	after := func(d time.Duration, c rateCall) rateCall {
		c.after = d
		return c
	}
	join := func(lists ...[]rateCall) (all []rateCall) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	for name, tt := range map[string]struct {
		settings Settings
		calls    []rateCall
	}{
		"a burst, and then one in each interval": {nil, join(
			times(3, post(asMe, 200, "")), times(2, post(asMe, 429, "6")),
			[]rateCall{
				after(time.Second, post(asMe, 429, "5")), after(4500*time.Millisecond, post(asMe, 429, "1")),
				after(500*time.Millisecond, post(asMe, 200, "")), post(asMe, 429, "6"),
				after(18*time.Second, post(asMe, 200, "")), post(asMe, 200, ""), post(asMe, 200, ""), post(asMe, 429, "6"),
			},
		)},
		"without a burst it is the count": {nil, join(
			times(2, rateCall{method: "GET", path: "/other", authorization: asMe, want: 200}),
			times(1, rateCall{method: "GET", path: "/other", authorization: asMe, want: 429, retry: "1800"}),
		)},
		"each identity has its own": {nil, join(
			times(3, post(asMe, 200, "")), times(1, post(asMe, 429, "6")),
			times(3, post(asOther, 200, "")), times(1, post(asOther, 429, "6")),
			times(3, post(asUser, 200, "")), times(1, post(asUser, 429, "6")), // of the same name by another method
		)},
		"whatever its address": {nil, []rateCall{
			{method: "POST", path: "/", authorization: asMe, from: "1.1.1.1:1", want: 200},
			{method: "POST", path: "/", authorization: asMe, from: "2.2.2.2:1", want: 200},
			{method: "POST", path: "/", authorization: asMe, from: "3.3.3.3:1", want: 200},
			{method: "POST", path: "/", authorization: asMe, from: "4.4.4.4:1", want: 429, retry: "6"},
		}},
		"each rule has its own": {nil, join(
			times(3, post(asMe, 200, "")), times(1, post(asMe, 429, "6")),
			times(2, rateCall{method: "GET", path: "/other", authorization: asMe, want: 200}),
			times(20, rateCall{method: "GET", path: "/free", authorization: asMe, want: 200}),
		)},
		"who is refused spends nothing": {nil, join(
			times(20, post("", 401, "")), times(20, post("Bearer wrong", 401, "")), times(3, post(asMe, 200, "")),
		)},
		"probes are not counted": {nil, join(
			times(20, rateCall{method: "GET", path: "/_/health", want: 200}), times(2, public("", "", 200, "")),
			times(1, public("", "", 429, "10")), times(20, rateCall{method: "GET", path: "/_/ready", want: 200}),
		)},
		"each address has its own on a public rule": {nil, join(
			times(2, public("1.1.1.1:1", "", 200, "")), times(1, public("1.1.1.1:2", "", 429, "10")),
			times(2, public("2.2.2.2:1", "", 200, "")), times(1, public("[::ffff:2.2.2.2]:1", "", 429, "10")),
			times(1, public("[2001:db8:0:1::1]:1", "", 200, "")), times(1, public("[2001:db8:0:1::2]:1", "", 200, "")),
			times(1, public("[2001:db8:0:1::3]:1", "", 429, "10")), times(1, public("[2001:db8:0:2::1]:1", "", 200, "")),
		)},
		"no credential makes it another": {nil, join(
			times(2, public("", "", 200, "")), times(1, rateCall{method: "GET", path: "/public/", authorization: asMe, want: 429, retry: "10"}),
		)},
		"addresses behind a proxy that is not trusted": {nil, join(
			times(1, public("10.0.0.9:1", "1.1.1.1", 200, "")), times(1, public("10.0.0.9:2", "2.2.2.2", 200, "")),
			times(1, public("10.0.0.9:3", "3.3.3.3", 429, "10")),
		)},
		"addresses behind one that is": {Settings{"trusted_proxy_hops": "1"}, join(
			times(2, public("10.0.0.9:1", "1.1.1.1", 200, "")), times(1, public("10.0.0.9:2", "2.2.2.2, 1.1.1.1", 429, "10")),
			times(2, public("10.0.0.9:3", "1.1.1.1, 3.3.3.3", 200, "")),
		)},
		"addresses that are not known are one": {nil, join(
			times(1, public("@", "", 200, "")), times(1, public("x", "", 200, "")), times(1, public("@", "", 429, "10")), times(1, public("", "", 200, "")),
		)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, l := serving(t, http.HandlerFunc(ok), rated(t, tt.settings))
				defer w.close()
				for i, c := range tt.calls {
					time.Sleep(c.after)
					got := c.send(w)
					internal := ""
					if c.want == 429 {
						internal = "auth-watchdog"
					}
					h := got.Header()
					if got.Code != c.want || h.Get("Retry-After") != c.retry || h.Get("X-OpenFaaS-Internal") != internal {
						t.Fatalf("call %d, %+v: got %d and %v\n%s", i+1, c, got.Code, h, l)
					}
				}
			})
		})
	}
}

// TestRateIsSeen: in the metrics each time, in the audit log once a minute for
// each caller.
func TestRateIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := serving(t, http.HandlerFunc(ok), rated(t, nil))
		defer w.close()
		events := func() int { return strings.Count(l.String(), `"event":"excess_rate_limit_exceeded"`) }
		for range 30 {
			rateCall{method: "POST", path: "/", authorization: asMe}.send(w)
		}
		if got := events(); got != 1 {
			t.Errorf("%d events, want one\n%s", got, l)
		}
		for range 4 {
			rateCall{method: "POST", path: "/", authorization: asOther}.send(w)
		}
		if got := events(); got != 2 {
			t.Errorf("%d events, want one of each caller\n%s", got, l)
		}
		time.Sleep(time.Minute)
		for range 30 {
			rateCall{method: "POST", path: "/", authorization: asMe}.send(w)
		}
		if got := events(); got != 3 {
			t.Errorf("%d events, want another after a minute\n%s", got, l)
		}
		time.Sleep(time.Second) // for the access log
		for _, want := range []string{
			`"event":"excess_rate_limit_exceeded","appid":"auth-watchdog","function":"function","reason":"rate","status":429,`,
			`"source_ip":"192.0.2.1","rule":"POST /","auth_method":"ci","userid":"other"}`,
		} {
			if !strings.Contains(l.String(), want) {
				t.Errorf("got the log\n%s\nwant %s", l, want)
			}
		}
		if !regexp.MustCompile(`status=429 .* reason=rate subject=me auth_method=ci`).MatchString(l.String()) {
			t.Errorf("got the log\n%s\nwant the reason in it", l)
		}
		metrics := scrape(w)
		for _, want := range []string{
			`auth_rate_limited_total{rule="POST /"} 55`, `auth_rate_limited_total{rule="GET /public/"} 0`,
			`auth_decisions_total{method="ci",reason="admitted",result="admitted"} 64`, `http_requests_total{code="429",method="post"} 55`,
		} {
			if !strings.Contains(metrics, want+"\n") {
				t.Errorf("the metrics have no %s", want)
			}
		}
		if strings.Contains(metrics, `rule="GET /free"`) || strings.Contains(l.String()+metrics, "CANARY") {
			t.Error("a rule without a rate has a series, or a key stands in log or metrics")
		}
	})
}

// TestRateOutlivesAPolicy: a change of secrets lets nobody begin anew.
func TestRateOutlivesAPolicy(t *testing.T) {
	s := rated(t, nil)
	w, l := serving(t, http.HandlerFunc(ok), s)
	mine := rateCall{method: "GET", path: "/other", authorization: asMe}
	for range 2 {
		if got := mine.send(w).Code; got != 200 {
			t.Fatalf("got %d", got)
		}
	}
	if err := os.WriteFile(filepath.Join(s["secret_mount_path"], "api-key"), fmt.Appendf(nil, "me %s\nthird %s", key, otherKey), 0o600); err != nil {
		t.Fatal(err)
	}
	w.poll()
	w.poll()
	if !strings.Contains(l.String(), "the secrets have changed and are in force") {
		t.Fatalf("got the log\n%s", l)
	}
	if got := mine.send(w).Code; got != 429 {
		t.Errorf("after a reload: got %d, want 429", got)
	}
	if got := (rateCall{method: "GET", path: "/other", authorization: asOther}).send(w).Code; got != 200 {
		t.Errorf("another caller: got %d, want 200", got)
	}
}

func TestRateInCheck(t *testing.T) {
	s := rated(t, nil)
	report, err := Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^POST / +at most 10/m burst 3 of each caller +–`, `(?m)^GET /public/ +at most 6/m burst 2 of each address +–`,
		`(?m)^GET /other +at most 2/h burst 2 of each caller +–`, `(?m)^warning: rule "GET /public/": its rate is of each address, and .*: see trusted_proxy_hops$`,
	} {
		if !regexp.MustCompile(want).MatchString(report.String()) {
			t.Errorf("got\n%s\nwant %s", report, want)
		}
	}
	s["trusted_proxy_hops"] = "1"
	if report, err = Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, false); err != nil || strings.Contains(report.String(), "see trusted_proxy_hops") {
		t.Errorf("got %v and\n%s\nwant no warning", err, report)
	}
	e, err := Explain(Options{Settings: s}, []byte("POST / HTTP/1.1\r\nHost: f\r\nAuthorization: "+asMe+"\r\n\r\n"), time.Now())
	if err != nil || !e.Admitted || len(e.Notes) != 1 || e.Notes[0] != "the rule's rate, at most 10/m burst 3 of each caller, is not counted here" {
		t.Errorf("got %+v and %v", e, err)
	}

	if err := os.WriteFile(s["auth_config"], []byte("methods: {ci: {type: bearer}}\nrules:\n  - {match: /, accept: [ci], rate: 10 per minute}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, false)
	if want := s["auth_config"] + `:3: rules[1].rate="10 per minute": want a rate such as 10/s, 10/m or 10/h, or 10/m burst 5`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
