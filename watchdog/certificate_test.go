package watchdog

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// issue makes a certificate for hosts and its key, in PEM.
func issue(t *testing.T, from, until time.Time, hosts ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: from, NotAfter: until}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
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

// good is a certificate that nothing is wrong with.
func good(t *testing.T, hosts ...string) (cert, key string) {
	t.Helper()
	return issue(t, time.Now().Add(-time.Hour), time.Now().Add(1000*time.Hour), hosts...)
}

// withTLS are settings of a watchdog that speaks TLS, with a key for callers.
func withTLS(t *testing.T, cert, private string, settings Settings) Settings {
	t.Helper()
	s := Settings{"auth": "bearer", "tls_cert_secret": "tls-cert", "tls_key_secret": "tls-key"}
	for name, value := range settings {
		s[name] = value
	}
	return secrets(t, map[string]string{"api-key": "me " + key, "tls-cert": cert, "tls-key": private}, s)
}

func TestCertificateAtStart(t *testing.T) {
	cert, private := good(t, "f.example")
	other, _ := good(t, "f.example")
	for _, tt := range []struct {
		name, cert, private string
		want                string
	}{
		{"good", cert, private, ""},
		{"with others behind it", cert + other, private, ""},
		{"both in each", cert + private, cert + private, ""},
		{"of another key", other, private, "private key does not match public key"},
		{"switched", private, cert, "PEM inputs may have been switched"},
		{"no PEM", "CANARY", private, "failed to find any PEM data in certificate input"},
		{"no PEM for the key", cert, "CANARY", "failed to find any PEM data in key input"},
		{"cut off", cert[:len(cert)/2], private, "failed to find any PEM data in certificate input"},
		{"no key in it", cert, cert, "rather than a key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := withTLS(t, tt.cert, tt.private, Settings{"max_inflight": "ten"})
			_, err := New(Options{Settings: s, Handler: http.HandlerFunc(ok), Stderr: io.Discard})
			lines := strings.Split(err.Error(), "\n")
			if tt.want == "" {
				if len(lines) != 1 {
					t.Errorf("got\n%v\nwant what is wrong with max_inflight and nothing else", err)
				}
				return
			}
			if len(lines) != 2 {
				t.Fatalf("got\n%v\nwant two lines", err)
			}
			for _, want := range []string{
				`secrets "tls-cert" and "tls-key": `, tt.want, "faas-cli secret create tls-cert --from-file=", "faas-cli secret create tls-key --from-file=",
			} {
				if !strings.Contains(lines[1], want) {
					t.Errorf("got\n%s\nwant %q in it", lines[1], want)
				}
			}
			if strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "-----BEGIN") {
				t.Errorf("a secret stands in\n%v", err)
			}
		})
	}

	s := withTLS(t, cert, private, nil)
	if err := os.Remove(filepath.Join(s["secret_mount_path"], "tls-key")); err != nil {
		t.Fatal(err)
	}
	_, err := New(Options{Settings: s, Handler: http.HandlerFunc(ok), Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), `secret "tls-key": `) || strings.Contains(err.Error(), "\n") {
		t.Errorf("without the key: got %v, want that it is missing and nothing else", err)
	}
}

func TestCertificateWarnings(t *testing.T) {
	now := time.Now()
	day := 24 * time.Hour
	for _, tt := range []struct {
		name        string
		from, until time.Time
		hosts       []string
		table, want string
	}{
		{"good", now.Add(-day), now.Add(15 * day), []string{"f.example", "10.0.0.1"}, `f\.example, 10\.0\.0\.1, until `, ""},
		{"soon", now.Add(-day), now.Add(13 * day), []string{"f.example"}, `f\.example, until `, `: expires on `},
		{"expired", now.Add(-2 * day), now.Add(-day), []string{"f.example"}, `f\.example, until `, `: has expired on `},
		{"not yet", now.Add(day), now.Add(100 * day), []string{"f.example"}, `f\.example, until `, `: is not good before `},
		{"no names", now.Add(-day), now.Add(100 * day), nil, `no names, until `, `: names no host and no address`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, private := issue(t, tt.from, tt.until, tt.hosts...)
			s := withTLS(t, cert, private, nil)
			report, err := Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, false)
			if err != nil {
				t.Fatal(err)
			}
			text := report.String()
			table := `(?m)^HTTPS: ` + tt.table + tt.until.UTC().Format(time.RFC3339) + `, in secrets "tls-cert" and "tls-key"$`
			if !regexp.MustCompile(table).MatchString(text) {
				t.Errorf("got\n%s\nwant %s", text, table)
			}
			_, l := serving(t, http.HandlerFunc(ok), s)
			for place, text := range map[string]string{"check": text, "the log": strings.ReplaceAll(l.String(), `\"`, `"`)} {
				got := strings.Contains(text, `certificate in secret "tls-cert"`+tt.want)
				if want := tt.want != ""; got != want {
					t.Errorf("%s: got\n%s\nwant the warning %q", place, text, tt.want)
				}
			}
		})
	}
	s := withTLS(t, "x", "x", nil)
	report, err := Check(Options{Settings: s, Handler: http.HandlerFunc(ok)}, true)
	if err != nil {
		t.Fatal(err)
	}
	if want := "HTTPS: secrets \"tls-cert\" and \"tls-key\", not read\n"; !strings.Contains(report.String(), want) {
		t.Errorf("without secrets: got\n%s\nwant %q", report, want)
	}
}

