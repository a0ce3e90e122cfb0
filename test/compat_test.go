package test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// record names the program of another watchdog, to write down what it answers:
//
//	go test ./test -run TestCompat -record /path/of-watchdog -family of-watchdog
var (
	record = flag.String("record", "", "write what this watchdog answers to compat/FAMILY.txtar")
	family = flag.String("family", "of-watchdog", "of-watchdog or classic-watchdog, for -record")
)

// A compatCase is a request to a function with the environment that it has
// under the other watchdog.
type compatCase struct {
	name    string
	env     map[string]string // PORT is that of a function over HTTP
	script  string            // of a function that is a process
	method  string
	path    string
	headers []string
	body    string
	metrics bool // what is wanted is the names of the metrics after it
}

// tellEnv is a function that answers what it was told in variables.
const tellEnv = "env | grep ^Http_ | grep -v -e Call_Id -e Connection -e X_Forwarded | LC_ALL=C sort"

var compatCases = map[string][]compatCase{
	"of-watchdog": {
		{name: "streaming", script: "cat", method: "POST", path: "/", body: "hello"},
		{name: "streaming, a binary that reads standard input", env: map[string]string{"fprocess": "wc -c"}, method: "POST", path: "/", body: "hello"},
		{name: "streaming, variables", script: tellEnv, method: "POST", path: "/a/b%20c?x=1&y=%20", headers: []string{"X-One: 1", "X-Two: a", "X-Two: b", "User-Agent: me"}, body: "hello"},
		{name: "streaming, a header named Query", script: tellEnv, method: "GET", path: "/", headers: []string{"Query: evil", "Path: evil", "Method: evil", "User-Agent: me"}},
		{name: "streaming, chunked", script: tellEnv, method: "POST", path: "/", headers: []string{"Transfer-Encoding: chunked", "User-Agent: me"}, body: "hello"},
		{name: "streaming, no output", script: "true", method: "GET", path: "/"},
		{name: "streaming, failure", script: "exit 3", method: "GET", path: "/"},
		{name: "streaming, failure with output", script: "echo begun; exit 3", method: "GET", path: "/"},
		{name: "streaming, no such program", env: map[string]string{"fprocess": "/no/such/program"}, method: "GET", path: "/"},
		{name: "streaming, too slow", script: "exec sleep 5", env: map[string]string{"exec_timeout": "1s"}, method: "GET", path: "/"},
		{name: "streaming, content_type", script: "cat", env: map[string]string{"content_type": "text/plain"}, method: "POST", path: "/", body: "hello"},
		{name: "streaming, HEAD", script: "echo body", method: "HEAD", path: "/"},
		{name: "streaming, a path of two readings", script: tellEnv, method: "GET", path: "//a/../b", headers: []string{"User-Agent: me"}},
		{name: "serializing", script: "cat", env: map[string]string{"mode": "serializing"}, method: "POST", path: "/", body: "hello"},
		{name: "serializing, variables", script: tellEnv, env: map[string]string{"mode": "serializing"}, method: "POST", path: "/a?x=1", headers: []string{"User-Agent: me"}, body: "hello"},
		{name: "serializing, failure", script: "echo begun; exit 3", env: map[string]string{"mode": "serializing"}, method: "GET", path: "/"},
		{name: "serializing, too slow", script: "exec sleep 5", env: map[string]string{"mode": "serializing", "exec_timeout": "1s"}, method: "GET", path: "/"},
		{name: "http", env: overPort(nil), method: "POST", path: "/a%2Fb?x=1", headers: []string{"X-One: 1", "User-Agent: me", "Accept-Encoding: br"}, body: "hello"},
		{name: "http, GET", env: overPort(nil), method: "GET", path: "/", headers: []string{"User-Agent: me"}},
		{name: "http, a status of its own", env: overPort(nil), method: "GET", path: "/418", headers: []string{"User-Agent: me"}},
		{name: "http, a redirection", env: overPort(nil), method: "GET", path: "/302", headers: []string{"User-Agent: me"}},
		{name: "http, too slow", env: overPort(map[string]string{"exec_timeout": "1s"}), method: "GET", path: "/slow"},
		{name: "http, read whole", env: overPort(map[string]string{"http_buffer_req_body": "true"}), method: "POST", path: "/", headers: []string{"User-Agent: me", "Transfer-Encoding: chunked"}, body: "hello"},
		{name: "http, nobody listens", env: map[string]string{"mode": "http", "fprocess": "sleep 60", "upstream_url": "http://127.0.0.1:1", "exec_timeout": "1s"}, method: "GET", path: "/"},
		{name: "metrics", script: "cat", method: "GET", path: "/", metrics: true},
		{name: "health", script: "cat", method: "GET", path: "/_/health"},
		{name: "health, POST", script: "cat", method: "POST", path: "/_/health"},
		{name: "ready", script: "cat", method: "GET", path: "/_/ready"},
	},
	"classic-watchdog": {
		{name: "answer", script: "cat", method: "POST", path: "/", body: "hello"},
		{name: "a binary that reads standard input", env: map[string]string{"fprocess": "wc -c"}, method: "POST", path: "/", body: "hello"},
		{name: "variables", script: tellEnv, method: "POST", path: "/a/b%20c?x=1", headers: []string{"X-One: 1", "User-Agent: me"}, body: "hello"},
		{name: "variables of a GET", script: tellEnv, method: "GET", path: "/", headers: []string{"User-Agent: me"}},
		{name: "failure", script: "echo begun; exit 3", method: "GET", path: "/"},
		{name: "standard error", script: "echo out; echo err >&2", method: "GET", path: "/"},
		{name: "too slow", script: "exec sleep 5", env: map[string]string{"exec_timeout": "1s"}, method: "GET", path: "/"},
		{name: "HEAD", script: "echo body", method: "HEAD", path: "/"},
		{name: "OPTIONS", script: "echo body", method: "OPTIONS", path: "/"},
		{name: "type of the request", script: "cat", method: "POST", path: "/", headers: []string{"Content-Type: text/x"}, body: "hello"},
		{name: "marshal_request", script: "cat", env: map[string]string{"marshal_request": "true"}, method: "POST", path: "/", headers: []string{"User-Agent: me", "X-One: 1"}, body: "hello"},
		{name: "no variables", script: tellEnv + "; echo end", env: map[string]string{"cgi_headers": "false"}, method: "GET", path: "/"},
		{name: "health", script: "cat", method: "GET", path: "/_/health"},
	},
}

