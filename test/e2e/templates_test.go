//go:build e2e

package e2e

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestTemplates takes a fresh function of every template through its life.
func TestTemplates(t *testing.T) {
	p := newPlatform(t)
	for _, tmpl := range templates(t) {
		t.Run(tmpl.name, func(t *testing.T) {
			needBases(t, filepath.Join(tmpl.folder, "Dockerfile"))
			f := newFunction(t, p, tmpl)
			t.Run("without a setting", func(t *testing.T) { withoutSettings(t, f) })
			t.Run("credentials", func(t *testing.T) { credentials(t, f) })
			if w, ok := f.way.(*sessionWay); ok {
				t.Run("people", func(t *testing.T) { people(t, f, w) })
			} else {
				t.Run("webhook", func(t *testing.T) { webhook(t, f) })
			}
			t.Run("alone", func(t *testing.T) { alone(t, f) })
		})
	}
}

// A function is a fresh one of a template, built and pushed.
type function struct {
	*platform
	template
	way     way
	service string
	image   string // as it was pushed
	folder  string // with the secrets, for containers that the provider does not start
}

func newFunction(t *testing.T, p *platform, tmpl template) *function {
	t.Helper()
	f := &function{platform: p, template: tmpl, service: "e2e-" + tmpl.name, way: tmpl.newWay(t)}
	handler := tmpl.newHandler(t)
	makeTell(t, handler)
	// As one forgets them there.
	if err := os.Mkdir(filepath.Join(handler, ".secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range f.way.secrets() {
		write(t, filepath.Join(handler, ".secrets", name), text)
	}
	begun := time.Now()
	image := "auth-watchdog-e2e/" + tmpl.name
	build(t, tmpl.buildContext(t, handler), image)
	f.image = p.push(t, image)
	size := docker(t, "image", "inspect", "--format", "{{.Size}}", f.image)
	t.Logf("%s bytes, built and pushed in %v", size, time.Since(begun).Round(time.Second/10))
	folder, err := os.MkdirTemp(work, "secret-*")
	if err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.folder = folder
	return f
}

// url is where the provider has the function.
func (f *function) url() string { return f.platform.url + "/function/" + f.service }

// deployment is what the stack file of a fresh function says, as its welcome
// message wants it.
func (f *function) deployment() deployment {
	return deployment{
		Service: f.service, Image: f.image, EnvProcess: f.Fprocess,
		EnvVars: f.way.environment(f.url()), Secrets: secretNames(f.way),
	}
}

func (f *function) setSecrets(t *testing.T) {
	t.Helper()
	for name, text := range f.way.secrets() {
		f.setSecret(t, name, text)
	}
}

// writeSecrets writes the files that mounts mounts.
func (f *function) writeSecrets(t *testing.T) {
	t.Helper()
	for name, text := range f.way.secrets() {
		write(t, filepath.Join(f.folder, name), text)
	}
}

func (f *function) mounts() []string {
	var flags []string
	for _, name := range secretNames(f.way) {
		flags = append(flags, "--volume", filepath.Join(f.folder, name)+":/var/openfaas/secrets/"+name+":ro")
	}
	return flags
}

// publicURL is for functions that are called at the container's address.
const publicURL = "https://tools.example.com"

// start runs the function with nothing but what it needs.
func (f *function) start(t *testing.T, flags ...string) container {
	t.Helper()
	flags = slices.Concat(envFlags(f.way.environment(publicURL)), f.mounts(), flags)
	c := inspect(t, start(t, f.image, flags...))
	eventually(t, "a ready function", func() bool {
		a, err := http.Get("http://" + c.port("8080") + "/_/ready")
		if err != nil {
			return false
		}
		a.Body.Close()
		return a.StatusCode == http.StatusOK
	})
	return c
}

func envFlags(env map[string]string) []string {
	var flags []string
	for name, value := range env {
		flags = append(flags, "--env", name+"="+value)
	}
	return flags
}

// withoutSettings: what lacks its secret, or a decision, ends with what to do.
func withoutSettings(t *testing.T, f *function) {
	said := endsAtOnce(t, f.image, envFlags(f.way.environment(publicURL))...)
	for _, name := range secretNames(f.way) {
		if want := "faas-cli secret create " + name; !strings.Contains(said, want) {
			t.Errorf("without its secrets it said %q, want %q in it", said, want)
		}
	}
	f.writeSecrets(t)
	for want := range f.way.environment(publicURL) {
		if said := endsAtOnce(t, f.image, f.mounts()...); !strings.Contains(said, want+": is not set") {
			t.Errorf("without %s it said %q, want how to set it", want, said)
		}
	}
	if said, want := endsAtOnce(t, f.image, envFlags(f.way.none())...), "auth=none"; !strings.Contains(said, want) {
		t.Errorf("without auth it said %q, want %q in it", said, want)
	}
	hmac := append(envFlags(f.way.none()), "--env", "auth=hmac", "--env", "auth_hmac_preset=github")
	if said, want := endsAtOnce(t, f.image, hmac...), "faas-cli secret create webhook-secret"; !strings.Contains(said, want) {
		t.Errorf("without the webhook's secret it said %q, want %q in it", said, want)
	}
}

// credentials: a fresh function, and nothing but what it needs.
func credentials(t *testing.T, f *function) {
	f.setSecrets(t)
	f.deploy(t, f.deployment())
	name := deployed(f.service)
	for who, c := range f.way.wrong(f.service) {
		if status, answer := f.invoke(t, f.service, c); status != http.StatusUnauthorized || answer != "Unauthorized\n" {
			t.Errorf("%s: got %d and %q, want 401", who, status, answer)
		}
	}
	entered := f.way.enter(t, f.url())
	if status, answer := f.invoke(t, f.service, entered); status != http.StatusOK {
		t.Fatalf("a caller: got %d and %q, want 200", status, answer)
	}
	// Its log is in order, so what came before would stand in it too.
	eventually(t, "a line of the function", func() bool { return timesHeard(t, name) > 0 })
	if n := timesHeard(t, name); n != 1 {
		t.Errorf("the function was called %d times, want once", n)
	}

	t.Run("rotation", func(t *testing.T) { rotation(t, f, name, entered) })
	t.Run("ports", func(t *testing.T) { ports(t, inspect(t, name)) })
	t.Run("socket", func(t *testing.T) { socket(t, inspect(t, name)) })
	t.Run("health", func(t *testing.T) {
		eventually(t, "a healthy container", func() bool { return inspect(t, name).State.Health.Status == "healthy" })
	})
	t.Run("secret", func(t *testing.T) { nowhere(t, f, name) })
	if user, _, _ := strings.Cut(inspect(t, name).Config.User, ":"); user == "" || strings.Trim(user, "0123456789") != "" || strings.Trim(user, "0") == "" {
		t.Errorf("its user is %q, want a number other than 0", user)
	}
}

// rotation: a secret's update is in force within ten seconds, in the process
// that runs.
func rotation(t *testing.T, f *function, name string, old credential) {
	before := inspect(t, name)
	f.way.change(t)
	f.setSecrets(t)
	updated := time.Now()
	f.waitForChange(t, f.way, f.service, old)
	if took := time.Since(updated); took > 10*time.Second {
		t.Errorf("it took %v, want at most 10s", took)
	}
	if after := inspect(t, name); after.ID != before.ID || after.State.StartedAt != before.State.StartedAt {
		t.Errorf("it was %v, and is %v: it has been started again", before.State, after.State)
	}
}

// waitForChange waits until what callers brought before is refused, and wants
// what they bring now to be good.
func (p *platform) waitForChange(t *testing.T, w way, service string, old credential) {
	t.Helper()
	eventually(t, "a refusal of the old credential", func() bool {
		status, _ := p.invoke(t, service, old)
		return status == http.StatusUnauthorized
	})
	if status, answer := p.invoke(t, service, w.enter(t, p.url+"/function/"+service)); status != http.StatusOK {
		t.Errorf("the new credential: got %d and %q, want 200", status, answer)
	}
}

// ports: nothing listens for the outside but the watchdog.
func ports(t *testing.T, c container) {
	if open := openPorts(t, c); !slices.Equal(open, []int{8080, 8081}) {
		t.Errorf("open are %v, want 8080 and 8081", open)
	}
}

// openPorts tries all of a container's ports.
func openPorts(t *testing.T, c container) []int {
	t.Helper()
	var mu sync.Mutex
	var open []int
	var workers sync.WaitGroup
	todo := make(chan int)
	for range 200 {
		workers.Go(func() {
			for port := range todo {
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.port(strconv.Itoa(port)))
				switch {
				case err == nil:
					conn.Close()
					mu.Lock()
					open = append(open, port)
					mu.Unlock()
				case !errors.Is(err, syscall.ECONNREFUSED):
					t.Errorf("port %d is neither open nor closed: %v", port, err)
				}
			}
		})
	}
	for port := 1; port <= 65535; port++ {
		todo <- port
	}
	close(todo)
	workers.Wait()
	slices.Sort(open)
	return open
}

