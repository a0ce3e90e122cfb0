//go:build e2e

package e2e

import (
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ofWatchdog is the image of the one line that is changed.
const ofWatchdog = "of-watchdog:0.11.3"

// TestTemplateOfOthers: a template for of-watchdog becomes ours by its FROM line
// and auth.
func TestTemplateOfOthers(t *testing.T) {
	p := newPlatform(t)
	needBases(t, official+"/Dockerfile")
	watchdog, err := watchdogImage()
	if err != nil {
		t.Fatal(err)
	}
	tmpl := readTemplate(t, official)
	key := "CANARY" + rand.Text()
	p.setSecret(t, "api-key", key)

	// image builds the template with changes of some of its files.
	image := func(t *testing.T, tag string, changes map[string][2]string) string {
		folder := tmpl.buildContext(t, tmpl.newHandler(t))
		for name, change := range changes {
			file := filepath.Join(folder, name)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(text), change[0]) != 1 {
				t.Fatalf("%s does not say %q once", name, change[0])
			}
			write(t, file, strings.Replace(string(text), change[0], change[1], 1))
		}
		build(t, folder, "auth-watchdog-e2e/of-watchdog-template:"+tag)
		return p.push(t, "auth-watchdog-e2e/of-watchdog-template:"+tag)
	}
	changed := map[string][2]string{"Dockerfile": {ofWatchdog + " AS watchdog", watchdog + " AS watchdog"}}
	stock := image(t, "stock", changed)
	changed["main.go"] = [2]string{`":8082"`, `"127.0.0.1:8082"`}
	mended := image(t, "mended", changed)

	t.Run("without auth", func(t *testing.T) {
		if said := endsAtOnce(t, stock); !strings.Contains(said, "auth=none") {
			t.Errorf("it said %q, want how to set auth", said)
		}
	})
	for _, c := range []struct {
		name, image string
		env         map[string]string
	}{
		{"mended", mended, map[string]string{"auth": "bearer"}},
		{"open on purpose", stock, map[string]string{"auth": "bearer", "allow_open_upstream": "true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := "e2e-of-" + strings.ReplaceAll(c.name, " ", "-")
			p.deploy(t, deployment{Service: service, Image: c.image, EnvProcess: tmpl.Fprocess, EnvVars: c.env, Secrets: []string{"api-key"}})
			for k, want := range map[string]int{key: http.StatusOK, "CANARY-wrong": http.StatusUnauthorized, "": http.StatusUnauthorized} {
				if status, answer := p.invoke(t, service, bearer(k)); status != want {
					t.Errorf("got %d and %q, want %d", status, answer, want)
				}
			}
		})
	}
	// The stock one's server listens for everybody.
	t.Run("as it is", func(t *testing.T) {
		const service = "e2e-of-as-it-is"
		p.deploy(t, deployment{Service: service, Image: stock, EnvProcess: tmpl.Fprocess, EnvVars: map[string]string{"auth": "bearer"}, Secrets: []string{"api-key"}})
		name := deployed(service)
		const reason = "the function can be reached without the watchdog"
		eventually(t, "a line that says "+reason, func() bool { return strings.Contains(logs(t, name), reason) })
		c := inspect(t, name)
		if status, answer := call(t, "http://"+c.port("8080"), bearer(key)); status != http.StatusServiceUnavailable {
			t.Errorf("got %d and %q, want 503", status, answer)
		}
		if open := openPorts(t, c); !slices.Equal(open, []int{8080, 8081, 8082}) {
			t.Errorf("open are %v, want its server's too", open)
		}
	})
}
