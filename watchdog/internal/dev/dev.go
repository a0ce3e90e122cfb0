// Package dev runs a function's folder under the watchdog without a container,
// for the desk of who writes it.
package dev

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"auth-watchdog/watchdog"
)

// Options say what to run.
type Options struct {
	Stack    string // path of stack.yml
	Function string // in it; all if empty
	Port     int    // of the first; the others have those that follow
	Environ  []string
	Stdout   io.Writer
	Stderr   io.Writer
}

// imageFolder is where the images of OpenFaaS' templates work.
const imageFolder = "/home/app/"

// pollInterval is how often the sources are looked at.
const pollInterval = 500 * time.Millisecond

// Run builds functions and serves them on 127.0.0.1 until ctx ends. When the
// sources of one change it builds it anew; what does not build does not replace
// what runs.
func Run(ctx context.Context, o Options) error {
	folder, err := os.MkdirTemp("", "auth-watchdog-dev-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	desks, err := lay(o, folder)
	if err != nil {
		return err
	}
	builds := make([]*build, len(desks))
	for i, d := range desks {
		if builds[i], err = d.prepare(0); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(desks))
	for i, d := range desks {
		d.welcome(builds[i])
	}
	fmt.Fprintf(o.Stdout, "What changes is built anew; Ctrl-C ends it. What it does:\n\n")
	for i, d := range desks {
		go func() { ended <- d.run(ctx, builds[i]) }()
	}
	for range desks {
		err = errors.Join(err, <-ended)
		stop() // one that can't go on ends the others
	}
	return err
}

// lay makes a desk for each function. They share what is known of the secrets,
// which several may use.
func lay(o Options, work string) ([]*desk, error) {
	lookup := func(name string) string { return lookup(o.Environ, name) }
	names, err := functionNames(o, lookup)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(filepath.Join(filepath.Dir(o.Stack), ".secrets"))
	if err != nil {
		return nil, err
	}
	secrets := &folder{path: path, out: o.Stdout, shown: map[string]string{}}
	var desks []*desk
	for i, name := range names {
		d := &desk{Options: o, folder: filepath.Join(work, strconv.Itoa(i)), secrets: secrets}
		d.Function, d.Port = name, o.Port+i
		if len(names) > 1 {
			d.Stderr = prefixed{o.Stderr, name + ": "}
		}
		if err := errors.Join(d.reserve(), os.Mkdir(d.folder, 0o700)); err != nil {
			return nil, err
		}
		desks = append(desks, d)
	}
	return desks, nil
}

// reserve looks whether the port is free. If not, building would be in vain.
func (d *desk) reserve() error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.Port)))
	if err != nil {
		return fmt.Errorf("port %d: %w; choose another with --port", d.Port, err)
	}
	return l.Close()
}

// run serves a function and what it becomes, until ctx ends.
func (d *desk) run(ctx context.Context, next *build) error {
	for round := 1; ; round++ {
		working, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- next.watchdog.Run(working) }()
		changed := make(chan *build, 1)
		go d.watch(working, next, round, changed)
		select {
		case err := <-ended:
			stop()
			return err
		case next = <-changed:
			stop()
			if err := <-ended; err != nil {
				return err
			}
			fmt.Fprintf(d.Stdout, "\nrebuilt %s\n\n", d.Function)
		}
	}
}

// prefixed says which function a record is of. Records come one at a time.
type prefixed struct {
	io.Writer
	prefix string
}

func (p prefixed) Write(record []byte) (int, error) {
	_, err := p.Writer.Write(append([]byte(p.prefix), record...))
	return len(record), err
}

// A desk is where a function is worked on.
type desk struct {
	Options
	folder  string // for builds and sockets
	secrets *folder
}

// A build is a function that can be run.
type build struct {
	watchdog *watchdog.Watchdog
	settings watchdog.Settings
	tryOut   *watchdog.TryOut
	stack    *stack
	sources  [sha256.Size]byte
}

// prepare reads the stack file, makes the secrets, builds the function and
// puts a watchdog in front of it.
func (d *desk) prepare(round int) (*build, error) {
	s, err := readStack(d.Stack, d.Function, func(name string) string { return lookup(d.Environ, name) })
	if err != nil {
		return nil, err
	}
	t, err := s.template()
	if err != nil {
		return nil, err
	}
	b := &build{stack: s, sources: sources(s, t)}
	work := filepath.Join(d.folder, strconv.Itoa(round))
	fmt.Fprintf(d.Stdout, "building %s with the template %s\n", s.name, s.function.Lang)
	if err := s.build(t, work, d.shell); err != nil {
		return nil, err
	}

	environ := map[string]string{}
	maps.Copy(environ, t.dev.Environment)
	maps.Copy(environ, s.function.Environment)
	if environ["mode"] == "http" {
		environ["upstream_url"] = "unix://" + filepath.Join(d.folder, strconv.Itoa(round)+".sock")
	}
	for name, value := range map[string]string{
		"http_upstream_url": "", "fprocess": t.Process, "function_process": "",
		"secret_mount_path": d.secrets.path, "OPENFAAS_NAME": s.name, "OPENFAAS_NAMESPACE": "openfaas-fn",
		"port": strconv.Itoa(d.Port), "bind_address": "127.0.0.1", "metrics_port": "0",
		"healthcheck_interval": "0", "TMPDIR": d.folder,
		"tls_cert_secret": "", "tls_key_secret": "", // nobody but this machine listens
	} {
		environ[name] = value
	}
	if path := strings.TrimPrefix(environ["auth_config"], imageFolder); path != "" && !filepath.IsAbs(path) {
		environ["auth_config"] = filepath.Join(work, path)
	}
	if b.tryOut, err = watchdog.NewTryOut(settingsOf(environ)); err != nil {
		return nil, err
	}
	if _, ok := b.tryOut.SignIn(); ok && environ["public_url"] != d.base() {
		environ["public_url"] = d.base() // sign-in works at this address and at no other
		if b.tryOut, err = watchdog.NewTryOut(settingsOf(environ)); err != nil {
			return nil, err
		}
	}
	b.settings = settingsOf(environ)
	if round == 0 {
		if err := d.secrets.fill(b.tryOut, s.function.Secrets); err != nil {
			return nil, err
		}
	}
	b.watchdog, err = watchdog.New(watchdog.Options{
		Settings: b.settings, Folder: work,
		Environ: slices.Concat(d.Environ, list(environ)), Stdout: d.Stdout, Stderr: d.Stderr, Version: "dev",
	})
	return b, err
}

