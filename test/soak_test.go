package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soakRequests is how many requests each mode gets; SOAK=20000 for the full
// test.
const soakRequests = 300

// troubles are ways in which functions misbehave. Each is asked for by its
// path.
const troubles = `case $Http_Path in
/crash) exit 3 ;;
/late-crash) echo begun; exit 3 ;;
/hang) sleep 60 ;;
/ignore) echo no ;;
/close) echo yes; exec 1>&-; sleep 0.01 ;;
/line) head -c 10485760 /dev/zero >&2; echo done ;;
/leftover) sleep 0.2 >/dev/null 2>&1 & echo left ;;
*) exec cat ;;
esac
`

// TestSoak: whatever callers and functions do, nothing of it stays.
func TestSoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process holds is found out on Linux only")
	}
	n := soakRequests
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("SOAK: %v", err)
		}
	}
	program := writeProgram(t, troubles)
	public := t.TempDir()
	if err := os.WriteFile(filepath.Join(public, "a"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, env := range map[string]map[string]string{
		"http":        nil,
		"streaming":   {"mode": "streaming", "fprocess": program},
		"serializing": {"mode": "serializing", "fprocess": program},
		"classic":     {"mode": "", "classic": "true", "fprocess": program},
		"static":      {"mode": "static", "static_path": public},
	} {
		t.Run(mode, func(t *testing.T) {
			s := oneKey()
			for name, value := range env {
				s.env[name] = value
			}
			s.env["exec_timeout"], s.env["max_inflight"], s.env["audit_log"] = "300ms", "64", os.DevNull
			s.function = http.HandlerFunc(misbehave)
			d := start(t, s)
			d.log.mute()
			soak(d, n/2)
			first := held(d)
			soak(d, n/2)
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				last := held(d)
				if last.descriptors <= first.descriptors+2 && last.goroutines <= first.goroutines+2 && last.zombies == 0 && last.inflight == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("half way it held %+v, and at the end %+v", first, last)
				}
			}
			// The collector's own time is the noise here.
			if last := held(d); last.memory > first.memory*3/2+32<<20 {
				t.Errorf("the memory has grown from %d to %d MiB", first.memory>>20, last.memory>>20)
			}
		})
	}
}

// misbehave is troubles for a function that listens.
func misbehave(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/crash":
		panic(http.ErrAbortHandler)
	case "/late-crash":
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/hang":
		<-r.Context().Done()
	default:
		_, _ = io.Copy(w, r.Body)
	}
}

// soak sends n requests, some of callers who leave early.
func soak(d *dog, n int) {
	d.t.Helper()
	const callers = 8
	var next atomic.Int64
	var wg sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: callers}
	defer transport.CloseIdleConnections()
	for range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				paths := []string{"/", "/crash", "/late-crash", "/ignore", "/close", "/leftover", "/a", "/"}
				path := paths[i%int64(len(paths))]
				if i%100 == 50 {
					path = "/hang"
				}
				if i%150 == 75 {
					path = "/line"
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				if i%7 == 0 {
					ctx, cancel = context.WithTimeout(context.Background(), 5*time.Millisecond)
				}
				r, err := http.NewRequestWithContext(ctx, "POST", "http://"+d.addr+path, strings.NewReader(strings.Repeat("x", int(i%3)*20_000)))
				if err != nil {
					d.t.Error(err)
				}
				name, value, _ := strings.Cut(bearer, ": ")
				r.Header.Set(name, value)
				if res, err := transport.RoundTrip(r); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

// holdings are what a process has.
type holdings struct {
	descriptors, goroutines, zombies, inflight int
	memory                                     int64
}

func held(d *dog) holdings {
	d.t.Helper()
	var h holdings
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	h.descriptors = len(entries)
	metrics := d.scrape()
	number := func(name string) int64 {
		m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(metrics)
		if m == nil {
			d.t.Fatalf("no metric %s", name)
		}
		f, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			d.t.Fatal(err)
		}
		return int64(f)
	}
	h.goroutines, h.inflight, h.memory = int(number("go_goroutines")), int(number("http_requests_in_flight")), number("process_resident_memory_bytes")
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[strings.LastIndex(string(text), ")")+1:]))
		if len(fields) > 1 && fields[0] == "Z" && fields[1] == strconv.Itoa(d.cmd.Process.Pid) {
			h.zombies++
		}
	}
	return h
}
