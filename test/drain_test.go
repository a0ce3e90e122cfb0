package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestDrainEndsStreams: what has no end of its own ends when the process is
// told to, long before write_timeout has passed.
func TestDrainEndsStreams(t *testing.T) {
	s := oneKey()
	s.env["healthcheck_interval"], s.env["write_timeout"], s.env["exec_timeout"] = "0", "10m", "10m"
	s.function = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echoUpgraded(w, r)
			return
		}
		if r.URL.Path != "/stream" {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	d := start(t, s)

	stream, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	fmt.Fprintf(stream, "GET /stream HTTP/1.1\r\nHost: f\r\n%s\r\n\r\n", bearer)
	events := bufio.NewReader(stream)
	for line := ""; line != "data: hello\n"; {
		if line, err = events.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	socket, _ := d.upgrade("websocket", ciKey)
	defer socket.Close()

	begun := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.stop()
	}()
	for name, c := range map[string]io.Reader{"the stream": events, "the WebSocket": socket} {
		rest, _ := io.ReadAll(c) // ends because the watchdog ends it
		if name == "the stream" && !strings.HasSuffix(string(rest), "0\r\n\r\n") {
			t.Errorf("%s was cut after %q, want it to end", name, rest)
		}
		if lasted := time.Since(begun); lasted > time.Minute {
			t.Errorf("%s has lasted %v", name, lasted)
		}
	}
	<-ended
}

// TestDrainUnderLoad: every request that was accepted is answered, and the
// function ends after the last answer.
func TestDrainUnderLoad(t *testing.T) {
	const callers = 50
	var came atomic.Int64
	release := make(chan struct{})
	s := oneKey()
	s.env["healthcheck_interval"] = "0"
	s.env["fprocess"] = writeProgram(t, "trap 'echo asked to end >&2; exit 0' TERM\necho begun >&2\nwhile :; do sleep 0.05; done")
	s.function = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			came.Add(1)
			<-release
		}
		_, _ = io.WriteString(w, "answered")
	})
	d := start(t, s)
	d.log.wait(t, "stderr: begun", d.ended)
	var wg sync.WaitGroup
	var answered atomic.Int64
	for range callers {
		wg.Go(func() {
			if a := d.get("/slow", bearer); a.status == 200 && a.body == "answered" {
				answered.Add(1)
			}
		})
	}
	eventually(t, "all requests in flight", func() bool { return came.Load() == callers })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.stop()
	}()
	d.log.wait(t, `msg="no new connections" in_flight=50`, d.ended)
	eventually(t, "a connection that is refused", func() bool {
		c, err := net.Dial("tcp", d.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	close(release)
	wg.Wait()
	last := time.Now()
	<-ended
	if took := time.Since(last); took > 5*time.Second {
		t.Errorf("it has ended %v after the last answer", took)
	}
	log := d.log.String()
	drained, asked := strings.Index(log, "msg=drained in_flight=0"), strings.Index(log, "stderr: asked to end")
	if drained < 0 || asked < drained {
		t.Errorf("the function was asked to end before all was answered:\n%s", log)
	}
	if got := answered.Load(); got != callers {
		t.Errorf("%d of %d were answered", got, callers)
	}
}

// TestSecondSignal: who asks twice does not want to wait, and nothing is left.
func TestSecondSignal(t *testing.T) {
	s := oneKey()
	s.env["healthcheck_interval"], s.env["write_timeout"] = "10m", "10m"
	s.env["fprocess"] = "sleep 600"
	d := newDog(t, s)
	d.launch(s, map[string]string{"upstream_url": "unix://" + filepath.Join(shortTemp(t), "s")})
	d.stopped.Do(func() {}) // this test ends it
	var function int
	eventually(t, "the function", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", d.cmd.Process.Pid))
		for _, path := range threads {
			if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
				function, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			}
		}
		return function != 0
	})
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	d.log.wait(t, `msg=draining`, d.ended)
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	begun := time.Now()
	if err := <-d.ended; err == nil || d.cmd.ProcessState.ExitCode() != 1 || time.Since(begun) > time.Minute {
		t.Errorf("got %v after %v, want the exit status 1\n%s", err, time.Since(begun), d.log)
	}
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", function)); err == nil && !strings.Contains(string(text), ") Z ") {
		t.Errorf("the function is still there: %s", text)
	}
}