// TestCertificateReload: policy and certificate change without each other.
func TestCertificateReload(t *testing.T) {
	const second = "awk_CANARY-second-key-of-the-tests"
	cert, private := good(t, "first.example")
	nextCert, nextKey := good(t, "next.example")
	s := withTLS(t, cert, private, nil)
	w, l := serving(t, http.HandlerFunc(ok), s)
	for _, step := range []struct {
		name  string
		files map[string]string
		host  string // of the certificate in force
		key   string // that is good
		error bool
	}{
		{"another key alone: the pair does not match", map[string]string{"tls-key": nextKey}, "first.example", key, true},
		{"and a credential meanwhile", map[string]string{"api-key": "me " + second}, "first.example", second, true},
		{"the certificate too", map[string]string{"tls-cert": nextCert}, "next.example", second, false},
		{"a policy that can't be built", map[string]string{"api-key": "a b c d"}, "next.example", second, true},
		{"and a certificate meanwhile", map[string]string{"tls-cert": cert, "tls-key": private}, "first.example", second, true},
		{"no certificate", map[string]string{"tls-cert": ""}, "first.example", second, true},
		{"all is well", map[string]string{"tls-cert": nextCert, "tls-key": nextKey, "api-key": "me " + key}, "next.example", key, false},
	} {
		result := map[bool]string{true: `auth_secret_reloads_total{result="error"} `, false: `auth_secret_reloads_total{result="success"} `}[step.error]
		count := func() string {
			_, rest, _ := strings.Cut(scrape(w), result)
			n, _, _ := strings.Cut(rest, "\n")
			return n
		}
		before := count()
		for name, text := range step.files {
			if err := os.WriteFile(filepath.Join(s["secret_mount_path"], name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.poll()
		w.poll()
		if after := count(); after == before {
			t.Errorf("%s: %s%s, as before", step.name, result, after)
		}
		pair, err := w.tlsConfig().GetCertificate(nil)
		if err != nil || strings.Join(pair.Leaf.DNSNames, " ") != step.host {
			t.Errorf("%s: got %v and %v, want %s", step.name, pair.Leaf.DNSNames, err, step.host)
		}
		if got := call(w, "/", "Authorization: Bearer "+step.key).Code; got != 200 {
			t.Errorf("%s: got %d with the key that is good", step.name, got)
		}
	}
	if log := l.String(); strings.Contains(log, "CANARY") || strings.Contains(log, "-----BEGIN") || strings.Count(log, "another certificate is in force") != 3 {
		t.Errorf("got the log\n%s\nwant three certificates and no secret", log)
	}
}

// TestWrapWithTLS: a program that serves by itself is told that it will not
// speak TLS by these settings.
func TestWrapWithTLS(t *testing.T) {
	cert, private := good(t, "f.example")
	_, err := Wrap(t.Context(), http.HandlerFunc(ok), withTLS(t, cert, private, nil))
	if err == nil || !strings.Contains(err.Error(), "tls_cert_secret") {
		t.Errorf("got %v", err)
	}
}

// TestHealthcheckOverTLS has nothing of the certificate matter.
func TestHealthcheckOverTLS(t *testing.T) {
	cert, private := issue(t, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour), "elsewhere.example")
	s := withTLS(t, cert, private, nil)
	w, l := serving(t, http.HandlerFunc(ok), s)
	server := w.newServer()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s["port"], _ = net.SplitHostPort(listener.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if err := Healthcheck(t.Context(), s); err != nil {
		t.Errorf("got %v, want nil\n%s", err, l)
	}
	w.serving.Store(false)
	if err := Healthcheck(t.Context(), s); err == nil || !strings.Contains(err.Error(), "https://127.0.0.1:"+s["port"]+"/_/health: 503") {
		t.Errorf("while it does not serve: got %v", err)
	}
	plain := Settings{}
	for name, value := range s {
		if !strings.HasPrefix(name, "tls_") {
			plain[name] = value
		}
	}
	if err := Healthcheck(t.Context(), plain); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("without TLS: got %v, want what the server says of it", err)
	}
	_ = server.Close()
	<-ended
}

// TestTLSVersions: nothing older than TLS 1.2 is spoken.
func TestTLSVersions(t *testing.T) {
	cert, private := good(t, "f.example")
	w, _ := serving(t, http.HandlerFunc(ok), withTLS(t, cert, private, nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := w.newServer()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	defer func() {
		_ = server.Close()
		<-ended
	}()
	for _, tt := range []struct {
		most  uint16
		offer []string
		want  string
	}{
		{tls.VersionTLS10, nil, ""},
		{tls.VersionTLS11, []string{"http/1.1"}, ""},
		{tls.VersionTLS12, []string{"h2", "http/1.1"}, "h2"},
		{tls.VersionTLS13, []string{"http/1.1", "h2"}, "h2"},
		{tls.VersionTLS13, []string{"http/1.1"}, "http/1.1"},
		{tls.VersionTLS13, nil, ""},
	} {
		c, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{
			InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tt.most, NextProtos: tt.offer,
		})
		if old := tt.most < tls.VersionTLS12; old != (err != nil) {
			t.Errorf("%s: got %v", tls.VersionName(tt.most), err)
		}
		if err != nil {
			continue
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != tt.want {
			t.Errorf("%s with %q: got %q, want %q", tls.VersionName(tt.most), tt.offer, got, tt.want)
		}
		_ = c.Close()
	}
}