// socket: that of the function, if it has one, is its user's alone.
func socket(t *testing.T, c container) {
	path, ok := strings.CutPrefix(c.env("upstream_url"), "unix://")
	if !ok {
		if mode := c.env("mode"); mode == "http" {
			t.Errorf("upstream_url is %q, want a unix socket", c.env("upstream_url"))
		}
		return
	}
	mode, err := modeIn(t.Context(), c.ID, path)
	if err != nil {
		t.Fatal(err)
	}
	if mode.Type() != os.ModeSocket || mode.Perm() != 0o600 {
		t.Errorf("%s is %v, want a socket with mode 0600", path, mode)
	}
}

// nowhere: the key stands in no place but the mounted file.
func nowhere(t *testing.T, f *function, name string) {
	for place, text := range map[string]string{
		"docker inspect":       docker(t, "inspect", name),
		"docker inspect IMAGE": docker(t, "inspect", f.image),
		"docker history":       docker(t, "history", "--no-trunc", f.image),
		"docker logs":          logs(t, name),
		"docker top":           docker(t, "top", name, "axeww"),
	} {
		if strings.Contains(text, "CANARY") {
			t.Errorf("%s shows a key:\n%s", place, text)
		}
	}
	if files := withKeys(t, f.image); len(files) > 0 {
		t.Errorf("the image has a key in %v", files)
	}
}

