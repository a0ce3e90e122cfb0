package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/reply"
	"auth-watchdog/watchdog/internal/transport"
)

// HTTPOptions say how a function is reached over HTTP. How long it may take is
// up to the context of each request.
type HTTPOptions struct {
	Network, Address string // as for net.Dial: "unix" or "tcp"
	Prefix           string // of every path, escaped, without a slash at the end

	// Process is what listens there; with no Command it is somebody else's.
	Process Process

	// AllowOpen only warns when the function can be reached from outside.
	AllowOpen bool

	Log *slog.Logger

	Report Report
}

// NewHTTP returns the upstream of mode http.
func NewHTTP(o HTTPOptions) Upstream {
	u := &overHTTP{HTTPOptions: o, listening: make(chan struct{}), ended: make(chan struct{})}
	u.transport = transport.New(transport.Options{
		Dial:            u.dial,
		IdleTimeout:     time.Second, // shorter than any server's, so that none is closed in our hands
		MaxIdle:         256,
		ContinueTimeout: time.Second,
		MaxHead:         maxAnswerHead,
	})
	return u
}

// maxAnswerHead is the most bytes that an answer may have before its body.
const maxAnswerHead = 1 << 20

type overHTTP struct {
	HTTPOptions
	dialer    net.Dialer
	transport *transport.Transport
	listening chan struct{}          // closed once the function was found to listen
	ended     chan struct{}          // closed once it listens no more
	end       sync.Once              // of ended
	open      atomic.Pointer[string] // the way round the watchdog; empty if there is none
}

const (
	probeInterval   = 10 * time.Millisecond
	exposedInterval = 30 * time.Second
)

// Run implements [Upstream]. It starts the function, waits for it to listen,
// and from then on looks for ways round the watchdog.
func (u *overHTTP) Run(ctx context.Context) error {
	defer u.transport.CloseIdleConnections()
	defer u.end.Do(func() { close(u.ended) })
	if len(u.Process.Command) == 0 {
		if u.listens(ctx) {
			close(u.listening)
		}
		<-ctx.Done()
		return nil
	}
	process, err := u.Process.start()
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		u.watch(watching, process.cmd.Process.Pid)
	}()
	err = process.wait(ctx)
	stop()
	<-done
	return err
}

// listens waits for the function to listen. It is false if ctx has ended
// before.
func (u *overHTTP) listens(ctx context.Context) bool {
	probe := time.NewTicker(probeInterval)
	defer probe.Stop()
	for u.connect(ctx) != nil {
		select {
		case <-ctx.Done():
			return false
		case <-probe.C:
		}
	}
	return true
}

// watch waits for the function to listen and then looks every now and then
// where else it does.
func (u *overHTTP) watch(ctx context.Context, pid int) {
	if !u.listens(ctx) {
		return
	}
	u.look(pid) // before the first request gets through
	close(u.listening)
	ticker := time.NewTicker(exposedInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			u.look(pid)
		}
	}
}

// look finds out whether the function can be reached without the watchdog, and
// says so when that has changed.
func (u *overHTTP) look(pid int) {
	addresses, err := exposed(pid)
	var why string
	switch {
	case err != nil:
		why = fmt.Sprintf("can't find out what the function listens on: %v", err)
	case len(addresses) > 0:
		list := make([]string, len(addresses))
		for i, a := range addresses {
			list[i] = a.String()
		}
		why = "the function listens on " + strings.Join(list, ", ") + ", where it can be called without a credential"
	}
	before := u.open.Swap(&why)
	switch {
	case before != nil && *before == why || before == nil && why == "":
	case why == "":
		u.Log.Info("the function can be reached through the watchdog only")
	case u.AllowOpen:
		u.Log.Warn("the function can be reached without the watchdog", "why", why)
	default:
		u.Log.Error("requests are refused: the function can be reached without the watchdog", "why", why, "mend",
			"make it listen on the unix socket of upstream_url, or on 127.0.0.1; allow_open_upstream=true lets it be")
	}
}

// closed is why requests are refused, or empty.
func (u *overHTTP) closed() string {
	if why := u.open.Load(); why != nil && !u.AllowOpen {
		return *why
	}
	return ""
}

// dial connects to the function. While more callers connect than it has
// accepted, a unix socket says so instead of waiting.
func (u *overHTTP) dial(ctx context.Context) (net.Conn, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		c, err := u.dialer.DialContext(ctx, u.Network, u.Address)
		if !errors.Is(err, syscall.EAGAIN) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// connect reports whether something accepts connections.
func (u *overHTTP) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := u.dial(ctx)
	if err != nil {
		return err
	}
	return c.Close()
}

// Ready implements [Upstream]. It connects anew: over a connection that is
// kept, a function would be ready that listens no more.
func (u *overHTTP) Ready(ctx context.Context) error {
	if why := u.closed(); why != "" {
		return errors.New(why)
	}
	select {
	case <-u.listening:
		return u.connect(ctx)
	default:
		return errors.New("the function does not listen yet")
	}
}

func (u *overHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u.closed() != "" {
		u.Report.tell(r, "open_upstream")
		reply.Write(w, http.StatusServiceUnavailable, exposedInterval)
		return
	}
	if u.Prefix != "" && climbs(r.URL.Path) {
		u.Report.refuse(w, r, auth.TwoReadings)
		return
	}
	u.forward(w, r)
}

// wait waits for the function to listen, for requests that come before.
func (u *overHTTP) wait(ctx context.Context) error {
	select {
	case <-u.listening:
	default:
		select {
		case <-u.listening:
		case <-u.ended:
			return errors.New("the function has ended before it listened")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if u.closed() != "" {
		return errOpen
	}
	return nil
}

var errOpen = errors.New("the function can be reached without the watchdog")

// climbs reports whether a path has a segment that some server takes for the
// folder above, by which a caller would leave the prefix.
func climbs(path string) bool {
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		segment, _, _ = strings.Cut(segment, ";")
		if segment == ".." {
			return true
		}
	}
	return false
}
