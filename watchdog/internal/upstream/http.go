package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/reply"
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
	u.transport = &http.Transport{
		DialContext:           u.dial,
		DisableCompression:    true, // the caller's own business
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       time.Second, // shorter than any server's, so that none is closed in our hands
		ExpectContinueTimeout: time.Second,
	}
	u.proxy = &httputil.ReverseProxy{
		Rewrite:        u.rewrite,
		Transport:      u,
		FlushInterval:  -1, // every answer may be a stream
		BufferPool:     &buffers{},
		ModifyResponse: u.answered,
		ErrorHandler:   u.failed,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return u
}

type overHTTP struct {
	HTTPOptions
	proxy     *httputil.ReverseProxy
	transport *http.Transport
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

func (u *overHTTP) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, u.Network, u.Address)
}

// connect reports whether something accepts connections.
func (u *overHTTP) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := u.dial(ctx, "", "")
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
	x := &exchange{start: time.Now(), writer: w, answer: w.Header(), ours: maps.Clone(w.Header())}
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	if r.Body != nil && r.Body != http.NoBody {
		x.body = newCallersBody(r)
		r.Body = x.body
	}
	u.proxy.ServeHTTP(w, r)
}

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

// An exchange is what has to be known of a request when its answer comes.
type exchange struct {
	start  time.Time
	writer http.ResponseWriter
	answer http.Header  // of the answer
	ours   http.Header  // what earlier stages have put there
	body   *callersBody // nil if there is none
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// RoundTrip implements [http.RoundTripper]. Requests that come before the
// function listens wait for it.
func (u *overHTTP) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-u.listening:
	case <-u.ended:
		return nil, errors.New("the function has ended before it listened")
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	if u.closed() != "" {
		return nil, errOpen
	}
	return u.transport.RoundTrip(r)
}

var errOpen = errors.New("the function can be reached without the watchdog")

// restored are the headers of ours that a caller could have had removed by
// naming them in Connection.
var restored = []string{
	"X-Call-Id", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto", "X-Real-Ip",
}

// rewrite makes the request that the function gets. The hop-by-hop headers
// have been removed from p.Out already, so nothing that is set here can be
// taken away by the caller's Connection.
func (u *overHTTP) rewrite(p *httputil.ProxyRequest) {
	out := p.Out
	out.URL = &url.URL{
		Scheme: "http", Host: "function",
		Path: p.In.URL.Path, RawPath: escapeInvalid(p.In.URL.RawPath),
		RawQuery: p.In.URL.RawQuery, ForceQuery: p.In.URL.ForceQuery,
	}
	if u.Prefix != "" {
		escaped := u.Prefix + out.URL.EscapedPath()
		if path, err := url.PathUnescape(escaped); err == nil {
			out.URL.Path, out.URL.RawPath = path, escaped
		}
	}
	out.Host = p.In.Host
	for _, name := range restored {
		if values, ok := p.In.Header[name]; ok {
			out.Header[name] = values
		}
	}
	if id, ok := auth.FromContext(p.In.Context()); ok {
		id.SetHeaders(out.Header)
	}
}

// escapeInvalid escapes what cannot stand in a path. With such a byte in it,
// package url would write the path anew, and an escaped slash as a slash.
func escapeInvalid(raw string) string {
	var b strings.Builder
	for i := range len(raw) {
		c := raw[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("%/-._~!$&'()*+,;=:@[]", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// answered looks at the head of the function's answer before it is passed on.
func (u *overHTTP) answered(res *http.Response) error {
	if res.StatusCode == http.StatusSwitchingProtocols && !strings.EqualFold(res.Header.Get("Upgrade"), res.Request.Header.Get("Upgrade")) {
		_ = res.Body.Close() // it is a connection, and nobody else would
		return errors.New("the function has switched to another protocol than it was asked to")
	}
	x := exchangeOf(res.Request)
	for name, values := range x.ours { // an answer before the answer (1xx) has cleared them
		if x.answer[name] == nil {
			x.answer[name] = values
		}
	}
	if res.Header["Content-Type"] == nil {
		x.answer["Content-Type"] = nil // or our server would guess one
	}
	x.body.overtaken(x.writer)
	setDuration(res.Header, x.start)
	return nil
}

// failed answers a request that has got no answer from the function.
func (u *overHTTP) failed(w http.ResponseWriter, r *http.Request, err error) {
	cause := context.Cause(r.Context())
	x := exchangeOf(r)
	switch {
	case errors.Is(cause, ErrTimeout):
		u.Report.tell(r, "exec_timeout")
		u.Log.Warn("the function has not answered in time", "path", r.URL.Path, "seconds", time.Since(x.start).Seconds())
		reply.Write(w, http.StatusGatewayTimeout, 0)
	case errors.Is(err, errOpen):
		u.Report.tell(r, "open_upstream")
		reply.Write(w, http.StatusServiceUnavailable, time.Second)
	case errors.Is(cause, ErrDraining):
		u.Report.tell(r, "draining")
		reply.Write(w, http.StatusServiceUnavailable, time.Second)
	case cause != nil:
		u.Report.tell(r, "caller_left")
		// The caller has left, or the credential has expired: there is nobody
		// to answer.
		panic(http.ErrAbortHandler)
	case x.body != nil && x.body.broken.Load():
		u.Report.refuse(w, r, auth.BadBody)
	default:
		u.Report.tell(r, "unreachable")
		u.Log.Error("the function can't be reached", "path", r.URL.Path, "err", err)
		reply.Write(w, http.StatusBadGateway, 0)
	}
}

// buffers keeps the buffers through which answers are copied.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