func overPort(more map[string]string) map[string]string {
	env := map[string]string{"mode": "http", "fprocess": "sleep 60", "upstream_url": "http://127.0.0.1:PORT"}
	for name, value := range more {
		env[name] = value
	}
	return env
}

// TestCompat has functions with their usual environment, and auth=none, answer
// as under the watchdog that they come from, or as compat/DIFFERENCES.md says.
func TestCompat(t *testing.T) {
	if *record != "" {
		a := &txtar.Archive{Comment: []byte("What " + *family + " answers; go test ./test -run TestCompat -record PROGRAM writes it.\n")}
		for _, c := range compatCases[*family] {
			a.Files = append(a.Files, txtar.File{Name: c.name, Data: []byte(c.answer(t, *record, nil))})
		}
		if err := os.WriteFile(filepath.Join("compat", *family+".txtar"), txtar.Format(a), 0o644); err != nil { //nolint:gosec // it is source
			t.Fatal(err)
		}
		return
	}
	differences := readDifferences(t)
	for name, cases := range compatCases {
		a, err := txtar.ParseFile(filepath.Join("compat", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		recorded := map[string]string{}
		for _, f := range a.Files {
			recorded[f.Name] = string(f.Data)
		}
		ours := map[string]string{"auth": "none"}
		if name == "classic-watchdog" {
			ours["classic"] = "true"
		}
		for _, c := range cases {
			id := name + ": " + c.name
			t.Run(id, func(t *testing.T) {
				want, ok := recorded[c.name]
				if !ok {
					t.Fatal("was not recorded")
				}
				if other, ok := differences[id]; ok {
					if other == want {
						t.Error("compat/DIFFERENCES.md lists what is none")
					}
					want = other
				}
				if got := c.answer(t, binary, ours); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				delete(differences, id)
			})
		}
	}
	for id := range differences {
		t.Errorf("compat/DIFFERENCES.md has %q, which is no case", id)
	}
}

// readDifferences reads what we answer where that is something else: headings
// "### FAMILY: CASE" with a fenced block.
func readDifferences(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("compat/DIFFERENCES.md")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)### ([^\n]+)\n.*?```\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		list[m[1]] = m[2]
	}
	return list
}

