package test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// servers are the templates with a server behind the watchdog, by how it is
// made and run.
var servers = map[string]struct {
	build   []string
	run     []string
	handler string // what the tests put in the place of its handler
}{
	"golang-auth":        {build: []string{"go", "build", "-o", "handler", "."}, run: []string{"./handler"}},
	"golang-auth-portal": {build: []string{"go", "build", "-o", "handler", "."}, run: []string{"./handler"}},
	"node-auth":          {run: []string{"node", "index.js"}, handler: "node/handler.js"},
	"python3-auth":       {run: []string{"python3", "index.py"}, handler: "python/handler.py"},
}

// TestServersOfTemplates wants one for each template in mode http.
func TestServersOfTemplates(t *testing.T) {
	for _, x := range templates(t) {
		if _, ok := servers[x.lang]; ok != (x.env()["mode"] == "http") {
			t.Errorf("%s is in mode %s, and in the table of servers: %t", x.lang, x.env()["mode"], ok)
		}
	}
}

// serverFolder is the template, ready to run.
func serverFolder(t *testing.T, lang string) string {
	t.Helper()
	lookFor(t, lang)
	folder, s := t.TempDir(), servers[lang]
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("../template", lang))); err != nil {
		t.Fatal(err)
	}
	if s.handler != "" {
		if err := os.WriteFile(filepath.Join(folder, "function", filepath.Base(s.handler)), []byte(read(t, "template", s.handler)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s.build != nil {
		build := exec.Command(s.build[0], s.build[1:]...)
		build.Dir = folder
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return folder
}

// serverCommand is what the watchdog would start.
func serverCommand(folder, lang, upstream string, env ...string) *exec.Cmd {
	args := servers[lang].run
	cmd := exec.Command("env", args...) // which looks at the PATH of now, and not at that of the test's start
	if strings.HasPrefix(args[0], "./") {
		cmd = exec.Command(filepath.Join(folder, args[0]))
	}
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), append(env, "upstream_url="+upstream, "PYTHONDONTWRITEBYTECODE=1")...)
	return cmd
}

// A server is that of a template, without the watchdog.
type server struct {
	t      *testing.T
	client *http.Client
	log    *output
	socket string
}

func startServer(t *testing.T, folder, lang string, env ...string) *server {
	t.Helper()
	s := &server{t: t, log: &output{}, socket: filepath.Join(shortTemp(t), "f.sock")}
	if err := os.WriteFile(s.socket, nil, 0o644); err != nil { // left behind by another
		t.Fatal(err)
	}
	cmd := serverCommand(folder, lang, "unix://"+s.socket, env...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
	}}
	s.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("has ended with %v\n%s", err, s.log)
		}
	})
	eventually(t, "a server", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("has ended with %v\n%s", err, s.log)
		default:
		}
		c, err := net.Dial("unix", s.socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return s
}

// TestSocketIsPrivate: nobody but the function's own user can open the socket
// of a template's server, and it listens nowhere else.
func TestSocketIsPrivate(t *testing.T) {
	for lang := range servers {
		t.Run(lang, func(t *testing.T) {
			folder := serverFolder(t, lang)
			s := startServer(t, folder, lang)
			info, err := os.Stat(s.socket)
			if err != nil || info.Mode()&os.ModeSocket == 0 || info.Mode().Perm() != 0o600 {
				t.Errorf("got %v and %v, want a socket with the mode 600", info.Mode(), err)
			}
			for _, bad := range []string{"", "http://0.0.0.0:8082", "http://example.com:80", "tcp://127.0.0.1:80"} {
				if out, code := run(t, serverCommand(folder, lang, bad)); code == 0 || !strings.Contains(out, "want unix:///tmp/function.sock") {
					t.Errorf("%q: got %d and %s", bad, code, out)
				}
			}
		})
	}
}

// An exchange is a request to a template's server and its answer.
type exchanged struct {
	request string // METHOD path
	headers map[string]string
	body    string
	status  int
	want    string   // the whole body
	has     []string // "Name: value" of the answer
}

func (s *server) test(tests map[string]exchanged) {
	for name, tt := range tests {
		s.t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.request, " ")
			r, err := http.NewRequest(method, "http://function.example"+path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range tt.headers {
				r.Header.Set(name, value)
			}
			res, err := s.client.Do(r)
			if err != nil {
				t.Fatalf("%v\n%s", err, s.log)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || strings.TrimSpace(string(body)) != strings.TrimSpace(tt.want) {
				t.Errorf("got %d %q, want %d %q\n%s", res.StatusCode, body, tt.status, tt.want, s.log)
			}
			for _, want := range tt.has {
				name, value, _ := strings.Cut(want, ": ")
				if got := strings.Join(res.Header.Values(name), "|"); got != value {
					t.Errorf("%s is %q, want %q", name, got, value)
				}
			}
		})
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a buffer takes all
	_ = w.Close()
	return b.String()
}

