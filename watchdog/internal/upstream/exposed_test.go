package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseProcAddress(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"0100007F:1F90", "127.0.0.1:8080"},
		{"00000000:0050", "0.0.0.0:80"},
		{"0100000A:FFFF", "10.0.0.1:65535"},
		{"0100007f:1f90", "127.0.0.1:8080"},
		{"0100007F:0000", "127.0.0.1:0"},
		{"00000000000000000000000000000000:0050", "[::]:80"},
		{"00000000000000000000000001000000:1F90", "[::1]:8080"},
		{"B80D0120000000000000000001000000:01BB", "[2001:db8::1]:443"},
		{"000080FE00000000FF005450010000FE:0016", "[fe80::5054:ff:fe00:1]:22"},
		{"0000000000000000FFFF00000100007F:1F90", "[::ffff:127.0.0.1]:8080"},
		{"0000000000000000FFFF00000100000A:1F90", "[::ffff:10.0.0.1]:8080"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := parseProcAddress(tt.in)
			if err != nil || got != netip.MustParseAddrPort(tt.want) {
				t.Errorf("got %v and %v, want %s", got, err, tt.want)
			}
		})
	}
	for name, in := range map[string]string{
		"nothing":             "",
		"a colon":             ":",
		"no address":          ":1F90",
		"no port":             "0100007F",
		"an empty port":       "0100007F:",
		"a port too large":    "0100007F:10000",
		"a port below 0":      "0100007F:-1",
		"a port of letters":   "0100007F:port",
		"another base":        "0100007G:1F90",
		"half a byte":         "0100007:1F90",
		"three bytes":         "010000:1F90",
		"five bytes":          "0100007F00:1F90",
		"two words":           "0100007F0100007F:1F90",
		"five words":          "0000000000000000000000000100000000000000:1F90",
		"an address as usual": "127.0.0.1:8080",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseProcAddress(in); err == nil {
				t.Errorf("%q: got %v, want an error", in, got)
			}
		})
	}
}

func TestListenersIn(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	row := func(local, state, inode string) string {
		return "   0: " + local + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 " + inode + " 1 0000000000000000 100 0 0 10 0\n"
	}
	for _, tt := range []struct {
		name, table string
		want        []string
		fails       bool
	}{
		{"none", head, nil, false},
		{"one of ours", head + row("00000000:0050", "0A", "77"), []string{"0.0.0.0:80"}, false},
		{"two of ours", head + row("00000000:0050", "0A", "77") + row("0100007F:0051", "0A", "78"), []string{"0.0.0.0:80", "127.0.0.1:81"}, false},
		{"another's", head + row("00000000:0050", "0A", "99"), nil, false},
		{"a connection", head + row("00000000:0050", "01", "77"), nil, false},
		{"cut off", head + "   0: 00000000:0050 00000000:0000 0A\n", nil, false},
		{"no address", head + row("00000000", "0A", "77"), nil, true},
		{"no address, another's", head + row("00000000", "0A", "99"), nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tcp")
			if err := os.WriteFile(path, []byte(tt.table), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := listenersIn(path, map[string]bool{"77": true, "78": true})
			if (err != nil) != tt.fails {
				t.Errorf("got %v, want an error: %v", err, tt.fails)
			}
			if !slices.Equal(texts(got), tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func texts(list []netip.AddrPort) []string {
	var s []string
	for _, a := range list {
		s = append(s, a.String())
	}
	return s
}

// begins starts a function and ends it with t.
func begins(t *testing.T, p Process) *running {
	t.Helper()
	r, err := p.start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.signal(syscall.SIGKILL)
		<-r.done
	})
	return r
}

func onlyLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("what others listen on is found out on Linux only")
	}
}

func TestExposed(t *testing.T) {
	onlyLinux(t)
	for _, tt := range []struct {
		name      string
		args      []string
		processes int
		ipv6      bool
		found     bool
	}{
		{"nothing", nil, 1, false, false},
		{"every address", []string{"listen", "tcp4", "0.0.0.0:0"}, 1, false, true},
		{"loopback", []string{"listen", "tcp4", "127.0.0.1:0"}, 1, false, false},
		{"loopback, another of it", []string{"listen", "tcp4", "127.0.0.2:0"}, 1, false, false},
		{"every address of IPv6", []string{"listen", "tcp", "[::]:0"}, 1, true, true},
		{"every address of IPv6 only", []string{"listen", "tcp6", "[::]:0"}, 1, true, true},
		{"loopback of IPv6", []string{"listen", "tcp6", "[::1]:0"}, 1, true, false},
		{"loopback of IPv4 over IPv6", []string{"listen", "mapped", "127.0.0.1:0"}, 1, true, false},
		{"several", []string{"listen", "tcp4", "0.0.0.0:0", "listen", "tcp4", "0.0.0.0:0"}, 1, false, true},
		{"a child's", []string{"spawn", "listen", "tcp4", "0.0.0.0:0"}, 2, false, true},
		{"a child's loopback", []string{"spawn", "listen", "tcp4", "127.0.0.1:0"}, 2, false, false},
		{"a grandchild's", []string{"spawn", "spawn", "listen", "tcp4", "0.0.0.0:0"}, 3, false, true},
		{"an orphan's", []string{"orphan", "listen", "tcp4", "0.0.0.0:0"}, 2, false, true},
		{"one in a session of its own", []string{"leave", "listen", "tcp4", "0.0.0.0:0"}, 2, false, true},
		{"the child of one in a session of its own", []string{"leave", "spawn", "listen", "tcp4", "0.0.0.0:0"}, 3, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.ipv6 {
				l, err := net.Listen("tcp6", "[::1]:0")
				if err != nil {
					t.Skipf("no IPv6: %v", err)
				}
				l.Close()
			}
			h := newHold(t)
			r := begins(t, h.command(t, tt.args...))
			var want []string
			for range tt.processes {
				_, addresses := h.next(t)
				want = append(want, addresses...)
			}
			if !tt.found {
				want = nil
			}
			addresses, err := exposed(r.cmd.Process.Pid)
			got := texts(addresses)
			slices.Sort(got)
			slices.Sort(want)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v and %v, want %v", got, err, want)
			}
		})
	}
}