// answer starts a watchdog with the case's function, sends the request, and
// writes down what came back.
func (c compatCase) answer(t *testing.T, program string, more map[string]string) string {
	t.Helper()
	folder, script := t.TempDir(), writeProgram(t, c.script)
	function, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(compatFunction)}
	go func() { _ = server.Serve(function) }()
	defer server.Close()
	port := freePort(t)
	env := map[string]string{
		"fprocess": script, "port": strconv.Itoa(port), "TMPDIR": folder, "PATH": os.Getenv("PATH"), "healthcheck_interval": "1ms",
	}
	for _, m := range []map[string]string{c.env, more} {
		for name, value := range m {
			env[name] = strings.ReplaceAll(value, "PORT", strconv.Itoa(function.Addr().(*net.TCPAddr).Port)) //nolint:forcetypeassert // it is TCP
		}
	}
	metrics := "8081" // which others do not let one choose
	if more != nil {
		metrics = strconv.Itoa(freePort(t))
		env["metrics_port"], env["bind_address"] = metrics, "127.0.0.1"
	}
	cmd := exec.Command(program)
	var log output
	cmd.Stdout, cmd.Stderr = &log, &log
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	address := "127.0.0.1:" + strconv.Itoa(port)
	eventually(t, "a watchdog that listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		_, errLock := os.Stat(filepath.Join(folder, ".lock"))
		return err == nil && errLock == nil
	})

	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: shop\r\n", c.method, c.path)
	chunked := slices.Contains(c.headers, "Transfer-Encoding: chunked")
	for _, h := range c.headers {
		fmt.Fprintf(conn, "%s\r\n", h)
	}
	switch {
	case chunked:
		fmt.Fprintf(conn, "\r\n%x\r\n%s\r\n0\r\n\r\n", len(c.body), c.body)
	case c.body != "":
		fmt.Fprintf(conn, "Content-Length: %d\r\n\r\n%s", len(c.body), c.body)
	default:
		fmt.Fprint(conn, "\r\n")
	}
	r, err := http.NewRequest(c.method, "http://shop/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return "no answer\n"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if c.metrics {
		return metricNames(t, "127.0.0.1:"+metrics)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", res.StatusCode)
	for _, name := range []string{"Allow", "Content-Type", "Location", "Retry-After", "X-Duration-Seconds", "X-Function", "X-Openfaas-Internal"} {
		value := res.Header.Get(name)
		if name == "X-Duration-Seconds" && value != "" {
			value = "…"
		}
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	text := strings.ReplaceAll(string(body), strconv.Itoa(function.Addr().(*net.TCPAddr).Port), "PORT") //nolint:forcetypeassert // it is TCP
	text = callID.ReplaceAllString(text, "CALL-ID")
	fmt.Fprintf(&b, "\n%s", text)
	if !strings.HasSuffix(text, "\n") && text != "" {
		b.WriteString("\n")
	}
	if err != nil {
		b.WriteString("(cut)\n")
	}
	return b.String()
}

// metricNames are the names of the metrics of requests, with their labels.
func metricNames(t *testing.T, address string) string {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(http_[a-z_]+(?:\{[^}]*\})?) `).FindAllStringSubmatch(string(text), -1) {
		names[m[1]+"\n"] = true
	}
	return strings.Join(slices.Sorted(keys(names)), "")
}

var callID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// compatFunction is a function over HTTP that answers what it got.
func compatFunction(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Function", "yes")
	w.Header().Set("Content-Type", "text/plain")
	switch r.URL.Path {
	case "/418":
		w.WriteHeader(http.StatusTeapot)
	case "/302":
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	case "/slow":
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
	}
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s host=%s length=%d %v\n", r.Method, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding)
	var names []string
	for name := range r.Header {
		if name != "X-Call-Id" && !strings.HasPrefix(name, "X-Forwarded-") {
			names = append(names, fmt.Sprintf("%s: %s", name, strings.Join(r.Header[name], "|")))
		}
	}
	slices.Sort(names)
	fmt.Fprintf(w, "%s\n%s\n", strings.Join(names, "\n"), body)
}
