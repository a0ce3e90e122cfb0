package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A setup is how a watchdog is started.
type setup struct {
	env     map[string]string // besides what every watchdog here has
	secrets map[string]string // files, by name
	policy  string            // text of a policy file
	// function answers behind the watchdog; nil for one that says yes.
	function http.Handler
	// links has the secrets behind links, as Kubernetes does.
	links bool
	// https has the port speak it, with a certificate for f.example and 127.0.0.1.
	https bool
}

// A dog is the built program, serving, in front of a function of the test.
type dog struct {
	t       *testing.T
	cmd     *exec.Cmd
	addr    string
	https   bool
	metrics string
	folder  string // of the secrets
	log     *output
	ended   chan error
	stopped sync.Once

	mu       sync.Mutex
	requests []*http.Request // that the function has got
	bodies   []string
	seen     bytes.Buffer // all that callers have got
	secrets  []string
}

// output is what a process has written.
type output struct {
	mu     sync.Mutex
	text   bytes.Buffer
	change chan struct{}
	muted  bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.change != nil {
		close(o.change)
		o.change = nil
	}
	if o.muted {
		return len(p), nil
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// mute forgets what was written, and what will be.
func (o *output) mute() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
	o.muted = true
}

// wait waits until the output matches, and returns the match.
func (o *output) wait(t *testing.T, pattern string, ended <-chan error) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		o.mu.Lock()
		m := re.FindStringSubmatch(o.text.String())
		if m == nil && o.change == nil {
			o.change = make(chan struct{})
		}
		change := o.change
		o.mu.Unlock()
		if m != nil {
			return m
		}
		select {
		case <-change:
		case err := <-ended:
			t.Fatalf("the watchdog has ended before %q was seen: %v\n%s", pattern, err, o)
		}
	}
}

