package test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// desk is a copy of what a newcomer has: the example functions, the templates
// and stack.yml.
func desk(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"function", "template", "stack.yml"} {
		if out, err := exec.Command("cp", "-R", filepath.Join("..", name), folder).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return folder
}

// dev is auth-watchdog dev, running.
type dev struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   *output
	ended chan error
	port  int
}

func startDev(t *testing.T, folder string, args ...string) *dev {
	t.Helper()
	d := &dev{t: t, log: &output{}, ended: make(chan error, 1), port: freePorts(t, 3)}
	d.cmd = exec.Command(binary, append([]string{"dev", "--port", strconv.Itoa(d.port)}, args...)...)
	d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = folder, d.log, d.log
	d.cmd.Env = append(os.Environ(), "TMPDIR="+shortTemp(t))
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(d.stop)
	return d
}

// freePorts is the first of n ports that are free.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for {
		first, free := freePort(t), 0
		for ; free < n; free++ {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+free)))
			if err != nil {
				break
			}
			l.Close()
		}
		if free == n {
			return first
		}
	}
}

// shortTemp is a folder whose name leaves room for a socket's.
func shortTemp(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "aw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

func (d *dev) stop() {
	if d.cmd.ProcessState != nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGINT)
	if err := <-d.ended; err != nil {
		d.t.Errorf("dev has ended with %v\n%s", err, d.log)
	}
}