// TestKeysAreFound: a key in a layer of an image does not escape the search.
func TestKeysAreFound(t *testing.T) {
	needEngine(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "Dockerfile"), "FROM scratch\nCOPY key other /\n")
	write(t, filepath.Join(folder, "key"), strings.Repeat("x", 1<<20-3)+"CANARY")
	write(t, filepath.Join(folder, "other"), strings.Repeat("CANARI", 1<<18))
	const image = "auth-watchdog-e2e/key"
	build(t, folder, image)
	if files := withKeys(t, image); len(files) != 1 {
		t.Errorf("got %v, want the one layer", files)
	}
}

// withKeys returns the files of an image, such as layers, that have a key in
// them.
func withKeys(t *testing.T, image string) []string {
	t.Helper()
	save := exec.CommandContext(t.Context(), "docker", "save", image)
	out, err := save.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := save.Start(); err != nil {
		t.Fatal(err)
	}
	var list []string
	for files := tar.NewReader(out); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found, err := canaries(files)
		if err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if found {
			list = append(list, h.Name)
		}
	}
	// What pads the end.
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	if err := save.Wait(); err != nil {
		t.Fatal(err)
	}
	return list
}

// canaries reports whether a file of an image, packed or not, has a key in it.
func canaries(file io.Reader) (bool, error) {
	r := bufio.NewReader(file)
	file = r
	if magic, _ := r.Peek(2); string(magic) == "\x1f\x8b" {
		unpacked, err := gzip.NewReader(r)
		if err != nil {
			return false, err
		}
		file = unpacked
	}
	return contains(file, "CANARY")
}

// webhook: the same image with other settings, and a root file system that
// can't be written.
func webhook(t *testing.T, f *function) {
	key := "CANARY" + rand.Text()
	f.setSecret(t, "webhook-secret", key)
	d := f.deployment()
	d.Secrets = []string{"webhook-secret"}
	d.EnvVars = map[string]string{"auth": "hmac", "auth_hmac_preset": "github"}
	d.ReadOnlyRootFilesystem = true
	f.deploy(t, d)
	for _, c := range []struct {
		name   string
		sign   credential
		status int
	}{
		{"unsigned", nothing, http.StatusUnauthorized},
		{"signed", github(key, ""), http.StatusOK},
		{"damaged", github(key, " "), http.StatusUnauthorized},
		{"signed with another key", github(rand.Text(), ""), http.StatusUnauthorized},
	} {
		if status, answer := f.invoke(t, f.service, c.sign); status != c.status {
			t.Errorf("%s: got %d and %q, want %d", c.name, status, answer, c.status)
		}
	}
	eventually(t, "a line of the function", func() bool { return timesHeard(t, deployed(f.service)) > 0 })
	if n := timesHeard(t, deployed(f.service)); n != 1 {
		t.Errorf("the function was called %d times, want once", n)
	}
}

// github signs as GitHub does; damage is what is added to the body behind its
// back.
func github(key, damage string) credential {
	return func(r *http.Request, body string) {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(body))
		r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		r.Header.Set("X-GitHub-Event", "issues")
		r.Header.Set("X-GitHub-Delivery", rand.Text())
		r.Header.Set("Content-Type", "application/json")
		if damage != "" {
			r.Body = io.NopCloser(strings.NewReader(body + damage))
			r.ContentLength += int64(len(damage))
		}
	}
}