// writeSecrets makes a folder of secret files.
func writeSecrets(t *testing.T, secrets map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range secrets {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// link puts the secrets of a folder behind links, as Kubernetes does: NAME ->
// ..data/NAME, ..data -> ..first.
func link(t *testing.T, folder string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.Mkdir(filepath.Join(folder, "..first"), 0o700), os.Symlink("..first", filepath.Join(folder, "..data")))
	for _, path := range names {
		name := filepath.Base(path)
		err = errors.Join(err, os.Rename(path, filepath.Join(folder, "..first", name)), os.Symlink(filepath.Join("..data", name), path))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// command is the built program with the environment of a setup.
func command(t *testing.T, s setup, more map[string]string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary)
	env := map[string]string{
		"port": "0", "bind_address": "127.0.0.1", "metrics_port": "0", "mode": "http", "healthcheck_interval": "0",
		"TMPDIR": t.TempDir(), "OPENFAAS_NAME": "fn", "PATH": os.Getenv("PATH"),
	}
	for _, m := range []map[string]string{more, s.env} {
		for name, value := range m {
			env[name] = value
		}
	}
	if s.policy != "" {
		env["auth_config"] = filepath.Join(t.TempDir(), "auth.yml")
		if err := os.WriteFile(env["auth_config"], []byte(s.policy), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// start starts a watchdog and ends it with the test. Whatever it has logged,
// counted and answered is then searched for its secrets.
func start(t *testing.T, s setup) *dog {
	t.Helper()
	if s.https {
		s = s.withCertificate(t)
	}
	d := newDog(t, s)
	for _, text := range s.secrets {
		d.keep(text)
	}
	if s.links {
		link(t, d.folder)
	}
	// Paths of sockets are short.
	sockets, err := os.MkdirTemp("", "aw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	socket := filepath.Join(sockets, "f.sock")
	d.serveFunction(socket, s.function)

	d.launch(s, map[string]string{"upstream_url": "unix://" + socket, "metrics_port": fmt.Sprint(freePort(t))})
	d.metrics = d.log.wait(t, `msg=metrics address=(\S+)`, d.ended)[1]
	for d.get("/_/ready").status != http.StatusOK { // it has to find the function first
		time.Sleep(time.Millisecond)
	}
	return d
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// newDog is a watchdog that does not run yet.
func newDog(t *testing.T, s setup) *dog {
	t.Helper()
	return &dog{t: t, https: s.https, log: &output{}, ended: make(chan error, 1), folder: writeSecrets(t, s.secrets)}
}

// launch starts the program, with more environment than s has, and waits until
// it listens.
func (d *dog) launch(s setup, more map[string]string) {
	d.t.Helper()
	d.cmd = command(d.t, s, more)
	d.cmd.Env = append(d.cmd.Env, "secret_mount_path="+d.folder)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	d.t.Cleanup(d.stop)
	d.addr = d.log.wait(d.t, `msg=listening address=(\S+)`, d.ended)[1]
}

// writeProgram writes a script that can be run, and returns its path.
func writeProgram(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "function.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return path
}

// serveFunction is the function: it keeps what it gets.
func (d *dog) serveFunction(socket string, h http.Handler) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		d.t.Fatal(err)
	}
	if h == nil {
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "reached\n") })
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.requests = append(d.requests, r)
		n := len(d.bodies)
		d.bodies = append(d.bodies, "")
		d.mu.Unlock()
		if r.Header.Get("Upgrade") == "" {
			body, _ := io.ReadAll(r.Body)
			d.mu.Lock()
			d.bodies[n] = string(body)
			d.mu.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		h.ServeHTTP(w, r)
	})}
	go func() { _ = s.Serve(l) }()
	d.t.Cleanup(func() { _ = s.Close() })
}

// got returns how many requests the function has got, and the last one.
func (d *dog) got() (n int, last *http.Request, body string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n = len(d.requests); n == 0 {
		return 0, &http.Request{Header: http.Header{}}, ""
	}
	return n, d.requests[n-1], d.bodies[n-1]
}

// keep remembers what must never be seen: each word of a secret that is long
// enough to be told from others.
func (d *dog) keep(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	const least = 12
	for _, word := range strings.Fields(text) {
		if len(word) >= least && (!strings.Contains(word, "=") || strings.Contains(word, "$")) {
			d.secrets = append(d.secrets, word)
		}
	}
}

// stop ends the watchdog, unless it has been.
func (d *dog) stop() { d.stopped.Do(d.end) }

// end ends the watchdog and searches what it has said for secrets.
func (d *dog) end() {
	metrics := d.scrape()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-d.ended; err != nil && !d.t.Failed() {
		d.t.Errorf("the watchdog has ended with %v\n%s", err, d.log)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for place, text := range map[string]string{"log": d.log.String(), "metrics": metrics, "answers": d.seen.String()} {
		for _, s := range d.secrets {
			if strings.Contains(text, s) {
				d.t.Errorf("a secret, %.4s…, stands in the %s", s, place)
			}
		}
	}
	if d.t.Failed() {
		d.t.Logf("log:\n%s", d.log)
	}
}

// scrape returns the metrics.
func (d *dog) scrape() string {
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + d.metrics + "/metrics")
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// An answer is what a caller got.
type answer struct {
	status int
	header http.Header
	body   string
}

// A call is a request of a caller.
type call struct {
	method, path string
	headers      []string // "Name: value"
	body         io.Reader
	from         string // the caller's address; 127.0.0.1 if empty
}

// do sends a request over a connection of its own.
func (d *dog) do(c call) answer {
	d.t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	scheme := "http"
	if d.https {
		scheme = "https"
	}
	r, err := http.NewRequest(c.method, scheme+"://"+d.addr+c.path, c.body)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Close = true
	for _, h := range c.headers {
		name, value, _ := strings.Cut(h, ": ")
		if http.CanonicalHeaderKey(name) == "Host" {
			r.Host = value
			continue
		}
		r.Header[name] = append(r.Header[name], value) // as it is spelled
	}
	dialer := &net.Dialer{}
	if c.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.from)}
	}
	trusting := &tls.Config{InsecureSkipVerify: true} // which certificate it is matters to other tests
	res, err := (&http.Transport{DialContext: dialer.DialContext, DisableCompression: true, TLSClientConfig: trusting}).RoundTrip(r)
	if err != nil {
		d.t.Fatalf("%s %s: %v\n%s", c.method, c.path, err, d.log)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = res.Header.Write(&d.seen)
	d.seen.Write(body)
	return answer{res.StatusCode, res.Header, string(body)}
}

func (d *dog) get(path string, headers ...string) answer {
	d.t.Helper()
	return d.do(call{path: path, headers: headers})
}

// raw sends bytes as they are and returns the statuses of all answers until
// the connection ends, which the last request in them has to ask for.
func (d *dog) raw(text string) []int {
	d.t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		d.t.Fatal(err)
	}
	var statuses []int
	for br := bufio.NewReader(io.TeeReader(c, lockedWriter{&d.mu, &d.seen})); ; {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, res.StatusCode)
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return statuses
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// eventually waits for a change of the secrets to be in force.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("in a minute there was not: %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
