package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"auth-watchdog/watchdog"
)

// certificate makes one for a host and 127.0.0.1, and its key, in PEM.
func certificate(t *testing.T, host string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		DNSNames: []string{host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8)
}

// withCertificate adds a certificate to a setup, and the settings that name it.
func (s setup) withCertificate(t *testing.T) setup {
	t.Helper()
	env, secrets := map[string]string{}, map[string]string{}
	maps.Copy(env, s.env)
	maps.Copy(secrets, s.secrets)
	env["tls_cert_secret"], env["tls_key_secret"] = "tls-cert", "tls-key"
	secrets["tls-cert"], secrets["tls-key"] = certificate(t, "f.example")
	s.env, s.secrets = env, secrets
	return s
}

// A port is a watchdog of this process that speaks TLS, with callers of one
// version of HTTP.
type port struct {
	t       *testing.T
	mode    string
	http2   bool
	addr    string
	log     *output
	callers *http.Transport
	stop    func() // and wait for its end
}

// open starts a watchdog with a key for all paths but /hook, where a signature
// is wanted.
func open(t *testing.T, mode string, http2 bool, function http.HandlerFunc, more map[string]string) *port {
	t.Helper()
	p := &port{t: t, mode: mode, http2: http2, log: &output{}}
	s := setup{secrets: map[string]string{"ci-keys": "ci " + ciKey, "hook-key": webhookKey}}.withCertificate(t)
	policy := filepath.Join(writeSecrets(t, map[string]string{"auth.yml": `
methods:
  ci:   {type: bearer, secret: ci-keys}
  hook: {type: hmac, secret: hook-key}
rules:
  - {match: "/hook", accept: [hook]}
  - {match: "/", accept: [ci]}
`}), "auth.yml")
	settings := watchdog.Settings{
		"mode": mode, "auth_config": policy, "secret_mount_path": writeSecrets(t, s.secrets), "suppress_lock": "true",
		"port": "0", "metrics_port": "0", "bind_address": "127.0.0.1", "healthcheck_interval": "0",
	}
	maps.Copy(settings, s.env)
	maps.Copy(settings, more)
	options := watchdog.Options{Settings: settings, Stdout: p.log, Stderr: p.log}
	if mode == "inproc" {
		options.Handler = function
	} else {
		socket := filepath.Join(shortTemp(t), "f.sock")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: function}
		go func() { _ = server.Serve(l) }()
		t.Cleanup(func() { _ = server.Close() })
		settings["upstream_url"] = "unix://" + socket
	}
	w, err := watchdog.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	p.addr = p.log.wait(t, `msg=listening address=(\S+)`, ended)[1]

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.secrets["tls-cert"]))
	p.callers = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableCompression: true, Protocols: new(http.Protocols)}
	p.callers.Protocols.SetHTTP1(!http2)
	p.callers.Protocols.SetHTTP2(http2)
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the watchdog has ended with %v", err)
		}
	})
	t.Cleanup(func() {
		p.callers.CloseIdleConnections()
		p.stop()
		if t.Failed() {
			t.Logf("log:\n%s", p.log)
		}
	})
	return p
}

// request makes a request with a credential and headers, "Name: value".
func (p *port) request(method, path string, body io.Reader, headers ...string) *http.Request {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, "https://"+p.addr+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range append(headers, bearer) {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// begin sends a request and returns when the head of the answer has come.
func (p *port) begin(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	res, err := p.callers.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s: %v", r.URL, err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if want := map[bool]int{true: 2, false: 1}[p.http2]; res.ProtoMajor != want {
		t.Fatalf("got %s", res.Proto)
	}
	return res
}

// whole sends a request and reads all of the answer.
func (p *port) whole(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	res := p.begin(t, r)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s: reading the answer: %v", r.URL, err)
	}
	return res, string(body)
}

// goesOn fails if the connection that was used last takes no request any more.
func (p *port) goesOn(t *testing.T) {
	t.Helper()
	reused := false
	r := p.request("GET", "/tells", nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}))
	if res, _ := p.whole(t, r); res.StatusCode != http.StatusOK || p.http2 && !reused {
		t.Errorf("the request after it: got %d, over the same connection: %v", res.StatusCode, reused)
	}
}