func event(kind, body, method string) string {
	return `{"kind":"` + kind + `","body":` + body + `,"method":"` + method + `","path":"/event","query":{},"host":"function.example"}`
}

func TestNodeTemplate(t *testing.T) {
	folder := serverFolder(t, "node-auth")
	json, form := map[string]string{"Content-Type": "application/json; charset=utf-8"}, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	s := startServer(t, folder, "node-auth", "MAX_JSON_SIZE=1kb")
	s.test(map[string]exchanged{
		"no body":      {request: "GET /event", status: 200, want: event("object", "{}", "GET"), has: []string{"Content-Type: application/json; charset=utf-8"}},
		"any method":   {request: "PROPFIND /event", status: 200, want: event("object", "{}", "PROPFIND")},
		"query":        {request: "GET /event?a=1&b=2&b=3&c=%20", status: 200, want: strings.Replace(event("object", "{}", "GET"), `"query":{}`, `"query":{"a":"1","b":["2","3"],"c":" "}`, 1)},
		"no type":      {request: "POST /event", body: "ü", status: 200, want: event("string", `"ü"`, "POST")},
		"text":         {request: "POST /event", headers: map[string]string{"Content-Type": "text/csv; charset=iso-8859-1"}, body: "\xfc", status: 200, want: event("string", `"ü"`, "POST")},
		"JSON":         {request: "POST /event", headers: json, body: `{"a":[1]}`, status: 200, want: event("object", `{"a":[1]}`, "POST")},
		"no JSON":      {request: "POST /event", headers: json, body: `{"a":`, status: 400, want: "Bad Request"},
		"large JSON":   {request: "POST /event", headers: json, body: `"` + strings.Repeat("a", 1024) + `"`, status: 413, want: "Payload Too Large"},
		"form":         {request: "POST /event", headers: form, body: "a=1&a=2&b=%C3%BC", status: 200, want: event("object", `{"a":["1","2"],"b":"ü"}`, "POST")},
		"prototype":    {request: "POST /event", headers: form, body: "hasOwnProperty=1", status: 200, want: event("object", `{"hasOwnProperty":"1"}`, "POST")},
		"bytes":        {request: "POST /event", headers: map[string]string{"Content-Type": "image/png"}, body: "\x00\xff", status: 200, want: event("bytes", `"00ff"`, "POST")},
		"large bytes":  {request: "POST /event", headers: map[string]string{"Content-Type": "image/png"}, body: strings.Repeat("a", 100<<10+1), status: 413, want: "Payload Too Large"},
		"compressed":   {request: "POST /event", headers: map[string]string{"Content-Type": "text/plain", "Content-Encoding": "gzip"}, body: zipped("hi"), status: 200, want: event("string", `"hi"`, "POST")},
		"bomb":         {request: "POST /event", headers: map[string]string{"Content-Encoding": "gzip"}, body: zipped(strings.Repeat("a", 1<<20)), status: 413, want: "Payload Too Large"},
		"not zipped":   {request: "POST /event", headers: map[string]string{"Content-Encoding": "gzip"}, body: "hi", status: 400, want: "Bad Request"},
		"encoding":     {request: "POST /event", headers: map[string]string{"Content-Encoding": "zstd"}, body: "hi", status: 415, want: "Unsupported Media Type"},
		"charset":      {request: "POST /event", headers: map[string]string{"Content-Type": "text/plain; charset=none"}, body: "hi", status: 415, want: "Unsupported Media Type"},
		"HTML":         {request: "GET /text", status: 200, want: "<p>ü</p>", has: []string{"Content-Type: text/html; charset=utf-8", "Content-Length: 9"}},
		"a buffer":     {request: "GET /bytes", status: 200, want: "\x00\xff", has: []string{"Content-Type: application/octet-stream", "Content-Length: 3"}},
		"nothing":      {request: "GET /nothing", status: 200, has: []string{"Content-Type: ", "Content-Length: 0"}},
		"number":       {request: "GET /number", status: 200, want: "42"},
		"headers":      {request: "GET /headers", status: 201, want: "made", has: []string{"Set-Cookie: a=1|b=2", "Content-Type: text/x"}},
		"no content":   {request: "DELETE /no-content", status: 204},
		"fails":        {request: "GET /fail", status: 500, want: "Error: no such thing", has: []string{"Content-Type: text/plain; charset=utf-8"}},
		"fails as 404": {request: "GET /fail-404", status: 404, want: "no such thing"},
		"throws":       {request: "GET /throw", status: 500, want: "Internal Server Error"},
		"no answer":    {request: "GET /unknown", status: 500, want: "Internal Server Error"},
		"twice":        {request: "GET /twice", status: 200, want: "once"},
		"bad header":   {request: "GET /bad-header", status: 500, want: "Internal Server Error"},
		"callback":     {request: "GET /callback", status: 200, want: "called back"},
	})
	if !strings.Contains(s.log.String(), "of nobody’s business") {
		t.Errorf("what was thrown is not in the log\n%s", s.log)
	}

	t.Run("raw", func(t *testing.T) {
		startServer(t, folder, "node-auth", "RAW_BODY=true", "MAX_RAW_SIZE=4").test(map[string]exchanged{
			"JSON":  {request: "POST /event", headers: json, body: `{ }`, status: 200, want: event("bytes", `"7b207d"`, "POST")},
			"none":  {request: "GET /event", status: 200, want: event("bytes", `""`, "GET")},
			"large": {request: "POST /event", headers: json, body: `{   }`, status: 413, want: "Payload Too Large"},
		})
	})
	bad := serverCommand(folder, "node-auth", "unix:///tmp/f.sock", "MAX_RAW_SIZE=lots")
	if out, code := run(t, bad); code == 0 || !strings.Contains(out, `MAX_RAW_SIZE="lots": want a size such as 100kb`) {
		t.Errorf("got %d and %s", code, out)
	}
}

