package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/clientip"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/observe"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/internal/upstream"
	"auth-watchdog/watchdog/secret"
)

// Settings are process settings by the names that the README lists:
//
//	watchdog.Settings{"auth": "bearer", "max_inflight": "10"}
//
// Each name must be one of them.
type Settings map[string]string

// Environ returns those of the entries of an environment ("name=value", as
// [os.Environ] has them) that are settings.
func Environ(environ []string) Settings {
	s := Settings{}
	known := map[string]bool{"OPENFAAS_NAME": true, "TMPDIR": true}
	for _, f := range config.Settings() {
		known[f.Name], known[f.Alias] = true, true
	}
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if ok && (known[name] || strings.HasPrefix(name, "auth_")) {
			s[name] = value
		}
	}
	return s
}

// Options say what a [Watchdog] is made of.
type Options struct {
	Settings Settings

	// Handler is the function, if it is part of this process: mode inproc.
	Handler http.Handler

	// Stdout and Stderr take the output of the function and, Stderr, of the
	// watchdog; those of the process if nil.
	Stdout, Stderr io.Writer

	// Environ and Folder are the environment and the working folder of the
	// function's process; those of this one if empty.
	Environ []string
	Folder  string

	Version string // for the log
}

// A Watchdog is a gate in front of a function, with its servers. Any number of
// them can live in a process.
type Watchdog struct {
	config   *config.Config
	log      *slog.Logger
	observer *observe.Observer
	gate     *auth.Gate
	buffers  *auth.Buffers
	kept     *kept
	secrets  *secret.Watcher
	upstream upstream.Upstream
	slots    *limit.Slots
	failures *limit.Failures
	trust    clientip.Trust
	handler  http.Handler
	version  string
	closers  []io.Closer
	ready    readiness

	serving  atomic.Bool  // false before it listens, and once it drains
	arrival  atomic.Int64 // when the last request came, in Unix nanoseconds
	inflight atomic.Int64 // requests that are being answered, WebSockets too

	draining    context.Context // ends when streams and WebSockets have to
	endStreams  context.CancelCauseFunc
	requests    context.Context // ends when every request has to
	endRequests context.CancelCauseFunc
}

// Bounds of how often one address may bring a wrong credential before it is
// told to wait, and of how many addresses are counted.
const (
	addressBurst = 500
	addressEvery = time.Second
	maxAddresses = 10_000
)

// New builds a watchdog and reads the secrets for the first time. The error
// has a line for everything that is wrong with settings, policy and secrets.
func New(o Options) (*Watchdog, error) {
	cfg, err := load(o)
	var ps setting.Problems
	if err != nil {
		errors.As(err, &ps)
	}
	w := &Watchdog{config: cfg, version: o.Version, kept: newKept(cfg)}
	names := secretNames(cfg.Policy)
	set, policy := w.first(&ps, names)
	audit := w.outputs(&o, &ps)
	if err := ps.Err(); err != nil {
		return nil, err
	}

	w.secrets = secret.NewWatcher(set, cfg.SecretPath, names...)
	w.observer = observe.New(observe.Options{Log: w.log, Audit: audit, Function: cfg.FunctionName})
	w.observer.Keep(policy.credentials())
	w.buffers = auth.NewBuffers(cfg.MaxBody, cfg.MaxBuffered)
	w.slots = limit.NewSlots(cfg.MaxInflight)
	w.failures = limit.NewFailures(addressBurst, addressEvery, maxAddresses)
	w.trust = clientip.Trust{Hops: cfg.TrustedProxyHops}
	if u, err := url.Parse(cfg.PublicURL); err == nil {
		w.trust.Scheme, w.trust.Host = u.Scheme, u.Host
	}
	w.gate = auth.NewGate(policy.Policy, auth.Options{
		Realm:           cfg.FunctionName,
		Buffers:         w.buffers,
		BodyTimeout:     cfg.ReadTimeout,
		KeepCredentials: cfg.KeepCredentials,
		Throttle:        w.throttle,
		Report:          w.observer.Decided,
	})
	w.upstream = w.newUpstream(o)
	w.draining, w.endStreams = context.WithCancelCause(context.Background())
	w.requests, w.endRequests = context.WithCancelCause(context.Background())
	w.handler = w.pipeline()
	for _, warning := range policy.warnings(cfg) {
		w.log.Warn("weak configuration", "warning", warning)
	}
	return w, nil
}