// A gatekeeper lets a test and a function wait for each other.
type gatekeeper struct{ came, release chan struct{} }

func newGatekeeper() *gatekeeper { return &gatekeeper{make(chan struct{}, 100), make(chan struct{})} }

// wait is for the function.
func (g *gatekeeper) wait(r *http.Request) {
	g.came <- struct{}{}
	select {
	case <-g.release:
	case <-r.Context().Done():
	}
}

// TestHTTPS has the core of what callers and functions can rely on hold over
// TLS, with both versions of HTTP.
func TestHTTPS(t *testing.T) {
	tests := map[string]func(*testing.T, *port, *gatekeeper){
		"the gate": func(t *testing.T, p *port, _ *gatekeeper) {
			r := p.request("GET", "/tells", nil, "X-Auth-Subject: evil", "X_auth_method: evil", "X-Forwarded-Proto: http", "X-Forwarded-For: 6.6.6.6")
			res, got := p.whole(t, r)
			if want := "subject=ci method=ci credential= proto=https from=127.0.0.1 host=" + p.addr + " cookie=\n"; res.StatusCode != 200 || got != want {
				t.Errorf("got %d and %q, want %q", res.StatusCode, got, want)
			}
			for name, credentials := range map[string][]string{"none": nil, "wrong": {"Bearer " + otherKey}, "two": {"Bearer " + ciKey, "Bearer " + otherKey}} {
				r := p.request("GET", "/tells", nil)
				r.Header["Authorization"] = credentials
				res, got := p.whole(t, r)
				want, text := http.StatusUnauthorized, "Unauthorized\n"
				if name == "two" {
					want, text = http.StatusBadRequest, "Bad Request\n"
				}
				if res.StatusCode != want || got != text || (res.Header.Get("Www-Authenticate") != "") != (want == 401) {
					t.Errorf("%s: got %d, %q and the challenge %q", name, res.StatusCode, got, res.Header.Get("Www-Authenticate"))
				}
			}
		},
		"cookies": func(t *testing.T, p *port, _ *gatekeeper) { // which HTTP/2 sends one by one
			if _, got := p.whole(t, p.request("GET", "/tells", nil, "Cookie: a=1; b=2; c=3")); !strings.HasSuffix(got, " cookie=a=1; b=2; c=3\n") {
				t.Errorf("got %q", got)
			}
		},
		"bodies": func(t *testing.T, p *port, _ *gatekeeper) {
			for _, size := range []int{0, 1, 100_000, 3 << 20} {
				for _, known := range []bool{true, false} {
					text := strings.Repeat("0123456789abcdef\x00\xff", size/18+1)[:size]
					var body io.Reader = strings.NewReader(text)
					if !known {
						body = struct{ io.Reader }{body}
					}
					if res, got := p.whole(t, p.request("POST", "/echo", body)); res.StatusCode != 200 || got != text {
						t.Errorf("%d bytes, length known %v: got %d and %d bytes, %.100q", size, known, res.StatusCode, len(got), got)
					}
				}
			}
		},
		"bodies that are judged": func(t *testing.T, p *port, _ *gatekeeper) {
			for _, known := range []bool{true, false} {
				text := strings.Repeat("x", 100_000)
				var body io.Reader = strings.NewReader(text)
				if !known {
					body = struct{ io.Reader }{body}
				}
				r := p.request("POST", "/hook", body, signature(webhookKey, text))
				if res, got := p.whole(t, r); res.StatusCode != 200 || got != "length=100000 header=100000" {
					t.Errorf("length known %v: got %d and %q", known, res.StatusCode, got)
				}
				r = p.request("POST", "/hook", strings.NewReader(text+"x"), signature(webhookKey, text))
				if res, _ := p.whole(t, r); res.StatusCode != 401 {
					t.Errorf("with another body: got %d", res.StatusCode)
				}
			}
		},
		"a body that is judged and does not come": func(t *testing.T, p *port, _ *gatekeeper) {
			body, _ := io.Pipe()
			defer body.Close()
			if res, _ := p.whole(t, p.request("POST", "/hook", body, signature(webhookKey, ""))); res.StatusCode != http.StatusRequestTimeout {
				t.Errorf("got %d, want 408", res.StatusCode)
			}
			p.goesOn(t)
		},
		"streams in both directions": func(t *testing.T, p *port, _ *gatekeeper) {
			body, pen := io.Pipe()
			res := p.begin(t, p.request("POST", "/echo-lines", body))
			in := bufio.NewReader(res.Body)
			for _, text := range []string{"one\n", "two\n", "three\n"} {
				_, _ = io.WriteString(pen, text)
				if got, err := in.ReadString('\n'); got != text || err != nil {
					t.Fatalf("got %q and %v, want %q", got, err, text)
				}
			}
			_ = pen.Close()
			if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
				t.Errorf("got %q and %v, want the end", rest, err)
			}
		},
		"server-sent events": func(t *testing.T, p *port, g *gatekeeper) {
			res := p.begin(t, p.request("GET", "/events", nil))
			if got, err := bufio.NewReader(res.Body).ReadString('\n'); got != "data: 1\n" || err != nil {
				t.Errorf("got %q and %v", got, err)
			}
			_ = res.Body.Close()
			<-g.came
		},
		"early hints": func(t *testing.T, p *port, _ *gatekeeper) {
			var hints []string
			r := p.request("GET", "/hints", nil)
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(status, " ", h.Get("Link"), h.Get("Keep-Alive")))
				return nil
			}}))
			if res, got := p.whole(t, r); got != "done" || !slices.Equal(hints, []string{"103 </a>", "103 </b>"}) || res.Header.Get("X-Last") != "1" {
				t.Errorf("got %q, %q and %v", got, hints, res.Header)
			}
		},
		"trailers": func(t *testing.T, p *port, _ *gatekeeper) {
			res, got := p.whole(t, p.request("GET", "/trailers", nil, "Te: trailers"))
			if got != "body" || res.Trailer.Get("X-Announced") != "1" || res.Trailer.Get("X-Late") != "2" {
				t.Errorf("got %q and the trailers %v", got, res.Trailer)
			}
		},
		"trailers of a request": func(t *testing.T, p *port, _ *gatekeeper) {
			r := p.request("POST", "/request-trailers", struct{ io.Reader }{strings.NewReader("body")})
			r.Trailer = http.Header{"X-Auth-Subject": {"evil"}, "X-Other": {"1"}}
			if _, got := p.whole(t, r); got != "body map[] ci" {
				t.Errorf("got %q, want no trailers", got)
			}
		},
		"answers without a body": func(t *testing.T, p *port, _ *gatekeeper) {
			for path, want := range map[string]int{"/status/204": 204, "/status/304": 304, "/status/200": 200, "/nothing": 200} {
				if res, got := p.whole(t, p.request("GET", path, nil)); res.StatusCode != want || got != "" {
					t.Errorf("%s: got %d and %q", path, res.StatusCode, got)
				}
			}
			if res, got := p.whole(t, p.request("HEAD", "/tells", nil)); res.StatusCode != 200 || got != "" {
				t.Errorf("HEAD: got %d and %q", res.StatusCode, got)
			}
		},
		"what is about the connection": func(t *testing.T, p *port, _ *gatekeeper) {
			res, got := p.whole(t, p.request("GET", "/hop-by-hop", nil))
			if got != "done" || res.Header.Get("X-Kept") != "1" {
				t.Errorf("got %q and %v", got, res.Header)
			}
			for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Transfer-Encoding"} {
				if p.http2 && res.Header[name] != nil {
					t.Errorf("got %s %q", name, res.Header[name])
				}
			}
			p.goesOn(t)
		},
		"exec_timeout before the answer": func(t *testing.T, p *port, g *gatekeeper) {
			for method, body := range map[string]io.Reader{"GET": nil, "POST": strings.NewReader("x")} {
				res, got := p.whole(t, p.request(method, "/wait", body, "X-Timeout: 50ms"))
				want := http.StatusGatewayTimeout
				if p.mode == "inproc" { // such a function looks after itself
					want = http.StatusOK
				}
				if res.StatusCode != want {
					t.Errorf("%s: got %d and %q", method, res.StatusCode, got)
				}
				<-g.came
			}
			p.goesOn(t)
		},
		"exec_timeout amid the body": func(t *testing.T, p *port, _ *gatekeeper) {
			body, pen := io.Pipe()
			defer pen.Close()
			res := p.begin(t, p.request("POST", "/read", body, "X-Timeout: 50ms"))
			if res.StatusCode != http.StatusGatewayTimeout && p.mode == "http" || res.StatusCode != http.StatusOK && p.mode == "inproc" {
				t.Errorf("got %d", res.StatusCode)
			}
			p.goesOn(t)
		},
		"exec_timeout amid the answer": func(t *testing.T, p *port, g *gatekeeper) {
			res := p.begin(t, p.request("GET", "/half", nil, "X-Timeout: 50ms"))
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Error("got a whole answer, want it to be cut")
			}
			<-g.came
			p.goesOn(t)
		},
		"a panic amid the answer": func(t *testing.T, p *port, _ *gatekeeper) {
			res := p.begin(t, p.request("GET", "/panic", nil))
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Error("got a whole answer, want it to be cut")
			}
			p.goesOn(t)
		},
		"an answer before the body has ended": func(t *testing.T, p *port, _ *gatekeeper) {
			body, pen := io.Pipe()
			defer pen.Close()
			if res, got := p.whole(t, p.request("POST", "/early", body)); res.StatusCode != 200 || got != "early" {
				t.Errorf("got %d and %q", res.StatusCode, got)
			}
			p.goesOn(t)
		},
		"a refusal before the body has ended": func(t *testing.T, p *port, _ *gatekeeper) {
			body, pen := io.Pipe()
			defer pen.Close()
			r := p.request("POST", "/hook", body, signature(webhookKey, "x"))
			r.ContentLength = 1 << 30
			if res, _ := p.whole(t, r); res.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d", res.StatusCode)
			}
			p.goesOn(t)
		},
		"a caller that leaves": func(t *testing.T, p *port, g *gatekeeper) {
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			go func() {
				res, err := p.callers.RoundTrip(p.request("GET", "/gone", nil).WithContext(ctx))
				if err == nil {
					_ = res.Body.Close()
				}
				failed <- err
			}()
			<-g.came
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			<-g.came // the function has noticed
		},
		"a head that is too large": func(t *testing.T, p *port, _ *gatekeeper) {
			res, err := p.callers.RoundTrip(p.request("GET", "/tells", nil, "X-Large: "+strings.Repeat("x", 2<<20)))
			if err != nil { // a server may have no patience for the rest of it
				return
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("got %d, want 431", res.StatusCode)
			}
		},
		"probes": func(t *testing.T, p *port, _ *gatekeeper) {
			for _, path := range []string{"/_/health", "/_/ready"} {
				r := p.request("GET", path, nil)
				r.Header.Del("Authorization")
				if res, got := p.whole(t, r); res.StatusCode != 200 || got != "OK" {
					t.Errorf("%s: got %d and %q", path, res.StatusCode, got)
				}
			}
		},
	}
	for _, mode := range []string{"http", "inproc"} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s HTTP/%d", mode, map[bool]int{false: 1, true: 2}[http2]), func(t *testing.T) {
				g := newGatekeeper()
				p := open(t, mode, http2, functionOver(g), map[string]string{"read_timeout": "2s"})
				for name, test := range tests {
					t.Run(name, func(t *testing.T) { test(t, p, g) })
				}
			})
		}
	}
}

