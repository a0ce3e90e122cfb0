//go:build e2e

package e2e

import (
	"cmp"
	"crypto/rand"
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
	key := "CANARY" + rand.Text()
	faas(t, "me "+key, "secret", "create", "api-key")

	for _, tmpl := range templates(t) {
		t.Run(tmpl.name, func(t *testing.T) {
			needBases(t, filepath.Join(tmpl.folder, "Dockerfile"))
			service := "cli-" + tmpl.name
			stack := service + ".yaml"
			said := faas(t, "", "new", "--lang", tmpl.name, service)
			if !strings.Contains(said, "faas-cli secret create api-key") {
				t.Errorf("new does not say how to make the secret:\n%s", said)
			}
			if err := os.Rename(filepath.Join(folder, "stack.yaml"), filepath.Join(folder, stack)); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(folder, stack))
			if err != nil {
				t.Fatal(err)
			}
			// What the welcome message says to add, under the one function.
			write(t, filepath.Join(folder, stack), strings.TrimRight(string(text), "\n")+"\n    secrets:\n      - api-key\n")
			t.Cleanup(func() { remove(t, deployed(service)) })
			faas(t, "", "up", "-f", stack)
			faas(t, "", "ready", service)

			rotated := "CANARY" + rand.Text()
			for k, want := range map[string]int{key: http.StatusOK, rotated: http.StatusUnauthorized, "": http.StatusUnauthorized} {
				if status, answer := p.invoke(t, service, bearer(k)); status != want {
					t.Errorf("got %d and %q, want %d", status, answer, want)
				}
			}
			faas(t, "me "+rotated, "secret", "update", "api-key")
			updated := time.Now()
			eventually(t, "the new key alone", func() bool {
				status, _ := p.invoke(t, service, bearer(rotated))
				statusOfOld, _ := p.invoke(t, service, bearer(key))
				return status == http.StatusOK && statusOfOld == http.StatusUnauthorized
			})
			if took := time.Since(updated); took > 10*time.Second {
				t.Errorf("it took %v, want at most 10s", took)
			}
			key = rotated
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