// load reads the settings, to which a handler adds that it is the function.
func load(o Options) (*config.Config, error) {
	settings := map[string]string{}
	for name, value := range o.Settings {
		settings[name] = value
	}
	inProcess := string(config.InProcess)
	if o.Handler != nil && settings["mode"] == "" {
		settings["mode"] = inProcess
	}
	cfg, err := config.Load(settings, kinds())
	var ps setting.Problems
	if err != nil {
		errors.As(err, &ps)
	}
	switch mode := settings["mode"]; {
	case o.Handler != nil && mode != inProcess:
		ps.Add("", "mode", fmt.Errorf("is %s, and the function is part of this program: want %s", mode, inProcess))
	case o.Handler == nil && mode == inProcess:
		ps.Add("", "mode", errors.New("inproc is for Go programs that hand their handler to watchdog.Run: want http, with upstream_url"))
	}
	return cfg, ps.Err()
}

func kinds() config.Kinds {
	k := config.Kinds{}
	for name, kind := range methods {
		k[name] = func() config.Section { return kind.section() }
	}
	return k
}

// first reads the secrets for the first time and builds the policy of them.
func (w *Watchdog) first(ps *setting.Problems, names []string) (*secret.Set, *builtPolicy) {
	set, err := secret.Read(w.config.SecretPath, names...)
	if err != nil {
		addJoined(ps, err)
	}
	policy, err := buildPolicy(w.config.Policy, set, w.kept)
	if err != nil {
		addJoined(ps, err)
	}
	return set, policy
}

// addJoined adds each of several errors as a problem of its own.
func addJoined(ps *setting.Problems, err error) {
	if more := setting.Problems(nil); errors.As(err, &more) {
		*ps = append(*ps, more...)
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the outermost is meant
		for _, e := range joined.Unwrap() {
			addJoined(ps, e)
		}
		return
	}
	ps.Add("", "", err)
}

// outputs opens what is written to, and returns the audit log.
func (w *Watchdog) outputs(o *Options, ps *setting.Problems) *slog.Logger {
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	w.log = slog.New(slog.NewTextHandler(o.Stderr, nil))
	if w.config.LogFormat == "json" {
		w.log = slog.New(slog.NewJSONHandler(o.Stderr, nil))
	}
	if w.config.AuditLog == "" || len(*ps) > 0 {
		return observe.NewAudit(o.Stderr)
	}
	f, err := os.OpenFile(w.config.AuditLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		*ps = append(*ps, setting.Problem{Name: "audit_log", Got: &w.config.AuditLog, Err: errors.Unwrap(err)})
		return nil
	}
	w.closers = append(w.closers, f)
	return observe.NewAudit(f)
}

func (w *Watchdog) newUpstream(o Options) upstream.Upstream {
	if o.Handler != nil {
		return upstream.InProcess(o.Handler)
	}
	c := w.config
	lines := func(out io.Writer, name string) *upstream.Lines {
		if !c.PrefixLogs {
			name = ""
		}
		return upstream.NewLines(out, name, c.LogBufferSize)
	}
	return upstream.NewHTTP(upstream.HTTPOptions{
		Network: c.Upstream.Network, Address: c.Upstream.Address, Prefix: c.Upstream.Prefix,
		Process: upstream.Process{
			Command: strings.Fields(c.Process), Env: o.Environ, Folder: o.Folder,
			Stdout: lines(o.Stdout, "stdout"), Stderr: lines(o.Stderr, "stderr"),
		},
		Timeout: c.ExecTimeout, AllowOpen: c.AllowOpenUpstream, Log: w.log,
	})
}

