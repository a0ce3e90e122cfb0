package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// handlers are functions as the templates of others have them, with the change
// by which they listen for nobody but the watchdog. The README names the same.
var handlers = map[string]struct {
	file     string
	run      []string // FILE is the function's source
	port     string
	all      string // what listens on all addresses
	loopback string // what it is changed to
}{
	"go":     {"main.go", []string{"FILE.bin"}, "8082", `":8082"`, `"127.0.0.1:8082"`},
	"node":   {"index.js", []string{"node", "FILE"}, "3000", "listen(3000)", "listen(3000, '127.0.0.1')"},
	"python": {"index.py", []string{"python3", "FILE"}, "5000", "'0.0.0.0', 5000", "'127.0.0.1', 5000"},
}

// TestHandlersOfOthers: with their usual environment and auth, the functions of
// other templates are refused while anybody can reach them, and answer once
// they are mended.
func TestHandlersOfOthers(t *testing.T) {
	for name, h := range handlers {
		for _, mended := range []bool{false, true} {
			title := name + " as it is"
			if mended {
				title = name + " mended"
			}
			t.Run(title, func(t *testing.T) {
				text, err := os.ReadFile(filepath.Join("compat", name, h.file))
				if err != nil {
					t.Fatal(err)
				}
				source := string(text)
				if !strings.Contains(source, h.all) {
					t.Fatalf("%s does not say %s", h.file, h.all)
				}
				if mended {
					source = strings.Replace(source, h.all, h.loopback, 1)
				}
				port := strconv.Itoa(freePort(t))
				source = strings.ReplaceAll(source, h.port, port)
				file := filepath.Join(t.TempDir(), h.file)
				if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
					t.Fatal(err)
				}
				command := strings.Join(h.run, " ")
				if name == "go" {
					if out, err := exec.Command("go", "build", "-o", file+".bin", file).CombinedOutput(); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
				} else if _, err := exec.LookPath(h.run[0]); err != nil {
					t.Skipf("%s is not installed", h.run[0])
				}
				s := oneKey()
				s.env["fprocess"], s.env["upstream_url"] = strings.ReplaceAll(command, "FILE", file), "http://127.0.0.1:"+port
				d := newDog(t, s)
				d.launch(s, nil)
				if !mended {
					d.log.wait(t, `(?s)level=ERROR msg="requests are refused: the function can be reached without the watchdog".*:`+port+`, where it can be called without a credential`, d.ended)
					if a := d.do(call{method: "POST", path: "/", headers: []string{bearer}, body: strings.NewReader("hello")}); a.status != 503 {
						t.Errorf("got %d, want 503", a.status)
					}
					if a := d.get("/_/ready"); a.status != 503 {
						t.Errorf("ready: got %d, want 503", a.status)
					}
					return
				}
				for _, credential := range []string{bearer, "X-Other: none"} {
					a := d.do(call{method: "POST", path: "/", headers: []string{credential}, body: strings.NewReader("hello")})
					if want := credential == bearer; (a.status == 200 && a.body == "ci says hello") != want || !want && a.status != 401 {
						t.Errorf("with %.13s: got %d and %q", credential, a.status, a.body)
					}
				}
			})
		}
	}
}
