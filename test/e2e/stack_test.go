//go:build e2e

package e2e

import (
	"crypto/rand"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestStack deploys the functions of stack.yml, which admit what their auth
// says and nothing else.
func TestStack(t *testing.T) {
	p := newPlatform(t)
	text, err := os.ReadFile(root + "/stack.yml")
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Functions map[string]struct {
			Lang        string            `yaml:"lang"`
			Handler     string            `yaml:"handler"`
			Environment map[string]string `yaml:"environment"`
			Secrets     []string          `yaml:"secrets"`
			ReadOnly    bool              `yaml:"readonly_root_filesystem"`
		} `yaml:"functions"`
	}
	if err := yaml.Unmarshal(text, &stack); err != nil || len(stack.Functions) == 0 {
		t.Fatalf("stack.yml: %d functions, %v", len(stack.Functions), err)
	}
	values := map[string]string{
		"api-key":             "me CANARY" + rand.Text(),
		"webhook-secret":      "CANARY" + rand.Text(),
		"basic-auth-user":     "admin",
		"basic-auth-password": "CANARY" + rand.Text(),
	}
	credentials := map[string]credential{
		"bearer": bearer(strings.TrimPrefix(values["api-key"], "me ")),
		"hmac":   github(values["webhook-secret"], ""),
		"basic": func(r *http.Request, _ string) {
			r.SetBasicAuth(values["basic-auth-user"], values["basic-auth-password"])
		},
	}
	for name, value := range values {
		p.setSecret(t, name, value)
	}
	for _, name := range slices.Sorted(maps.Keys(stack.Functions)) {
		t.Run(name, func(t *testing.T) {
			f := stack.Functions[name]
			tmpl := readTemplate(t, filepath.Join(root, "template", f.Lang))
			needBases(t, filepath.Join(tmpl.folder, "Dockerfile"))
			image := "auth-watchdog-e2e/stack-" + name
			build(t, tmpl.buildContext(t, filepath.Join(root, f.Handler)), image)
			service := "e2e-stack-" + name
			p.deploy(t, deployment{
				Service: service, Image: p.push(t, image), EnvProcess: tmpl.Fprocess,
				EnvVars: f.Environment, Secrets: f.Secrets, ReadOnlyRootFilesystem: f.ReadOnly,
			})
			auth := f.Environment["auth"]
			if auth == "" {
				auth = inspect(t, deployed(service)).env("auth") // the template's
			}
			accepted := strings.Split(auth, ",")
			for _, method := range accepted {
				if credentials[method] == nil {
					t.Errorf("auth=%s: no credential for %q", auth, method)
				}
			}
			if status, answer := p.invoke(t, service, nothing); status != http.StatusUnauthorized {
				t.Errorf("nobody: got %d and %q, want 401", status, answer)
			}
			for method, c := range credentials {
				status, answer := p.invoke(t, service, c)
				if admitted := slices.Contains(accepted, method); (status == http.StatusOK) != admitted || !admitted && status != http.StatusUnauthorized {
					t.Errorf("auth=%s, %s: got %d and %q", auth, method, status, answer)
				}
			}
		})
	}
}
