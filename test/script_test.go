package test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
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
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts drives the program from outside, as test/script/*.txtar say.
// What commands they have besides those of testscript stands at each of the
// functions below.
func TestScripts(t *testing.T) {
	scriptLookAtSources(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "script",
		Setup:               scriptSetup,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(2 * time.Minute), // for a watchdog that serves where it should not
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":          scriptExits,
			"http":           scriptHTTP,
			"wait-listening": scriptWaitListening,
			"wait-for":       scriptWaitFor,
			"wait-gone":      scriptWaitGone,
			"terminate":      scriptTerminate,
			"take-key":       scriptTakeKey,
			"take-port":      scriptTakePort,
			"answer":         scriptAnswer,
		},
	})
}

// scriptLookAtSources lets go test know what the program is made of. It sees
// what a test reads and not what the compiler does, and would repeat an old
// result for a program that has changed.
func scriptLookAtSources(t *testing.T) {
	for _, folder := range []string{"../watchdog", "function"} {
		err := filepath.WalkDir(folder, func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			t.Fatal(err)
		}
	}
}

// scriptSetup gives a script settings with which nothing is wrong but that
// auth is not set: echo as the function, a free port, and no wait at the end.
func scriptSetup(env *testscript.Env) error {
	tmp, socket := filepath.Join(env.WorkDir, "tmp"), filepath.Join(env.WorkDir, "function.sock")
	for name, value := range map[string]string{
		"PATH":                 filepath.Dir(binary) + string(filepath.ListSeparator) + env.Getenv("PATH"),
		"TMPDIR":               tmp,
		"mode":                 "http",
		"upstream_url":         "unix://" + socket,
		"fprocess":             scriptFunction + " " + socket,
		"secret_mount_path":    filepath.Join(env.WorkDir, "secrets"),
		"port":                 "0",
		"metrics_port":         "0",
		"bind_address":         "127.0.0.1",
		"healthcheck_interval": "0",
		"SOON":                 time.Now().Add(7 * 24 * time.Hour).UTC().Format(time.RFC3339),
	} {
		env.Setenv(name, value)
	}
	return os.Mkdir(tmp, 0o700)
}

func scriptUsage(ts *testscript.TestScript, wrong bool, usage string) {
	if wrong {
		ts.Fatalf("usage: %s", usage)
	}
}

// scriptExits is "exec" for a certain exit status.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	scriptUsage(ts, neg || len(args) < 2, "exits STATUS PROGRAM [ARG]...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("got %v, want exit status %d", err, want)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("got exit status %d, want %d", got, want)
	}
}

const (
	scriptTries = 500
	scriptPause = 40 * time.Millisecond
)

// scriptPoll asks again and again, but not for ever, until done says so.
func scriptPoll(ts *testscript.TestScript, want string, done func() bool) {
	for range scriptTries {
		if done() {
			return
		}
		time.Sleep(scriptPause)
	}
	ts.Fatalf("got none within %v, want %s", scriptTries*scriptPause, want)
}

// scriptFind waits for a pattern to stand in a file and returns the groups of
// its first match.
func scriptFind(ts *testscript.TestScript, pattern, file string) []string {
	re, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	var match []string
	scriptPoll(ts, fmt.Sprintf("%#q in %s", pattern, file), func() bool {
		text, err := os.ReadFile(ts.MkAbs(file))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
		}
		match = re.FindStringSubmatch(string(text))
		return match != nil
	})
	return match
}

// scriptWaitFor waits for a pattern to stand in a file that is being written.
func scriptWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	scriptUsage(ts, neg || len(args) != 2, "wait-for PATTERN FILE")
	scriptFind(ts, args[0], args[1])
}

// scriptWaitListening waits for a watchdog that logs to FILE and sets URL to
// where it listens, and PORT to the port.
func scriptWaitListening(ts *testscript.TestScript, neg bool, args []string) {
	scriptUsage(ts, neg || len(args) != 1, "wait-listening FILE")
	address := scriptFind(ts, `msg=listening address=(\S+)`, args[0])[1]
	_, port, err := net.SplitHostPort(address)
	ts.Check(err)
	ts.Setenv("URL", "http://"+address)
	ts.Setenv("PORT", port)
}

// scriptWaitGone waits for a file to be removed.
func scriptWaitGone(ts *testscript.TestScript, neg bool, args []string) {
	scriptUsage(ts, neg || len(args) != 1, "wait-gone FILE")
	scriptPoll(ts, args[0]+" to be gone", func() bool {
		_, err := os.Lstat(ts.MkAbs(args[0]))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// scriptTerminate sends SIGTERM to what runs in the background, as Kubernetes
// does; testscript's own kill has no such signal.
func scriptTerminate(ts *testscript.TestScript, neg bool, args []string) {
	running := ts.BackgroundCmds()
	scriptUsage(ts, neg || len(args) != 0 || len(running) == 0, "terminate, with something in the background")
	for _, cmd := range running {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

// scriptTakePort listens on a free port until the script ends, and sets PORT
// to it.
func scriptTakePort(ts *testscript.TestScript, neg bool, args []string) {
	scriptUsage(ts, neg || len(args) != 0, "take-port")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv("PORT", port)
}

// scriptTakeKey sets KEY to the key that "key new" has printed. It must be
// there once, and FILE must have the line of its digest, and no second one.
func scriptTakeKey(ts *testscript.TestScript, neg bool, args []string) {
	scriptUsage(ts, neg || len(args) != 1, "take-key FILE|stdout")
	keys := regexp.MustCompile(`awk_[0-9A-Za-z_-]*`).FindAllString(ts.ReadFile("stdout"), -1)
	const length = len("awk_") + 43 // 256 bits in base64
	if len(keys) != 1 || len(keys[0]) != length {
		ts.Fatalf("got the keys %q, want one of %d characters", keys, length)
	}
	want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(keys[0])))
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, want); n != 1 {
		ts.Fatalf("got %s %d times in %s, want it once", want, n, args[0])
	}
	if args[0] == "stdout" && strings.Count(text, "sha256:") != 1 {
		ts.Fatalf("got several digests, want one")
	}
	ts.Setenv("KEY", keys[0])
}

// scriptAnswer runs auth-watchdog to show a seed for an authenticator app, and
// gives it the lines of FILE and, once the seed is there, its code of now, as
// such an app computes it (RFC 6238).
func scriptAnswer(ts *testscript.TestScript, neg bool, args []string) {
	scriptUsage(ts, neg || len(args) < 2, "answer FILE ARG...")
	cmd := exec.Command(binary, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	stdin, err := cmd.StdinPipe()
	ts.Check(err)
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	cmd.Stderr = ts.Stderr()
	ts.Check(cmd.Start())
	_, err = io.WriteString(stdin, ts.ReadFile(args[0]))
	ts.Check(err)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		_, err := fmt.Fprintln(ts.Stdout(), lines.Text())
		ts.Check(err)
		if m := regexp.MustCompile(`^otpauth://totp/.*[?&]secret=([A-Z2-7]+)&`).FindStringSubmatch(lines.Text()); m != nil {
			_, err = io.WriteString(stdin, scriptCode(ts, m[1])+"\n")
			ts.Check(errors.Join(err, stdin.Close()))
		}
	}
	ts.Check(lines.Err())
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("got %v, want it to end well", err)
	}
}

func scriptCode(ts *testscript.TestScript, seed string) string {
	key, err := base32.StdEncoding.DecodeString(seed)
	ts.Check(err)
	mac, step := hmac.New(sha1.New, key), time.Now().Unix()/30
	for shift := 56; shift >= 0; shift -= 8 {
		mac.Write([]byte{byte(step >> shift)})
	}
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", (uint32(sum[at]&0x7f)<<24|uint32(sum[at+1])<<16|uint32(sum[at+2])<<8|uint32(sum[at+3]))%1_000_000)
}

// scriptHeaders are those that -H gives.
type scriptHeaders struct{ http.Header }

func (scriptHeaders) String() string { return "" }

func (h scriptHeaders) Set(line string) error {
	name, value, found := strings.Cut(line, ":")
	if !found {
		return errors.New("want Name: value")
	}
	h.Add(name, strings.TrimSpace(value))
	return nil
}

// scriptHTTP sends a request to URL and writes the status line, the headers
// and the body of the answer to standard output.
func scriptHTTP(ts *testscript.TestScript, neg bool, args []string) {
	flags := flag.NewFlagSet("http", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	header := scriptHeaders{http.Header{}}
	flags.Var(header, "H", "`Name: value` of a header")
	user := flags.String("u", "", "`name:password` to sign in with")
	key := flags.String("sign", "", "`key` to sign the body with, as GitHub does")
	body := flags.String("d", "", "the body")
	out := flags.String("o", "", "a `file` for the body of the answer")
	until := flags.Int("until", 0, "ask again until this `status` is the answer")
	err := flags.Parse(args)
	scriptUsage(ts, neg || err != nil || flags.NArg() != 2,
		"http [-H 'Name: value']... [-u name:password] [-sign key] [-d body] [-o file] [-until status] METHOD /path")
	if name, password, found := strings.Cut(*user, ":"); found {
		r := http.Request{Header: header.Header}
		r.SetBasicAuth(name, password)
	}
	if *key != "" {
		mac := hmac.New(sha256.New, []byte(*key))
		mac.Write([]byte(*body))
		header.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	base := ts.Getenv("URL")
	target, err := url.Parse(base + flags.Arg(1))
	if err != nil || base == "" {
		ts.Fatalf("got %q, %v, want a URL; wait-listening sets it", target, err)
	}

	ask := func() (*http.Response, []byte) {
		r, err := http.NewRequest(flags.Arg(0), target.String(), strings.NewReader(*body))
		ts.Check(err)
		r.Header = header.Clone()
		// A connection for each request: none is left open when the watchdog
		// drains.
		client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(r)
		ts.Check(err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		ts.Check(err)
		return res, text
	}
	res, text := ask()
	if *until != 0 {
		scriptPoll(ts, fmt.Sprintf("status %d", *until), func() bool {
			if res.StatusCode != *until {
				res, text = ask()
			}
			return res.StatusCode == *until
		})
	}
	if *out != "" {
		ts.Check(os.WriteFile(ts.MkAbs(*out), text, 0o600))
	}
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "%s %s\n", res.Proto, res.Status)
	ts.Check(res.Header.Write(&answer))
	fmt.Fprintf(&answer, "\n%s", text)
	_, err = ts.Stdout().Write(bytes.ReplaceAll(answer.Bytes(), []byte("\r\n"), []byte("\n")))
	ts.Check(err)
}