func TestPythonTemplate(t *testing.T) {
	folder := serverFolder(t, "python3-auth")
	event := func(method, path, body, query, header string) string {
		return `{"body":"` + body + `","forwarded":"192.0.2.1","header":` + header + `,"host":"function.example","hostname":true,"kind":"bytes","method":"` +
			method + `","path":"` + path + `","query":` + query + `}`
	}
	from := map[string]string{"X-Forwarded-For": "192.0.2.1"}
	s := startServer(t, folder, "python3-auth")
	s.test(map[string]exchanged{
		"event":      {request: "POST /event?a=1&a=2&b=", headers: map[string]string{"X-Forwarded-For": "192.0.2.1", "X-A": "b"}, body: "\x00\xff", status: 200, want: event("POST", "/event", "00ff", `{"a":["1","2"],"b":[""]}`, `"b"`), has: []string{"Content-Type: application/json"}},
		"no body":    {request: "GET /event", headers: from, status: 200, want: event("GET", "/event", "", "{}", "null")},
		"any method": {request: "OPTIONS /event", headers: from, status: 200, want: event("OPTIONS", "/event", "", "{}", "null")},
		"path":       {request: "GET /a//event/%C3%BC", headers: from, status: 200, want: strings.Replace(event("GET", "/a//event/ü", "", "{}", "null"), "ü", `\u00fc`, 1)},
		"slash":      {request: "GET /event/", headers: from, status: 200, want: event("GET", "/event/", "", "{}", "null")},
		"bytes":      {request: "GET /bytes", status: 200, want: "\x00\xff", has: []string{"Content-Type: application/octet-stream", "Content-Length: 3"}},
		"text":       {request: "GET /text", status: 200, want: "<p>ü</p>", has: []string{"Content-Type: text/html; charset=utf-8"}},
		"nothing":    {request: "GET /nothing", status: 200},
		"no content": {request: "DELETE /no-body", status: 204},
		"number":     {request: "GET /number", status: 200, want: "42"},
		"list":       {request: "GET /list", status: 200, want: `[1,"a"]`},
		"a string":   {request: "GET /string", status: 200, want: "as it is"},
		"a tuple":    {request: "GET /tuple", status: 202, want: "a tuple"},
		"headers":    {request: "GET /headers", status: 201, want: "made", has: []string{"Set-Cookie: a=1|b=2", "Content-Type: text/x"}},
		"pairs":      {request: "GET /pairs", status: 200, want: "made", has: []string{"Set-Cookie: a=1|b=2"}},
		"raises":     {request: "GET /unknown", status: 500, want: "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>\n<p>The server encountered an internal error and was unable to complete your request. Either the server is overloaded or there is an error in the application.</p>"},
	})
	if !strings.Contains(s.log.String(), "ZeroDivisionError") {
		t.Errorf("what was raised is not in the log\n%s", s.log)
	}
}
