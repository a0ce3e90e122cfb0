package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// A site is a temporary folder with the programs and what they need.
type site struct {
	folder   string
	programs map[string]string // paths of those that are measured, by name
	handler  string
}

// newSite builds our programs and adds the peers to them. Whoever calls it
// removes the folder.
func newSite(ctx context.Context, folder string, peers map[string]string) (*site, error) {
	s := &site{folder: folder, handler: filepath.Join(folder, "handler"), programs: map[string]string{
		ours:   filepath.Join(folder, "auth-watchdog"),
		inproc: filepath.Join(folder, "inproc"),
		bare:   filepath.Join(folder, "inproc"),
	}}
	for name, path := range peers {
		s.programs[name] = path
	}
	for path, source := range map[string]string{
		s.programs[ours]:   "auth-watchdog/watchdog/cmd/auth-watchdog",
		s.programs[inproc]: "auth-watchdog/test/bench/inproc",
		s.handler:          "auth-watchdog/test/bench/handler",
	} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, source) //nolint:gosec // sources of ours
		build.Env = append(build.Environ(), "CGO_ENABLED=0")                                                   // as the image is built
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", build, err, out)
		}
	}
	for _, sub := range []string{"secrets", "files"} {
		if err := os.Mkdir(filepath.Join(folder, sub), 0o700); err != nil {
			return nil, err
		}
	}
	return s, errors.Join(
		writeSecrets(filepath.Join(folder, "secrets")),
		os.WriteFile(filepath.Join(folder, "files", "index.html"), []byte("Hello, world!\n"), 0o600))
}

// has reports whether the program of a row is on this machine.
func (s *site) has(r row) bool { return s.programs[r.program] != "" }

// knows reports whether the watchdog has a setting: one that it has not is
// passed over, and what is measured would not be what the row says.
func (s *site) knows(ctx context.Context, setting string) bool {
	check := exec.CommandContext(ctx, s.programs[ours], "check", "--no-secrets") //nolint:gosec // built above
	check.Env = []string{setting + "=!"}
	out, _ := check.CombinedOutput() // it fails in any case
	return bytes.Contains(out, []byte(setting+`="!"`))
}

// start starts the program of a row and waits until it answers.
func (s *site) start(ctx context.Context, r row) (*target, error) {
	if err := s.untilFree(ctx, r); err != nil {
		return nil, err
	}
	t, err := s.begin(r)
	if err != nil {
		return nil, err
	}
	if err := t.untilReady(ctx); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// untilFree waits for the port on which a peer has its metrics: it has no
// setting, and some other program may use it for a while.
func (s *site) untilFree(ctx context.Context, r row) error {
	if r.program != ofPeer && r.program != classic {
		return nil
	}
	const port, pause = ":8081", 100 * time.Millisecond
	for begun := time.Now(); ; {
		l, err := net.Listen("tcp", port) //nolint:gosec // all addresses, as the peer does
		if err == nil {
			return l.Close()
		}
		if time.Since(begun) > time.Minute {
			return fmt.Errorf("%s: its metrics need port 8081: %w", r, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// begin starts the program of a row.
func (s *site) begin(r row) (*target, error) {
	folder, err := os.MkdirTemp(s.folder, "run-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	t := &target{row: r, address: loopback(port), request: requestFor(r.auth)}
	if r.program == webProxy {
		return t, s.beginNginx(t, folder)
	}
	settings, err := s.settings(r, folder, port)
	if err != nil {
		return nil, err
	}
	if r.auth == "login" {
		settings["public_url"] = "http://" + t.address
		if t.request.header, err = signedIn(settings, t.address); err != nil {
			return nil, err
		}
	}
	command := []string{s.programs[r.program]}
	switch r.program {
	case bare:
		command = append(command, t.address)
	case ours, inproc:
		metrics, err := freePort()
		if err != nil {
			return nil, err
		}
		t.metrics = loopback(metrics)
		settings["metrics_port"] = strconv.Itoa(metrics)
	}
	var environ []string
	for name, value := range settings {
		environ = append(environ, name+"="+value)
	}
	p, err := begin(folder, command, environ)
	t.processes = []*process{p}
	return t, err
}

// settings are those of a row with what is known only now.
func (s *site) settings(r row, folder string, port int) (settings, error) {
	upstream, err := freePort()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(folder, "socket")
	known := settings{
		socketURL: "unix://" + socket,
		portURL:   "http://" + loopback(upstream),
		onSocket:  s.handler + " unix " + socket,
		onPort:    s.handler + " tcp " + loopback(upstream),
		onInput:   s.handler,
		filesAt:   filepath.Join(s.folder, "files"),
	}
	all := settings{"port": strconv.Itoa(port), "healthcheck_interval": "1ms", "exec_timeout": "5m"}
	for name, value := range r.settings {
		if now, ok := known[value]; ok {
			value = now
		}
		all[name] = value
	}
	if r.program == ours || r.program == inproc {
		all["bind_address"], all["auth"] = "127.0.0.1", r.auth
		all["secret_mount_path"] = filepath.Join(s.folder, "secrets")
	}
	return all, nil
}

// freePort returns one that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
