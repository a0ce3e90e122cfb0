package watchdog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"auth-watchdog/watchdog/internal/transport"
	"auth-watchdog/watchdog/internal/upstream"
)

// probes answers /_/health and /_/ready. Every other path is the function's.
func (w *Watchdog) probes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var ask func(context.Context) (status int)
		switch r.URL.Path {
		case "/_/health":
			ask = w.health
		case "/_/ready":
			ask = w.readiness
		default:
			next.ServeHTTP(rw, r)
			return
		}
		// Nobody else bounds what comes without a credential.
		control, now := http.NewResponseController(rw), time.Now()
		_ = control.SetWriteDeadline(now.Add(w.config.WriteTimeout))
		if r.ContentLength != 0 { // our server reads it after us
			_ = control.SetReadDeadline(now.Add(w.config.ReadTimeout))
		}
		rw.Header().Set("Cache-Control", "no-store")
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			rw.Header().Set("Allow", "GET, HEAD")
			rw.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		status := ask(r.Context())
		rw.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = rw.Write([]byte("OK"))
		}
	})
}

// health is 200 while the process serves and the lock file is there.
func (w *Watchdog) health(context.Context) int {
	if !w.serving.Load() || !w.locked() {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

const readyTimeout = time.Second

// readiness is 200 if a request sent now would be answered, 429 if it would
// have to wait for a slot, and 503 otherwise.
func (w *Watchdog) readiness(ctx context.Context) int {
	if status := w.health(ctx); status != http.StatusOK {
		return status
	}
	if w.limits.Full() {
		return http.StatusTooManyRequests
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if w.upstream.Ready(ctx) != nil {
		return http.StatusServiceUnavailable
	}
	if w.config.ReadyPath != "" && !w.ready.ask(w.upstream, w.config.ReadyPath) {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// A readyProbe asks the function itself whether it is ready. Probes come without
// a credential, so nothing of them reaches the function, nothing of its answer
// but the status gets out, and it is asked no more than once a second.
type readyProbe struct {
	mu   sync.Mutex
	at   time.Time
	last bool
}

func (a *readyProbe) ask(u upstream.Upstream, path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.at) < time.Second {
		return a.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	a.last = statusOf(ctx, u, path) < http.StatusBadRequest
	a.at = time.Now()
	return a.last
}

// statusOf asks a handler for a path and returns the status of its answer.
func statusOf(ctx context.Context, h http.Handler, path string) (status int) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return http.StatusInternalServerError
	}
	r.RequestURI, r.Host = path, "localhost"
	w := &statusWriter{header: http.Header{}}
	defer func() {
		if recover() != nil {
			status = http.StatusInternalServerError
		}
	}()
	h.ServeHTTP(w, r)
	return w.status
}

// A statusWriter keeps the status of an answer and nothing else.
type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header { return w.header }

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
}

func (w *statusWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(b), nil
}

// FlushError implements what http.ResponseController asks for.
func (*statusWriter) FlushError() error { return nil }

func lockPath(folder string) string { return filepath.Join(folder, ".lock") }

// lock makes the lock file by which OpenFaaS knows that the process serves.
func (w *Watchdog) lock() error {
	if w.config.SuppressLock {
		return nil
	}
	path := lockPath(w.config.LockFolder)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o660) //nolint:gosec // of-watchdog's mode; it is empty
	if err != nil {
		return fmt.Errorf("lock file: %w; mount a folder there that can be written, or set suppress_lock=true and do without health checks by file", err)
	}
	return f.Close()
}

func (w *Watchdog) unlock() {
	if !w.config.SuppressLock {
		_ = os.Remove(lockPath(w.config.LockFolder))
	}
}

func (w *Watchdog) locked() bool {
	return w.config.SuppressLock || hasLock(w.config.LockFolder)
}

func hasLock(folder string) bool {
	_, err := os.Lstat(lockPath(folder))
	return err == nil
}

// Healthcheck reports whether a watchdog with these settings serves in this
// container: nil if so. It looks for the lock file or, if there is to be none,
// asks over HTTP.
func Healthcheck(ctx context.Context, s Settings) error {
	c, _ := load(Options{Settings: s}) // what is wrong with the settings is for the start to say
	if !c.SuppressLock {
		if !hasLock(c.LockFolder) {
			return errors.New("unable to find lock file")
		}
		return nil
	}
	host := c.BindAddress
	if host == "" {
		host = "127.0.0.1"
	}
	address := net.JoinHostPort(host, strconv.Itoa(c.Port))
	url, dial := "http://"+address+"/_/health", new(net.Dialer).DialContext
	if c.TLS.IsOn() {
		// Whether the process at this port, which is our own, serves is all that
		// is asked. The names in its certificate are those by which others call
		// it, and who signed it may be known to nobody here.
		url, dial = "https://"+address+"/_/health", (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext //nolint:gosec // as said
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// Not http.Client, which would be a twentieth of the program.
	t := transport.New(transport.Options{
		Dial:    func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", address) },
		MaxHead: maxHeaderBytes,
	})
	res, err := t.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("Get %q: %w", url, err) //nolint:staticcheck // of-watchdog's words
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return nil
}
