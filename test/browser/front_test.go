package browser

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A certificate is that of all hosts below .test, with the pin by which Chromium
// takes it.
type certificate struct {
	tls.Certificate

	pin string
}

func newCertificate() (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests of sign-in"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"*.test", "*.example.test", "*.other.test", "localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return certificate{}, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return certificate{}, err
	}
	sum := sha256.Sum256(spki)
	return certificate{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(sum[:])}, nil
}

// A front is what stands before functions: one port with TLS and one without,
// for many hosts.
type front struct {
	t             *testing.T
	secure, plain string // the ports

	mu  sync.Mutex
	mux *http.ServeMux
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{t: t, mux: http.NewServeMux()}
	f.secure = f.listen(func(s *httptest.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{identity.Certificate}, MinVersion: tls.VersionTLS12}
		s.EnableHTTP2 = true
		s.StartTLS()
	})
	f.plain = f.listen((*httptest.Server).Start)
	return f
}

func (f *front) listen(start func(*httptest.Server)) (port string) {
	f.t.Helper()
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that Chromium opens and leaves
	start(s)
	f.t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	return port
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	mux := f.mux
	f.mu.Unlock()
	mux.ServeHTTP(w, r)
}

// handle adds a handler for a pattern of http.ServeMux such as a.test/.
func (f *front) handle(pattern string, h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mux.Handle(pattern, h)
}

// document is a handler that serves a page of somebody else.
func document(html string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>other</title>"+html)
	})
}

// pass adds a function behind a host and a prefix, as OpenFaaS' gateway has
// them: the prefix is taken away, and the function sees its own address as Host.
func (f *front) pass(host, prefix, address string) {
	target := &url.URL{Scheme: "http", Host: address}
	f.handle(host+prefix+"/", http.StripPrefix(prefix, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
		ErrorLog: log.New(io.Discard, "", 0), // browsers go away amid answers
	}))
}

// https is the URL of a path on a host, over TLS.
func (f *front) https(host, path string) string { return "https://" + host + ":" + f.secure + path }

func (f *front) http(host, path string) string { return "http://" + host + ":" + f.plain + path }