// functionOver is the function of TestHTTPS.
func functionOver(g *gatekeeper) http.HandlerFunc {
	mux := http.NewServeMux()
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
	on := func(path string, h http.HandlerFunc) { mux.HandleFunc(path, h) }
	on("/tells", func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		fmt.Fprintf(w, "subject=%s method=%s credential=%s proto=%s from=%s host=%s cookie=%s\n", h.Get("X-Auth-Subject"), h.Get("X-Auth-Method"),
			h.Get("Authorization"), h.Get("X-Forwarded-Proto"), h.Get("X-Forwarded-For"), r.Host, strings.Join(h["Cookie"], "|"))
	})
	on("/echo", func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := io.Copy(&body, r.Body); err != nil {
			http.Error(w, fmt.Sprintf("after %d bytes: %v", body.Len(), err), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(body.Bytes())
	})
	on("/hook", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "length=%d header=%s", len(body), r.Header.Get("Content-Length"))
		if r.ContentLength != int64(len(body)) {
			fmt.Fprintf(w, ", but %d", r.ContentLength)
		}
	})
	on("/echo-lines", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		flush(w)
		in := bufio.NewReader(r.Body)
		for {
			text, err := in.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, text)
			flush(w)
		}
	})
	on("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		flush(w)
		<-r.Context().Done()
		g.came <- struct{}{}
	})
	on("/hints", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for _, link := range []string{"</a>", "</b>"} {
			h.Set("Link", link)
			w.WriteHeader(http.StatusEarlyHints)
		}
		h.Set("X-Last", "1")
		_, _ = io.WriteString(w, "done")
	})
	on("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Announced")
		_, _ = io.WriteString(w, "body")
		flush(w)
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	on("/request-trailers", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v %s", body, r.Trailer, r.Header.Get("X-Auth-Subject"))
	})
	on("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code := 0
		_, _ = fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
	})
	on("/nothing", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Keep-Alive", "timeout=5") })
	on("/hop-by-hop", func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{"Keep-Alive", "Proxy-Connection", "Upgrade", "X-Kept"} {
			w.Header().Set(name, "1")
		}
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "done")
	})
	on("/early", func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "early")
		flush(w)
	})
	on("/wait", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		g.wait(r)
	})
	on("/read", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	on("/half", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		flush(w)
		g.wait(r)
		panic(http.ErrAbortHandler)
	})
	on("/panic", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		flush(w)
		panic(http.ErrAbortHandler)
	})
	on("/gone", func(_ http.ResponseWriter, r *http.Request) {
		g.came <- struct{}{}
		<-r.Context().Done()
		g.came <- struct{}{}
	})
	return mux.ServeHTTP
}