// TestExposedByAnother wants that a function does not have to answer for what
// it has not started.
func TestExposedByAnother(t *testing.T) {
	onlyLinux(t)
	ours, theirs := newHold(t), newHold(t)
	r := begins(t, ours.command(t))
	begins(t, theirs.command(t, "listen", "tcp4", "0.0.0.0:0"))
	ours.next(t)
	theirs.next(t)
	if got, err := exposed(r.cmd.Process.Pid); len(got) > 0 || err != nil {
		t.Errorf("got %v and %v, want nothing", got, err)
	}
}

func TestExposedByNobody(t *testing.T) {
	onlyLinux(t)
	r, err := Process{Command: []string{"true"}}.start()
	if err != nil {
		t.Fatal(err)
	}
	<-r.done
	if got, err := exposed(r.cmd.Process.Pid); len(got) > 0 || err != nil {
		t.Errorf("of a process that has ended: got %v and %v, want nothing", got, err)
	}
}

func TestOpenUpstream(t *testing.T) {
	onlyLinux(t)
	for _, tt := range []struct {
		name  string
		allow bool
		level string
		want  answer
	}{
		{"refused", false, "level=ERROR", answer{http.StatusServiceUnavailable, http.Header{"X-Openfaas-Internal": {"auth-watchdog"}}, "Service Unavailable\n"}},
		{"allowed", true, "level=WARN", answer{http.StatusOK, http.Header{"X-Openfaas-Internal": nil}, "hello"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log diary
			h, path := newHold(t), socket(t)
			u := NewHTTP(HTTPOptions{
				Network: "unix", Address: path, AllowOpen: tt.allow, Log: log.logger(),
				// The open port is there before the socket, and so before it
				// is looked for.
				Process: h.command(t, "listen", "tcp4", "0.0.0.0:0", "serve", path),
			})
			s := run(t, u, as)
			_, addresses := h.next(t)
			for i := range 2 {
				got := ask(t, s, get)
				if got.status != tt.want.status || got.body != tt.want.body {
					t.Errorf("request %d: got %d and %q, want %d and %q", i, got.status, got.body, tt.want.status, tt.want.body)
				}
				for name, want := range tt.want.header {
					if !slices.Equal(got.header[name], want) {
						t.Errorf("request %d: got %s %q, want %q", i, name, got.header[name], want)
					}
				}
			}
			err := u.Ready(t.Context())
			if tt.allow != (err == nil) {
				t.Errorf("Ready: got %v, want an error: %v", err, !tt.allow)
			}
			for _, address := range addresses {
				if err != nil && !strings.Contains(err.Error(), address) {
					t.Errorf("Ready: got %v, want it to say %s", err, address)
				}
				if text := log.String(); strings.Count(text, tt.level) != 1 || !strings.Contains(text, address) {
					t.Errorf("got the log %q, want one line of %s that says %s", text, tt.level, address)
				}
			}
		})
	}
}

// TestLooksAgain opens a way round the watchdog, and closes it, after the
// first look.
func TestLooksAgain(t *testing.T) {
	onlyLinux(t)
	h, path := newHold(t), socket(t)
	r := begins(t, h.command(t, "serve", path))
	function, _ := h.next(t)
	synctest.Test(t, func(t *testing.T) {
		var log diary
		u := NewHTTP(HTTPOptions{Network: "unix", Address: path, Log: log.logger()}).(*overHTTP)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			u.watch(ctx, r.cmd.Process.Pid)
		}()
		<-u.listening
		for _, tt := range []struct {
			order string
			ready bool
		}{
			{"listen tcp4 0.0.0.0:0", false},
			{"listen tcp4 127.0.0.1:0", false},
			{"close", true},
			{"listen tcp4 127.0.0.1:0", true},
			{"listen tcp4 0.0.0.0:0", false},
		} {
			function.tell(t, tt.order)
			time.Sleep(exposedInterval)
			synctest.Wait()
			if err := u.Ready(t.Context()); tt.ready != (err == nil) {
				t.Errorf("after %q: got %v, want an error: %v", tt.order, err, !tt.ready)
			}
		}
		cancel()
		<-ended
		if got, want := strings.Count(log.String(), "level=ERROR"), 2; got != want {
			t.Errorf("got %d errors in the log, want %d: each time it was opened\n%s", got, want, log.String())
		}
	})
}

// TestZombie: a process that has ended listens on nothing, and that nobody may
// look into it is no reason to refuse requests.
func TestZombie(t *testing.T) {
	onlyLinux(t)
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer cmd.Wait()
	for !isZombie(pid) {
		runtime.Gosched()
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
		t.Fatalf("got %v, want a zombie", err)
	}
	addresses, err := exposed(pid)
	if err != nil || len(addresses) > 0 {
		t.Errorf("got %v and %v, want nothing", addresses, err)
	}
	for text, want := range map[string]string{"12 (a) b) Z 1 2 3": "Z", "12 (sh) S 1 12 12": "S", "": "", "12 (x) S": ""} {
		if got, _, _ := parseStat(text); got != want {
			t.Errorf("%q: got the state %q, want %q", text, got, want)
		}
	}
}