// Run builds a watchdog around h and runs it until ctx ends: what the program
// auth-watchdog does, with the function in the same process.
func Run(ctx context.Context, h http.Handler, s Settings) error {
	w, err := New(Options{Settings: s, Handler: h})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// Wrap puts all that a request meets in a watchdog in front of h, for a
// program that has servers of its own. Secrets are read again as they change
// until ctx ends.
func Wrap(ctx context.Context, h http.Handler, s Settings) (http.Handler, error) {
	w, err := New(Options{Settings: s, Handler: h})
	if err != nil {
		return nil, err
	}
	w.serving.Store(true)
	w.config.SuppressLock = true // there is no process of ours to be healthy
	go w.reload(ctx)
	return w.handler, nil
}

// Run listens and serves until ctx ends or the function does. It returns nil
// if it was ctx, after every request has been answered.
func (w *Watchdog) Run(ctx context.Context) error {
	defer func() {
		for _, c := range w.closers {
			_ = c.Close()
		}
	}()
	main, err := w.listen(w.config.Port, "port")
	if err != nil {
		return err
	}
	defer main.Close()
	servers := []server{{w.newServer(), main}}
	if w.config.MetricsPort != 0 {
		l, err := w.listen(w.config.MetricsPort, "metrics_port")
		if err != nil {
			return err
		}
		defer l.Close()
		servers = append(servers, server{w.newMetricsServer(), l})
		w.log.Info("metrics", "address", l.Addr().String())
	}
	if err := w.lock(); err != nil {
		return err
	}
	defer w.unlock()

	// Each of these ends the others.
	ended := make(chan error, len(servers)+1)
	working, stop := context.WithCancel(context.Background())
	defer stop()
	for _, s := range servers {
		go func() { ended <- s.Serve(s.listener) }()
	}
	go w.reload(working)
	var functionErr error
	function := make(chan struct{}) // closed when it has ended
	go func() {
		defer close(function)
		functionErr = w.upstream.Run(working)
	}()
	w.serving.Store(true)
	w.log.Info("listening", "address", main.Addr().String(), "mode", string(w.config.Mode),
		"function", w.config.FunctionName, "version", w.version)

	select {
	case <-ctx.Done():
		w.drain(servers[0].Server)
	case <-function:
		err = functionErr
		w.log.Error("stopping", "err", err)
		w.abandon(servers[0].Server)
	case err = <-ended:
	}
	w.serving.Store(false)
	stop()
	<-function
	w.endRequests(upstream.ErrDraining)
	for _, s := range servers {
		_ = s.Close()
	}
	return err
}

// abandon gives requests in flight a moment to fail as they should when what
// they wait for has ended.
func (w *Watchdog) abandon(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.Shutdown(ctx)
}

// A server is one with what it listens on.
type server struct {
	*http.Server
	listener net.Listener
}

func (w *Watchdog) listen(port int, name string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(w.config.BindAddress, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("%s=%d: %w; set %s to another", name, port, err, name)
	}
	return l, nil
}

const maxHeaderBytes = 1 << 20 // of-watchdog's

func (w *Watchdog) newServer() *http.Server {
	return &http.Server{
		Handler:           w.handler,
		ReadHeaderTimeout: w.config.ReadTimeout,
		IdleTimeout:       2 * time.Minute, // longer than the gateway keeps a connection
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return w.requests },
		ErrorLog:          slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),

		// "OPTIONS *" would be answered before any stage sees it.
		DisableGeneralOptionsHandler: true,
	}
}

func (w *Watchdog) newMetricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", w.observer.Metrics())
	const patience = 10 * time.Second
	return &http.Server{
		Handler: mux, MaxHeaderBytes: maxHeaderBytes,
		ReadTimeout: patience, WriteTimeout: patience,
		ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
	}
}

// quiet is how long no request has to come before a watchdog that drains stops
// waiting for more.
const quiet = 3 * time.Second

// drain stops serving so that no accepted request goes unanswered: first it
// says that it is not ready and goes on, until those who send requests have
// noticed; then it accepts no more and waits for those in flight.
func (w *Watchdog) drain(s *http.Server) {
	w.serving.Store(false)
	w.unlock()
	begun := time.Now()
	w.log.Info("draining", "interval", w.config.HealthcheckInterval.String())
	for {
		now := time.Now()
		last := time.Unix(0, w.arrival.Load())
		if last.Before(begun) {
			last = begun
		}
		wait := min(begun.Add(w.config.HealthcheckInterval).Sub(now), last.Add(quiet).Sub(now))
		if wait <= 0 {
			break
		}
		time.Sleep(wait)
	}
	w.log.Info("no new connections", "in_flight", w.inflight.Load())
	w.endStreams(upstream.ErrDraining)
	ctx, cancel := context.WithTimeout(context.Background(), w.config.WriteTimeout)
	defer cancel()
	_ = s.Shutdown(ctx)
	for w.inflight.Load() > 0 && ctx.Err() == nil { // Shutdown forgets WebSockets
		time.Sleep(10 * time.Millisecond)
	}
	w.log.Info("drained", "in_flight", w.inflight.Load())
}