// TestHTTPSUpgrade has a connection handed over: HTTP/1.1 over TLS.
func TestHTTPSUpgrade(t *testing.T) {
	function := func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nready\n")
		text, _ := rw.ReadString('\n')
		_, _ = io.WriteString(conn, "got "+text)
	}
	for _, mode := range []string{"http", "inproc"} {
		t.Run(mode, func(t *testing.T) {
			p := open(t, mode, false, function, nil)
			for _, credential := range []string{bearer, "X-No: credential"} {
				c, err := tls.Dial("tcp", p.addr, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: f\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n%s\r\n\r\n", credential)
				in := bufio.NewReader(c)
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if credential != bearer {
					if res.StatusCode != http.StatusUnauthorized {
						t.Errorf("without a credential: got %d", res.StatusCode)
					}
					continue
				}
				if got, _ := in.ReadString('\n'); res.StatusCode != http.StatusSwitchingProtocols || got != "ready\n" {
					t.Fatalf("got %d and %q", res.StatusCode, got)
				}
				_, _ = io.WriteString(c, "hello\n")
				if got, err := io.ReadAll(in); string(got) != "got hello\n" || err != nil {
					t.Errorf("got %q and %v", got, err)
				}
			}
		})
	}
}

// TestHTTPSDrain: what is in flight is answered, streams end whole, and callers
// of HTTP/2 are told to go elsewhere (GOAWAY).
func TestHTTPSDrain(t *testing.T) {
	for _, mode := range []string{"http", "inproc"} {
		t.Run(mode, func(t *testing.T) {
			g := newGatekeeper()
			p := open(t, mode, true, functionOver(g), nil)
			events := p.begin(t, p.request("GET", "/events", nil))
			raw := p.dialHTTP2(t)
			raw.headers(1, true, p.head("GET", "/wait")...)
			<-g.came
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				p.stop()
			}()
			if rest, err := io.ReadAll(events.Body); !strings.HasPrefix(string(rest), "data: 1\n") || err != nil {
				t.Errorf("got %q and %v, want a stream that ends whole", rest, err)
			}
			<-g.came // it has ended there too
			var seen []byte
			for kind := byte(0); kind != frameGoAway; {
				f := raw.next()
				kind = f.kind
				seen = append(seen, kind)
				if f.stream == 1 {
					t.Fatalf("the request in flight has ended before GOAWAY: %v", seen)
				}
			}
			close(g.release)
			for {
				f := raw.next()
				if f.stream == 1 && f.kind == frameHeaders && f.status() != http.StatusOK {
					t.Errorf("got %d", f.status())
				}
				if f.stream == 1 && f.flags&flagEndStream != 0 {
					break
				}
			}
			<-ended
		})
	}
}

