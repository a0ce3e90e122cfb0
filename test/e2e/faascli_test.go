//go:build e2e

package e2e

import (
	"cmp"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFaasCLI goes the user's way with the real faas-cli, where there is one.
func TestFaasCLI(t *testing.T) {
	program, err := exec.LookPath(cmp.Or(os.Getenv("FAAS_CLI"), "faas-cli"))
	if err != nil {
		t.Skip("no faas-cli: put one on the PATH, or name it in FAAS_CLI")
	}
	p := newPlatform(t)
	folder := t.TempDir()
	faas := func(t *testing.T, input string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = folder
		cmd.Stdin = strings.NewReader(input)
		cmd.Env = append(os.Environ(), "HOME="+folder, "OPENFAAS_URL="+p.url, "OPENFAAS_PREFIX="+p.registry+"/auth-watchdog-e2e-cli")
		if inBox() {
			// The other builder than the one that the other tests use. Debian's
			// program has it without a plugin.
			cmd.Env = append(cmd.Env, "DOCKER_BUILDKIT=1", "PATH=/usr/bin:"+os.Getenv("PATH"))
		}
		out, err := output(cmd)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	faas(t, p.password, "login", "--username", "admin", "--password-stdin")
	faas(t, "", "template", "pull", repository(t))
	there := map[string]bool{}
	setSecrets := func(t *testing.T, w way) {
		for name, text := range w.secrets() {
			verb := "create"
			if there[name] {
				verb = "update"
			}
			faas(t, text, "secret", verb, name)
			there[name] = true
		}
	}

	for _, tmpl := range templates(t) {
		t.Run(tmpl.name, func(t *testing.T) {
			needBases(t, filepath.Join(tmpl.folder, "Dockerfile"))
			service := "cli-" + tmpl.name
			stack := service + ".yaml"
			said := faas(t, "", "new", "--lang", tmpl.name, service)
			w := tmpl.newWay(t)
			setSecrets(t, w)
			for _, name := range secretNames(w) {
				if !strings.Contains(said, "faas-cli secret create "+name) {
					t.Errorf("new does not say how to make the secret %q:\n%s", name, said)
				}
			}
			if err := os.Rename(filepath.Join(folder, "stack.yaml"), filepath.Join(folder, stack)); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(folder, stack))
			if err != nil {
				t.Fatal(err)
			}
			// What the welcome message says to add, under the one function.
			added := "\n    secrets:\n      - " + strings.Join(secretNames(w), "\n      - ") + "\n"
			at := p.url + "/function/" + service
			for name, value := range w.environment(at) {
				added += "    environment:\n      " + name + ": " + value + "\n"
			}
			write(t, filepath.Join(folder, stack), strings.TrimRight(string(text), "\n")+added)
			t.Cleanup(func() { remove(t, deployed(service)) })
			faas(t, "", "up", "-f", stack)
			faas(t, "", "ready", service)

			old := w.enter(t, at)
			if status, answer := p.invoke(t, service, old); status != http.StatusOK {
				t.Errorf("a caller: got %d and %q, want 200", status, answer)
			}
			for who, wrong := range w.wrong(service) {
				if status, answer := p.invoke(t, service, wrong); status != http.StatusUnauthorized {
					t.Errorf("%s: got %d and %q, want 401", who, status, answer)
				}
			}
			w.change(t)
			setSecrets(t, w)
			updated := time.Now()
			p.waitForChange(t, w, service, old)
			if took := time.Since(updated); took > 10*time.Second {
				t.Errorf("it took %v, want at most 10s", took)
			}
		})
	}
}

// repository is one of git with the templates as they are in the working tree.
func repository(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	copyFolder(t, root+"/template", filepath.Join(folder, "template"), nil)
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "."},
		{"-c", "user.name=e2e", "-c", "user.email=e2e@localhost", "commit", "--quiet", "--message", "templates"},
	} {
		if _, err := command(t.Context(), "git", append([]string{"-C", folder}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
