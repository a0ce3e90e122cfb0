package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// asFunction is the argument that makes this program a function of a test. It
// is no variable, or a function that did not get its environment would run all
// tests, which start functions.
const asFunction = "as-function"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == asFunction {
		if err := function(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// function is a function that does as args say:
//
//	serve PATH ...  answers HTTP on a unix socket
//	listen NETWORK ADDRESS ...
//	spawn ...       leaves the rest to a child
//	leave ...       to a child in a session of its own
//	orphan ...      to the child of a child that has ended
//
// It then tells the test where it listens, over the unix socket lifeline, and
// does what it is told until the test is gone: a function that outlived it
// could keep a port open.
func function(lifeline string, args []string) error {
	var open []net.Listener
	listen := func(network, address string) error {
		l, err := listenOn(network, address)
		if err == nil {
			open = append(open, l)
		}
		return err
	}
	for len(args) > 0 {
		switch args[0] {
		case "serve":
			l, err := net.Listen("unix", args[1])
			if err != nil {
				return err
			}
			go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
			args = args[2:]
		case "listen":
			if err := listen(args[1], args[2]); err != nil {
				return err
			}
			args = args[3:]
		case "spawn", "leave", "parent":
			cmd := child(lifeline, args[1:]...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: args[0] == "leave"}
			if err := cmd.Start(); err != nil || args[0] == "parent" {
				return err
			}
			args = nil
		case "orphan":
			if err := child(lifeline, append([]string{"parent"}, args[1:]...)...).Run(); err != nil {
				return err
			}
			args = nil
		default:
			return fmt.Errorf("no function can %q", args)
		}
	}

	c, err := net.Dial("unix", lifeline)
	if err != nil {
		return err
	}
	for orders := bufio.NewScanner(c); ; {
		addresses := make([]string, len(open))
		for i, l := range open {
			addresses[i] = l.Addr().String()
		}
		if _, err := fmt.Fprintln(c, strings.Join(addresses, " ")); err != nil || !orders.Scan() {
			return err
		}
		switch order := strings.Fields(orders.Text()); order[0] {
		case "listen":
			if err := listen(order[1], order[2]); err != nil {
				return err
			}
		case "close":
			for _, l := range open {
				l.Close()
			}
			open = nil
		case "exit":
			os.Exit(3)
		}
	}
}

func child(lifeline string, args ...string) *exec.Cmd {
	return exec.Command(os.Args[0], append([]string{asFunction, lifeline}, args...)...)
}

// listenOn is net.Listen, with one network more: on "mapped", an IPv4 address
// is listened on as programs for both do that have sockets of IPv6 only.
func listenOn(network, address string) (net.Listener, error) {
	if network != "mapped" {
		return net.Listen(network, address)
	}
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), network)
	defer f.Close()
	if err := errors.Join(
		syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0),
		syscall.Bind(fd, &syscall.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}),
		syscall.Listen(fd, 1),
	); err != nil {
		return nil, err
	}
	return net.FileListener(f)
}

// A hold is what a test has on its function: where it listens, and a way to
// tell it what to do. The function ends with it, so a test that means to end
// its function otherwise makes the hold first.
type hold struct {
	l     net.Listener
	lines []*line
}

func newHold(t *testing.T) *hold {
	t.Helper()
	l, err := net.Listen("unix", socket(t))
	if err != nil {
		t.Fatal(err)
	}
	h := &hold{l: l}
	t.Cleanup(func() {
		l.Close()
		for _, c := range h.lines {
			c.Close()
		}
	})
	return h
}

// command makes a Process of a function. See [function].
func (h *hold) command(t *testing.T, args ...string) Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Process{Command: append([]string{exe, asFunction, h.l.Addr().String()}, args...), Stdout: os.Stdout, Stderr: os.Stderr}
}

// A line is the end of a lifeline.
type line struct {
	net.Conn
	r *bufio.Reader
}

// next waits for the next process of the function that has done what it had
// to, and returns where it listens.
func (h *hold) next(t *testing.T) (*line, []string) {
	t.Helper()
	c, err := h.l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l := &line{c, bufio.NewReader(c)}
	h.lines = append(h.lines, l)
	return l, l.report(t)
}

// tell makes the function do something and returns where it listens then.
func (l *line) tell(t *testing.T, order string) []string {
	t.Helper()
	if _, err := fmt.Fprintln(l, order); err != nil {
		t.Fatal(err)
	}
	return l.report(t)
}

func (l *line) report(t *testing.T) []string {
	t.Helper()
	text, err := l.r.ReadString('\n')
	if err != nil {
		t.Fatalf("the function says nothing: %v", err)
	}
	return strings.Fields(text)
}

// socket returns a path for a unix socket. It is not in t.TempDir, whose names
// are longer than a socket's may be.
func socket(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "upstream")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return filepath.Join(folder, "s")
}

// serveUnix serves h on a unix socket until it is stopped or t ends.
func serveUnix(t *testing.T, path string, h http.HandlerFunc) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(l)
	}()
	stop = sync.OnceFunc(func() {
		server.Close()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

// A diary is a log that can be read while it is written.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

func (d *diary) logger() *slog.Logger { return slog.New(slog.NewTextHandler(d, nil)) }

var discard = slog.New(slog.DiscardHandler)

// run runs u until t ends and returns a server in front of it, behind which
// around stands as the stages before the upstream do.
func run(t *testing.T, u Upstream, around func(http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	s := httptest.NewUnstartedServer(around(u))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// as has nothing stand in front of an upstream.
func as(h http.Handler) http.Handler { return h }

// An answer is one that was read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request, as it is written, and reads the answer.
func ask(t *testing.T, s *httptest.Server, request string) answer {
	t.Helper()
	a, err := try(t, s, request)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try is ask for those who expect no answer, or not the whole of one.
func try(t *testing.T, s *httptest.Server, request string) (answer, error) {
	t.Helper()
	c := dial(t, s)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body)}, err
}

func dial(t *testing.T, s *httptest.Server) *line {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &line{c, bufio.NewReader(c)}
}

const get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