// TestHTTP2Raw has callers of HTTP/2 that no client of Go's would be.
func TestHTTP2Raw(t *testing.T) {
	got := make(chan *http.Request, 10)
	p := open(t, "inproc", true, func(_ http.ResponseWriter, r *http.Request) { got <- r }, nil)
	for _, tt := range []struct {
		name   string
		head   []field
		status int // 0 if the stream is reset
		check  func(*testing.T, *http.Request)
	}{
		{"as it should be", p.head("GET", "/"), 200, func(t *testing.T, r *http.Request) {
			if r.Header.Get("X-Forwarded-Proto") != "https" || r.Host != p.addr {
				t.Errorf("the function got %v for %s", r.Header, r.Host)
			}
		}},
		{"another scheme than the connection's", replace(p.head("GET", "/"), ":scheme", "http"), 200, func(t *testing.T, r *http.Request) {
			if got := r.Header.Get("X-Forwarded-Proto"); got != "https" {
				t.Errorf("the function got %q", got)
			}
		}},
		{"another host beside :authority", append(p.head("GET", "/"), field{"host", "evil.example"}), 200, func(t *testing.T, r *http.Request) {
			if r.Host != p.addr || r.Header["Host"] != nil || r.Header.Get("X-Forwarded-Host") != p.addr {
				t.Errorf("the function got %v for %s", r.Header, r.Host)
			}
		}},
		{"two cookies", append(p.head("GET", "/"), field{"cookie", "a=1"}, field{"cookie", "b=2"}), 200, func(t *testing.T, r *http.Request) {
			if got := r.Header["Cookie"]; !slices.Equal(got, []string{"a=1; b=2"}) {
				t.Errorf("the function got %q", got)
			}
		}},
		{"two credentials", append(p.head("GET", "/"), field{"authorization", "Bearer x"}), 400, nil},
		{"no credential", p.head("GET", "/")[:4], 401, nil},
		{"dots", p.head("GET", "/x/../hook"), 400, nil},
		{"a fragment", p.head("GET", "/hook#x"), 400, nil},
		{"OPTIONS *", replace(p.head("OPTIONS", "*"), ":path", "*"), 400, nil},
		{"CONNECT", []field{{":method", "CONNECT"}, {":authority", "x:80"}, {"authorization", "Bearer " + ciKey}}, 405, nil},
		{"CONNECT for a WebSocket", append([]field{{":protocol", "websocket"}}, p.head("CONNECT", "/")...), 0, nil},
		{"TRACE", p.head("TRACE", "/"), 405, nil},
		{"an upgrade", append(p.head("GET", "/"), field{"upgrade", "websocket"}), 400, nil},
		{"Connection", append(p.head("GET", "/"), field{"connection", "x-auth-subject"}), 400, nil},
		{"Transfer-Encoding", append(p.head("GET", "/"), field{"transfer-encoding", "chunked"}), 400, nil},
		{"capitals", append(p.head("GET", "/"), field{"X-Auth-Subject", "evil"}), 0, nil},
		{"a line break", append(p.head("GET", "/"), field{"x-a", "1\r\nx-auth-subject: evil"}), 0, nil},
		{"a whole URL", replace(p.head("GET", "/"), ":path", "https://evil/x"), 200, func(t *testing.T, r *http.Request) {
			if r.URL.Path != "/x" || r.Host != p.addr || r.Header.Get("X-Forwarded-Host") != p.addr {
				t.Errorf("the function got %s for %s and %v", r.URL, r.Host, r.Header)
			}
		}},
		{"a whole URL with a path of another rule", replace(p.head("GET", "/"), ":path", "https://evil/hook"), 401, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := p.dialHTTP2(t)
			c.headers(1, true, tt.head...)
			if status := c.answer(1); status != tt.status {
				t.Errorf("got %d, want %d", status, tt.status)
			}
			select {
			case r := <-got:
				if tt.check == nil {
					t.Fatalf("it reached the function: %s %s %v", r.Method, r.RequestURI, r.Header)
				}
				tt.check(t, r)
			default:
				if tt.check != nil {
					t.Error("it did not reach the function")
				}
			}
		})
	}
}