// base is the URL of the function.
func (d *desk) base() string { return "http://127.0.0.1:" + strconv.Itoa(d.Port) }

func settingsOf(environ map[string]string) watchdog.Settings { return watchdog.Environ(list(environ)) }

func list(environ map[string]string) []string {
	var list []string
	for name, value := range environ {
		list = append(list, name+"="+value)
	}
	return list
}

func lookup(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value = v
		}
	}
	return value
}

// shell runs a build command. Its output is shown only if it fails.
func (d *desk) shell(folder, command string) error {
	cmd := exec.Command("sh", "-c", command) //nolint:gosec // the template's own command
	cmd.Dir, cmd.Env = folder, d.Environ
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, strings.TrimRight(out.String(), "\n"))
	}
	return nil
}

// watch waits until the sources have changed and build.
func (d *desk) watch(ctx context.Context, current *build, round int, changed chan<- *build) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	seen := current.sources
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		t, err := current.stack.template()
		if err != nil {
			continue
		}
		now := sources(current.stack, t)
		if now == seen {
			continue
		}
		seen = now
		b, err := d.prepare(round)
		if err != nil {
			fmt.Fprintf(d.Stderr, "the change is not in force: %v\n", err)
			continue
		}
		changed <- b
		return
	}
}

// sources is a digest of what a build is made of: names, sizes and times.
func sources(s *stack, t *template) [sha256.Size]byte {
	h := sha256.New()
	stackFile, _ := filepath.Glob(filepath.Join(s.folder, "stack.y*ml"))
	for _, path := range append(stackFile, t.folder, filepath.Join(s.folder, s.function.Handler)) {
		_ = filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return nil //nolint:nilerr // what has gone is a change too
			}
			if info, err := e.Info(); err == nil {
				fmt.Fprintf(h, "%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// welcome prints a command for each way into a function.
func (d *desk) welcome(b *build) {
	base := d.base()
	examples, err := b.tryOut.Examples(base, func(name string) string {
		if s := d.secrets.shown[name]; s != "" {
			return s
		}
		return "$KEY" // only its digest is here
	})
	if err != nil {
		fmt.Fprintf(d.Stderr, "no example for some: %v\n", err)
	}
	fmt.Fprintf(d.Stdout, "\n%s is at %s\n\n", b.stack.name, base)
	for _, e := range examples {
		if e.SignIn {
			d.welcomePeople(b, e)
			continue
		}
		once := ""
		if e.Once {
			once = ", good once and for some minutes; auth-watchdog sign makes another"
		}
		fmt.Fprintf(d.Stdout, "# %s%s\n%s\n\n", strings.Join(e.Methods, " and "), once, curl(e.Request, e.Body))
	}
	for _, rule := range b.tryOut.Public() {
		fmt.Fprintf(d.Stdout, "# %s is public: no credential is asked for\n\n", rule)
	}
	if len(examples) == 0 {
		fmt.Fprintf(d.Stdout, "# no credential is asked for\ncurl %s/\n\n", base)
	}
}

// welcomePeople says how to sign in, in a browser and with curl.
func (d *desk) welcomePeople(b *build, e watchdog.Example) {
	signIn, _ := b.tryOut.SignIn()
	url := d.base() + e.Request.URL.RequestURI()
	who, word := "NAME", "PASSWORD"
	if shown := d.secrets.shown[signIn.Users]; strings.HasPrefix(shown, devName+":") {
		who, word, _ = strings.Cut(shown, ":")
		fmt.Fprintf(d.Stdout, "# %s: open %s in a browser and sign in as %s with the password %s\n", strings.Join(e.Methods, " and "), url, who, word)
	} else {
		fmt.Fprintf(d.Stdout, "# %s: open %s in a browser and sign in as one of the users in %s\n",
			strings.Join(e.Methods, " and "), url, filepath.Join(d.secrets.path, signIn.Users))
	}
	fmt.Fprintf(d.Stdout, "curl -i -L -b \"\" -d username=%s -d password=%s -d return_to=%s %s%s\n\n", who, word, e.Request.URL.RequestURI(), d.base(), signIn.Path)
}

// curl writes a request as a command for the shell. A credential may have
// "$(…)", which the shell has to see.
func curl(r *http.Request, body string) string {
	args := []string{"curl", "-i"}
	if r.Method != http.MethodGet && (body == "" || r.Method != http.MethodPost) {
		args = append(args, "-X", r.Method)
	}
	if name, password, ok := r.BasicAuth(); ok {
		args = append(args, "-u", doubleQuoted(name+":"+password))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if value := r.Header.Get(name); !strings.HasPrefix(value, "Basic ") {
			args = append(args, "-H", doubleQuoted(name+": "+value))
		}
	}
	if body != "" {
		args = append(args, "--data-binary", singleQuoted(body))
	}
	return strings.Join(append(args, r.URL.String()), " ")
}

func doubleQuoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`").Replace(s) + `"`
}

func singleQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
