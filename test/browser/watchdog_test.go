package browser

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"html/template"
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

// A person is somebody who may sign in.
type person struct {
	name, password string
	hash           string
	seed           []byte // of the second factor, if there is one
	recovery       string // a recovery code
}

// newPerson makes somebody by the program's own command.
func newPerson(t *testing.T, name string) *person {
	t.Helper()
	p := &person{name: name, password: "CANARY correct horse " + rand.Text()}
	path := filepath.Join(t.TempDir(), "users")
	add := exec.Command(command, "user", "add", name, "--file", path)
	add.Stdin = strings.NewReader(p.password)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("user add: %v\n%s", err, out)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if p.hash = regexp.MustCompile(`\$argon2id\$[^\s"']+`).FindString(string(file)); p.hash == "" {
		t.Fatalf("user add made no hash of %s's password", name)
	}
	return p
}

// withApp gives a person an authenticator app, and a recovery code.
func (p *person) withApp() *person {
	p.seed = make([]byte, 20)
	_, _ = rand.Read(p.seed) // never fails
	p.recovery = "7Q4M-ZK2T-9XRA-B3CD-E5FG-H6JK"
	return p
}

// code is what the app shows (RFC 6238).
func (p *person) code(now time.Time) string {
	mac := hmac.New(sha1.New, p.seed)
	_ = binary.Write(mac, binary.BigEndian, now.Unix()/30)
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// entry is the person in the secret.
func (p *person) entry() string {
	s := fmt.Sprintf("- name: %s\n  password: %s\n", p.name, p.hash)
	if p.seed != nil {
		s += fmt.Sprintf("  totp: %s\n  recovery: [\"sha256:%x\"]\n", base32.StdEncoding.EncodeToString(p.seed),
			sha256.Sum256([]byte(strings.ReplaceAll(p.recovery, "-", ""))))
	}
	return s
}

// A program is auth-watchdog, serving, in front of a function of the test.
type program struct {
	address string
	people  []*person

	mu  sync.Mutex
	log bytes.Buffer
	got []string // requests of the function, by method, path and subject
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// requests are those that the function has got.
func (p *program) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.got...)
}

var functionPage = template.Must(template.New("").Parse(`<!doctype html><title>function</title>
<h1>{{.Name}} for {{.Subject}}</h1><p>{{.URL}}</p>
<form method="post" action="act"><button>Act</button></form>
`))

// serveFunction is the function. It says nothing of caches, as most do.
func (p *program) serveFunction(t *testing.T, socket, name string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject := r.Header.Get("X-Auth-Subject")
		p.mu.Lock()
		p.got = append(p.got, r.Method+" "+r.URL.Path+" "+subject)
		p.mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = functionPage.Execute(w, map[string]string{"Name": name, "Subject": subject, "URL": r.URL.RequestURI()})
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
}

// secretFiles are the secrets that functions of one group share.
func secretFiles(people ...*person) map[string]string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	files := map[string]string{"session-keys": base64.StdEncoding.EncodeToString(key) + "\n"}
	for _, p := range people {
		files["users"] += p.entry()
	}
	return files
}

// start starts the program for a function, and ends it with the test. What it
// has logged is then searched for what nobody may read there.
func start(t *testing.T, name, publicURL string, files, settings map[string]string, people ...*person) *program {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sockets, err := os.MkdirTemp("", "aw") // paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	socket := filepath.Join(sockets, "f.sock")
	p := &program{people: people}
	p.serveFunction(t, socket, name)

	cmd := exec.Command(command)
	env := map[string]string{
		"auth": "login", "public_url": publicURL, "allow_degraded": "true", "secret_mount_path": folder,
		"port": "0", "bind_address": "127.0.0.1", "metrics_port": "0", "mode": "http", "upstream_url": "unix://" + socket,
		"healthcheck_interval": "0", "TMPDIR": t.TempDir(), "OPENFAAS_NAME": name, "PATH": os.Getenv("PATH"),
	}
	for k, v := range settings {
		env[k] = v
	}
	if env["auth_config"] != "" { // the text of a policy, for the tests
		path := filepath.Join(t.TempDir(), "auth.yml")
		if err := os.WriteFile(path, []byte(env["auth_config"]), 0o600); err != nil {
			t.Fatal(err)
		}
		env["auth"], env["auth_config"] = "", path
	}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil && !t.Failed() {
			t.Errorf("the watchdog has ended with %v\n%s", err, p.text())
		}
		p.checkLog(t)
	})
	for p.address == "" || !p.ready() {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the watchdog has ended: %v\n%s", err, p.text())
		case <-time.After(time.Millisecond):
		}
		if m := regexp.MustCompile(`msg=listening address=(\S+)`).FindStringSubmatch(p.text()); m != nil {
			p.address = m[1]
		}
	}
	return p
}

func (p *program) ready() bool {
	r, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + p.address + "/_/ready")
	if err != nil {
		return false
	}
	defer r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// checkLog wants nothing in the log that opens anything.
func (p *program) checkLog(t *testing.T) {
	t.Helper()
	log := p.text()
	for _, s := range p.people {
		for _, secret := range []string{s.password, s.hash, s.recovery} {
			if secret != "" && strings.Contains(log, secret) {
				t.Errorf("a secret of %s stands in the log", s.name)
			}
		}
	}
	if strings.Contains(log, "CANARY") {
		t.Error("a part of a password stands in the log")
	}
	if t.Failed() {
		t.Logf("log:\n%s", log)
	}
}
