package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestResolve(t *testing.T) {
	s := serve(t)
	s.want("POST", "/system/functions", show1, 202, "")
	for name, wantErr := range map[string]string{
		"show":             "",
		"show.openfaas-fn": "",
		"show.other":       "there is openfaas-fn only",
		"other":            "there is no function",
		"show/..":          "there is openfaas-fn only",
		"show/x":           "there is no function",
		"":                 "there is no function",
	} {
		got, err := s.Resolve(name)
		switch {
		case wantErr == "":
			if want := s.engine.watchdog("id1").server.URL; err != nil || got.String() != want {
				t.Errorf("%q: got %s, %v, want %s", name, &got, err, want)
			}
		case err == nil || !strings.Contains(err.Error(), wantErr):
			t.Errorf("%q: got error %v, want %q", name, err, wantErr)
		}
	}
}

func TestScaleFromZero(t *testing.T) {
	s := serve(t)
	s.want("POST", "/system/functions", show1, 202, "")
	s.want("GET", "/function/show", "", 200, "from one")
	s.want("POST", "/system/scale-function/show", `{"replicas":0}`, 202, "")
	s.engine.changes()
	var callers sync.WaitGroup
	for range 5 {
		callers.Go(func() { s.want("GET", "/function/show", "", 200, "from one") })
	}
	callers.Wait()
	s.wantChanges("start openfaas-fn.show")
}

func TestFunctionThatEnds(t *testing.T) {
	s := serve(t)
	s.engine.ends["one"] = true
	s.want("POST", "/system/functions", show1, 202, "")
	s.want("GET", "/function/show", "", 503, "No endpoints available for: show.")
}

func TestFunctionThatIsNotReadyYet(t *testing.T) {
	s := serve(t)
	s.readyTimeout = 100 * time.Millisecond
	s.want("POST", "/system/functions", `{"service":"show","image":"unready"}`, 202, "")
	s.want("GET", "/function/show", "", 503, "No endpoints available for: show.")
	d := s.engine.watchdog("id1")
	d.mu.Lock()
	d.unready = false
	d.mu.Unlock()
	s.want("GET", "/function/show", "", 200, "from unready")
}

// TestRequestAsAFunctionGetsIt holds what README.md says of the proxy.
func TestRequestAsAFunctionGetsIt(t *testing.T) {
	for name, c := range map[string]struct{ method, path, accept, body, want string }{
		"bare":         {"GET", "", "", "", `GET / [] 0 for=1 host="HOST" key="Bearer k" `},
		"query":        {"GET", "/?a=%2F&b", "", "", `GET /?a=%2F&b [] 0 for=1 host="HOST" key="Bearer k" `},
		"decoded path": {"GET", "/a%2Fb%20c", "", "", `GET /a/b%20c [] 0 for=1 host="HOST" key="Bearer k" `},
		"chunked body": {"POST", "/x", "", "hi", `POST /x [chunked] -1 for=1 host="HOST" key="Bearer k" hi`},
		"events":       {"POST", "/a%2Fb", "text/event-stream", "hi", `POST /a/b [] 2 for=1 host="" key="Bearer k" hi`},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.want("POST", "/system/functions", show1, 202, "")
			r, err := http.NewRequest(c.method, s.url+"/function/show"+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer k")
			r.Header.Set("Accept", c.accept)
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			want := []string{strings.Replace(c.want, "HOST", r.Host, 1)}
			d := s.engine.watchdog("id1")
			d.mu.Lock()
			defer d.mu.Unlock()
			if diff := cmp.Diff(want, d.got); diff != "" {
				t.Errorf("the function's request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMethodThatIsNotPassedOn(t *testing.T) {
	s := serve(t)
	s.want("POST", "/system/functions", show1, 202, "")
	s.want(http.MethodTrace, "/function/show", "", 405, "")
}
