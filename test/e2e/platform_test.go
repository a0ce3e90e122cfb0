//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A platform is what functions are deployed on: a provider, and a registry of
// images.
type platform struct {
	url      string // the provider's
	password string
	registry string // 127.0.0.1:PORT
}

// watchdogBuilt builds the watchdog's image once, under the name that templates
// give it.
var watchdogBuilt = sync.OnceValue(func() error {
	image, err := watchdogImage()
	if err != nil {
		return err
	}
	_, err = command(context.Background(), "docker", "build", "--tag", image, root)
	return err
})

// providerBuilt builds the provider once, and returns where it is.
var providerBuilt = sync.OnceValues(func() (string, error) {
	path := filepath.Join(work, "provider")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = root + "/test/provider"
	_, err := output(build)
	return path, err
})

// registryStarted starts the registry once; it ends with this process.
var registryStarted = sync.OnceValues(func() (string, error) {
	if _, err := exec.LookPath("docker-registry"); err != nil {
		return registryContainer()
	}
	storage, address := filepath.Join(work, "registry"), "127.0.0.1:0"
	if inBox() {
		// What was pushed once need not be packed and pushed again.
		cache, err := cacheFolder()
		if err != nil {
			return "", err
		}
		storage, address = filepath.Join(cache, "registry"), "127.0.0.1:5000"
	}
	settings := filepath.Join(work, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", storage, address)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		return "", err
	}
	registry := exec.Command("docker-registry", "serve", settings)
	registry.SysProcAttr = endsWithThis()
	out, err := registry.StderrPipe()
	if err != nil {
		return "", err
	}
	started := make(chan error)
	go launch(registry, started)
	if err := <-started; err != nil {
		return "", err
	}
	listens := regexp.MustCompile(`listening on ([0-9.:]+)`)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("docker-registry: %w: %s", err, line)
		}
		if m := listens.FindStringSubmatch(line); m != nil {
			go io.Copy(io.Discard, lines) // or it would stop at a full pipe
			return m[1], nil
		}
	}
})

// cacheFolder is where engine, images and registry are kept.
func cacheFolder() (string, error) {
	folder := os.Getenv("E2E_CACHE")
	if folder == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(user, "auth-watchdog-e2e")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	return folder, os.MkdirAll(folder, 0o755)
}

// registryContainer is for machines without Debian's program.
func registryContainer() (string, error) {
	ctx := context.Background()
	id, err := command(ctx, "docker", "run", "--rm", "--detach", "--publish", "127.0.0.1:0:5000", "registry:2")
	if err != nil {
		return "", err
	}
	atEnd = append(atEnd, func() { _, _ = command(ctx, "docker", "rm", "--force", id) })
	return command(ctx, "docker", "port", id, "5000/tcp")
}

// launch starts a command from a thread that stays, because the end of the
// thread would end the command.
func launch(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		_ = cmd.Wait()
	}
}

// newPlatform starts a provider with no functions and no secrets. It ends with
// the test.
func newPlatform(t *testing.T) *platform {
	t.Helper()
	needEngine(t)
	if err := watchdogBuilt(); err != nil {
		t.Fatal(err)
	}
	registry, err := registryStarted()
	if err != nil {
		t.Fatal(err)
	}
	program, err := providerBuilt()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp(work, "provider-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &platform{password: rand.Text(), registry: registry}
	for name, value := range map[string]string{"basic-auth-user": "admin", "basic-auth-password": p.password} {
		write(t, filepath.Join(folder, name), value)
	}
	provider := exec.Command(program, "-port", "0", "-credentials", folder, "-state", folder, "-docker", engineSocket())
	provider.SysProcAttr = endsWithThis()
	var log bytes.Buffer
	provider.Stderr = &log
	out, err := provider.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		launch(provider, started)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = provider.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("the provider's log:\n%s", &log)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the provider: %v", err)
	}
	p.url = strings.TrimSpace(line)
	return p
}

// api sends a request to the provider's own paths.
func (p *platform) api(t *testing.T, method, path string, body any) (status int, answer string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, p.url+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("admin", p.password)
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (status int, answer string) {
	t.Helper()
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(body)
}

// setSecret creates a secret or updates it.
func (p *platform) setSecret(t *testing.T, name, value string) {
	t.Helper()
	s := map[string]string{"name": name, "value": value}
	status, answer := p.api(t, http.MethodPost, "/system/secrets", s)
	if status == http.StatusConflict {
		status, answer = p.api(t, http.MethodPut, "/system/secrets", s)
	}
	if status >= 300 {
		t.Fatalf("secret %s: %d %s", name, status, answer)
	}
}

// A deployment has the fields of OpenFaaS' that are needed here.
type deployment struct {
	Service                string            `json:"service"`
	Image                  string            `json:"image"`
	EnvProcess             string            `json:"envProcess,omitempty"`
	EnvVars                map[string]string `json:"envVars,omitempty"`
	Secrets                []string          `json:"secrets,omitempty"`
	ReadOnlyRootFilesystem bool              `json:"readOnlyRootFilesystem,omitempty"`
}

// deploy makes a function or updates it; it is removed with the test.
func (p *platform) deploy(t *testing.T, d deployment) {
	t.Helper()
	t.Cleanup(func() { remove(t, deployed(d.Service)) })
	status, answer := p.api(t, http.MethodPut, "/system/functions", d)
	if status == http.StatusNotFound {
		status, answer = p.api(t, http.MethodPost, "/system/functions", d)
	}
	if status >= 300 {
		t.Fatalf("deploy %s: %d %s", d.Service, status, answer)
	}
}

// deployed is the name that the provider gives a function's container.
func deployed(function string) string { return "openfaas-fn." + function }

// A credential is put on a request.
type credential func(r *http.Request, body string)

func nothing(*http.Request, string) {}

func bearer(key string) credential {
	return func(r *http.Request, _ string) { r.Header.Set("Authorization", "Bearer "+key) }
}

// invoke calls a function through the provider.
func (p *platform) invoke(t *testing.T, function string, c credential) (status int, answer string) {
	t.Helper()
	return call(t, p.url+"/function/"+function, c)
}

func call(t *testing.T, url string, c credential) (status int, answer string) {
	t.Helper()
	const body = `{"action": "opened"}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c(r, body)
	return do(t, r)
}

// port is a container's address with a port.
func (c container) port(number string) string { return net.JoinHostPort(c.address(), number) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