// people: what a browser is answered, below the path of public_url, with a root
// file system that can't be written.
func people(t *testing.T, f *function, w *sessionWay) {
	f.setSecrets(t)
	d := f.deployment()
	d.ReadOnlyRootFilesystem = true
	f.deploy(t, d)
	base := "/function/" + f.service
	origin := f.platform.url
	sessions := map[string]credential{"nobody": nothing, "alice": w.signIn(t, f.url(), "alice"), "bob": w.signIn(t, f.url(), "bob")}
	for _, c := range []struct {
		who, method, path, origin string
		status                    int
		location                  string
	}{
		{"nobody", "GET", "/admin/", "", http.StatusFound, base + "/_/auth/sign-in?return_to=" + url.QueryEscape(base+"/admin/")},
		{"bob", "GET", "/", "", http.StatusOK, ""},
		{"bob", "GET", "/admin/", "", http.StatusForbidden, ""},
		{"bob", "POST", "/", origin, http.StatusSeeOther, base + "/"},
		{"bob", "POST", "/", "https://evil.example", http.StatusForbidden, ""},
		{"bob", "POST", "/", "", http.StatusForbidden, ""},
		{"alice", "GET", "/admin/", "", http.StatusOK, ""},
		{"alice", "POST", "/_/auth/sign-out", origin, http.StatusSeeOther, base + "/_/auth/sign-out"},
		{"alice", "GET", "/", "", http.StatusFound, base + "/_/auth/sign-in"},
		{"bob", "GET", "/", "", http.StatusOK, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, f.url()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		sessions[c.who](r, "")
		r.Header.Set("Accept", "text/html")
		if c.method == http.MethodPost {
			const form = "text=hello"
			r.Method, r.Body, r.ContentLength = c.method, io.NopCloser(strings.NewReader(form)), int64(len(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if a := exchange(t, r); a.StatusCode != c.status || a.Header.Get("Location") != c.location {
			t.Errorf("%s, %s %s of %q: got %d to %q, want %d to %q", c.who, c.method, c.path, c.origin, a.StatusCode, a.Header.Get("Location"), c.status, c.location)
		}
	}
}

// alone: what a container does without a provider.
func alone(t *testing.T, f *function) {
	f.writeSecrets(t)
	for name, flags := range map[string][]string{
		"read-only":          {"--read-only", "--tmpfs", "/tmp"},
		"another user":       {"--user", "12345"},
		"little":             {"--read-only", "--tmpfs", "/tmp", "--user", "54321:54321", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"},
		"an image's own way": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := f.start(t, flags...)
			at := "http://" + c.port("8080")
			if status, answer := call(t, at, f.way.enter(t, at)); status != http.StatusOK {
				t.Errorf("a caller: got %d and %q, want 200", status, answer)
			}
			for who, wrong := range f.way.wrong("function") {
				if status, answer := call(t, at, wrong); status != http.StatusUnauthorized {
					t.Errorf("%s: got %d and %q, want 401", who, status, answer)
				}
			}
		})
	}
	t.Run("drain", func(t *testing.T) {
		t.Parallel()
		drain(t, f)
	})
}

// drain: a request whose body comes slowly is answered although the container
// is stopped meanwhile.
func drain(t *testing.T, f *function) {
	c := f.start(t)
	conn, err := net.Dial("tcp", c.port("8080"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, want := httptest.NewRequest(http.MethodPost, "/", nil), http.StatusOK
	f.way.enter(t, "http://"+c.port("8080"))(r, "")
	if _, ok := f.way.(*sessionWay); ok {
		want = http.StatusSeeOther // the form was taken
		r.Header.Set("Origin", publicURL)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 10\r\n")
	if err := r.Header.Write(conn); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "\r\ntext=")
	eventually(t, "a request in flight", func() bool {
		_, metrics := get(t, c.port("8081"), "/metrics")
		return strings.Contains(metrics, "http_requests_in_flight 1\n")
	})
	stopped := make(chan error)
	go func() {
		_, err := command(context.WithoutCancel(t.Context()), "docker", "stop", "--time", "60", c.ID)
		stopped <- err
	}()
	eventually(t, "a container that is being stopped", func() bool {
		status, _ := get(t, c.port("8080"), "/_/health")
		return status == http.StatusServiceUnavailable
	})
	fmt.Fprint(conn, "world")
	a, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(a.Body); err != nil || a.StatusCode != want {
		t.Errorf("got %s and %v, want %d", a.Status, err, want)
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if state := inspect(t, c.ID).State; state.ExitCode != 0 {
		t.Errorf("it is %v, want exit code 0", state)
	}
}

func get(t *testing.T, address, path string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}