// curls are the printed commands, as a shell reads them.
func (d *dev) curls() [][]string {
	d.t.Helper()
	d.log.wait(d.t, `What it does:`, d.ended)
	functions := strings.Count(d.log.String(), " is at http://")
	d.log.wait(d.t, `(?s)`+strings.Repeat(`msg=listening.*`, functions), d.ended)
	var list [][]string
	for _, line := range regexp.MustCompile(`(?m)^curl .*$`).FindAllString(d.log.String(), -1) {
		sh := exec.Command("sh", "-c", `curl() { printf '%s\0' "$@"; }; `+line)
		sh.Dir = d.cmd.Dir
		out, err := sh.Output()
		if err != nil {
			d.t.Fatalf("%s: %v", line, err)
		}
		list = append(list, strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
	}
	return list
}

// call does what curl would with such arguments, with or without the
// credential in them.
func (d *dev) call(args []string, credential bool) (int, string) {
	d.t.Helper()
	r, err := http.NewRequest("GET", args[len(args)-1], nil)
	if err != nil {
		d.t.Fatal(err)
	}
	form := url.Values{}
	for i := 0; i < len(args)-1; i++ {
		switch args[i] {
		case "-i", "-L":
			continue
		case "-b":
		case "-d":
			name, value, _ := strings.Cut(args[i+1], "=")
			form.Set(name, value)
		case "-u":
			if name, password, _ := strings.Cut(args[i+1], ":"); credential {
				r.SetBasicAuth(name, password)
			}
		case "-H":
			if name, value, _ := strings.Cut(args[i+1], ": "); credential || name == "Content-Type" || name == "X-Github-Event" {
				r.Header.Set(name, value)
			}
		case "--data-binary":
			r.Method, r.ContentLength = "POST", int64(len(args[i+1]))
			r.Body = io.NopCloser(strings.NewReader(args[i+1]))
		default:
			d.t.Fatalf("what is %q in %q?", args[i], args)
		}
		i++
	}
	if len(form) > 0 {
		if credential {
			cookie, location := d.signIn(r.URL.Path, form)
			r.URL.Path = location
			r.Header.Set("Cookie", cookie)
		} else {
			r.URL.Path = form.Get("return_to")
		}
	}
	res, body := d.send(r)
	return res.StatusCode, body
}

// signIn sends the form of sign-in to a path, as curl does, which says nothing
// of where it is. It returns the cookies of the answer, and where that leads.
func (d *dev) signIn(path string, form url.Values) (cookie, location string) {
	d.t.Helper()
	r, err := http.NewRequest("POST", d.url(path), strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, body := d.send(r)
	if res.StatusCode != http.StatusSeeOther {
		d.t.Fatalf("sign-in: got %d %q", res.StatusCode, body)
	}
	var cookies []string
	for _, c := range res.Cookies() {
		if c.MaxAge >= 0 {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
	}
	return strings.Join(cookies, "; "), res.Header.Get("Location")
}

func (d *dev) url(path string) string { return "http://127.0.0.1:" + strconv.Itoa(d.port) + path }

// send follows no redirection.
func (d *dev) send(r *http.Request) (*http.Response, string) {
	d.t.Helper()
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		d.t.Fatalf("%v\n%s", err, d.log)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res, string(body)
}

func TestDev(t *testing.T) {
	folder := desk(t)
	d := startDev(t, folder)
	curls := d.curls()
	if len(curls) != 3 {
		t.Fatalf("got %d commands, want one for each method\n%s", len(curls), d.log)
	}
	want := []string{`{"subject":"dev","method":"bearer"}`, "<h1>Hello dev</h1>", "octocat pushed 2 commits"}
	for i, args := range curls {
		if status, body := d.call(args, true); status != 200 || !strings.Contains(body, want[i]) {
			t.Errorf("%q: got %d %q, want 200 and %q", args, status, body, want[i])
		}
		if status, _ := d.call(args, false); status != 401 {
			t.Errorf("%q without the credential: got %d, want 401", args, status)
		}
	}
	for _, name := range []string{"api-key", "basic-auth-password", "webhook-secret"} {
		info, err := os.Stat(filepath.Join(folder, ".secrets", name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v and %v, want a file for its owner only", name, info, err)
		}
	}
	made := regexp.MustCompile(`shown only now: (awk_\S+)`).FindStringSubmatch(d.log.String())
	if key, err := os.ReadFile(filepath.Join(folder, ".secrets", "api-key")); err != nil || made == nil || bytes.Contains(key, []byte(made[1])) {
		t.Errorf("got %s and %v, want only the digest of the key that was shown", key, err)
	}

	t.Run("built anew", func(t *testing.T) {
		path := filepath.Join(folder, "function", "api", "handler.go")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		change := func(text []byte) {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		change([]byte("package function\n\nthis does not build\n"))
		d.log.wait(t, `the change is not in force: go build`, d.ended)
		if status, body := d.call(curls[0], true); status != 200 || !strings.Contains(body, want[0]) {
			t.Errorf("after a change that does not build: got %d %q", status, body)
		}
		change(bytes.Replace(text, []byte(`json:"subject"`), []byte(`json:"caller"`), 1))
		d.log.wait(t, `(?s)rebuilt.*msg=listening`, d.ended)
		eventually(t, "an answer of the new function", func() bool {
			status, body := d.call(curls[0], true)
			return status == 200 && strings.Contains(body, `"caller":"dev"`)
		})
	})

	t.Run("started again", func(t *testing.T) {
		d.stop()
		again := startDev(t, folder)
		curlsAgain := again.curls()
		for _, args := range curlsAgain {
			if status, _ := again.call(args, true); status != 200 {
				t.Errorf("%q: got %d", args, status)
			}
		}
		if strings.Contains(again.log.String(), "made ") {
			t.Error("secrets were made that were there")
		}
		old := append(append([]string{}, curls[0][:len(curls[0])-1]...), curlsAgain[0][len(curlsAgain[0])-1])
		if status, _ := again.call(old, true); status != 401 {
			t.Errorf("the key of the first start: got %d, want it to be good no more", status)
		}
	})
}

// TestDevKeepsTheSecretsOfOthers: what the user has put there stays.
func TestDevKeepsTheSecretsOfOthers(t *testing.T) {
	folder := desk(t)
	secrets := map[string]string{"api-key": "plain-key-of-the-user-0123\n", "webhook-secret": "0123456789abcdef\n"}
	if err := os.Mkdir(filepath.Join(folder, ".secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range secrets {
		if err := os.WriteFile(filepath.Join(folder, ".secrets", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := startDev(t, folder)
	for _, args := range d.curls() {
		if status, _ := d.call(args, true); status != 200 {
			t.Errorf("%q: got %d\n%s", args, status, d.log)
		}
	}
	for name, text := range secrets {
		if got, err := os.ReadFile(filepath.Join(folder, ".secrets", name)); err != nil || string(got) != text {
			t.Errorf("%s: got %q and %v, want it as it was", name, got, err)
		}
		if strings.Contains(d.log.String(), strings.TrimSpace(text)) {
			t.Errorf("%s was printed", name)
		}
	}
}

// TestDevPolicyFile: auth_config says the same here as in the image.
func TestDevPolicyFile(t *testing.T) {
	folder := desk(t)
	static, stack := filepath.Join(folder, "function", "api", "static"), filepath.Join(folder, "stack.yml")
	text, err := os.ReadFile(stack)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "auth: bearer\n", `auth: ""`+"\n      auth_config: static/auth.yml\n", 1)
	if changed == string(text) {
		t.Fatalf("no auth to replace in\n%s", text)
	}
	if err := errors.Join(
		os.Mkdir(static, 0o700),
		os.WriteFile(filepath.Join(static, "auth.yml"), []byte(`methods: {ci: {type: bearer}}
rules: [{match: /, accept: [ci]}]
`), 0o600),
		os.WriteFile(stack, []byte(changed), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, folder, "--function", "api")
	curls := d.curls()
	if len(curls) != 1 {
		t.Fatalf("got %d commands, want that of one function\n%s", len(curls), d.log)
	}
	if status, body := d.call(curls[0], true); status != 200 || !strings.Contains(body, `{"subject":"dev","method":"ci"}`) {
		t.Errorf("got %d %q", status, body)
	}
	if status, _ := d.call(curls[0], false); status != 401 {
		t.Errorf("without the credential: got %d, want 401", status)
	}
}

func TestDevSaysWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(folder string) error
		args   []string
		want   string
	}{
		"no stack file":    {func(f string) error { return os.Remove(filepath.Join(f, "stack.yml")) }, nil, "run this where stack.yml is"},
		"no template":      {func(f string) error { return os.RemoveAll(filepath.Join(f, "template")) }, nil, "faas-cli template pull"},
		"no dev.yml":       {func(f string) error { return os.Remove(filepath.Join(f, "template", "golang-auth", "dev.yml")) }, nil, "how a function runs without a container"},
		"no handler":       {func(f string) error { return os.RemoveAll(filepath.Join(f, "function")) }, nil, "want the folder of the function"},
		"no such function": {func(string) error { return nil }, []string{"--function", "other"}, `has no function "other", but api, page, webhook`},
		"no auth": {func(f string) error {
			path := filepath.Join(f, "stack.yml")
			text, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, bytes.Replace(text, []byte("auth: bearer\n"), []byte("auth: \"\"\n"), 1), 0o600))
		}, nil, "auth: is not set: set auth=bearer"},
		"does not build": {func(f string) error {
			return os.WriteFile(filepath.Join(f, "function", "api", "handler.go"), []byte("package function\nx"), 0o600)
		}, nil, "go build -o handler ."},
	} {
		t.Run(name, func(t *testing.T) {
			folder := desk(t)
			if err := tt.change(folder); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(binary, append([]string{"dev", "--port", strconv.Itoa(freePorts(t, 3))}, tt.args...)...)
			cmd.Dir = folder
			out, code := run(t, cmd)
			if code == 0 || !strings.Contains(out, tt.want) {
				t.Errorf("got %d and %s, want %q", code, out, tt.want)
			}
		})
	}
}
