package watchdog

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/login"
	"auth-watchdog/watchdog/internal/clientip"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/limit"
	"auth-watchdog/watchdog/internal/observe"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/internal/upstream"
	"auth-watchdog/watchdog/secret"
)

// Options say what a [Watchdog] is made of.
type Options struct {
	Settings Settings

	// Handler is the function, if it is part of this process: mode inproc.
	Handler http.Handler

	// Stdout and Stderr take the output of the function and, Stderr, of the
	// watchdog; those of the process if nil.
	Stdout, Stderr io.Writer

	// Environ and Folder are the environment and the working folder of the
	// function's process; those of this one if nil and empty.
	Environ []string
	Folder  string

	Version string // for the log

	// Reap waits for the children of others that are given to this process. It
	// is for process 1 of a container that is nothing but this program.
	Reap bool
}

// A Watchdog is a gate in front of a function, with its servers. Any number of
// them can live in a process.
type Watchdog struct {
	config      *config.Config
	log         *slog.Logger
	audit       io.Closer // nil if it is not a file of its own
	observer    *observe.Observer
	gate        *auth.Gate
	pages       atomic.Pointer[login.Method] // of the policy in force; nil if people do not sign in
	buffers     *auth.Buffers
	deps        *deps
	secrets     *secret.Watcher
	certificate atomic.Pointer[tls.Certificate] // nil without TLS
	upstream    upstream.Upstream
	rates       map[string]ruleRate // by match, of the rules that have one
	limits      *limit.Slots
	trust       clientip.Trust
	handler     http.Handler
	version     string
	reap        bool
	ready       readyProbe

	serving atomic.Bool // false before it listens, and once it drains

	draining    context.Context // ends when streams and WebSockets have to
	endStreams  context.CancelCauseFunc
	requests    context.Context // ends when every request has to
	endRequests context.CancelCauseFunc
	hurry       context.Context // ends when nothing may wait any more
	beginHurry  context.CancelFunc
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
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	cfg, ps := load(o)
	w := &Watchdog{config: cfg, version: o.Version, reap: o.Reap, deps: newDeps(cfg), log: newLog(o.Stderr, cfg)}
	w.hurry, w.beginHurry = context.WithCancel(context.Background())
	names := allSecrets(cfg)
	set, policy, pair := readSecrets(&ps, cfg, names, w.deps)
	audit := w.openAudit(o.Stderr, &ps)
	if len(ps) == 0 {
		var err error
		if w.upstream, err = newUpstream(cfg, o, w.log, w.hurry.Done()); err != nil {
			ps.AddErr("", "", err)
		}
	}
	if err := ps.Err(); err != nil {
		w.close()
		return nil, err
	}

	w.secrets = secret.NewWatcher(set, cfg.SecretPath, names...)
	w.certificate.Store(pair)
	w.trust = clientip.Trust{Hops: cfg.TrustedProxyHops, TLS: cfg.TLS.IsOn()}
	if u, err := url.Parse(cfg.PublicURL); err == nil {
		w.trust.Scheme, w.trust.Host = u.Scheme, u.Host
	}
	w.rates = newRates(cfg.Policy.Rules)
	w.observer = observe.New(observe.Options{
		Log: w.log, Access: observe.NewAccessLog(o.Stderr, cfg.LogFormat, w.log), Audit: audit, Function: cfg.FunctionName,
		Rated:   slices.Collect(maps.Keys(w.rates)),
		Address: w.trust.Of, WriteTimeout: cfg.WriteTimeout, ReadTimeout: cfg.ReadTimeout,
	})
	w.deps.observer = w.observer
	w.pages.Store(policy.pages)
	w.observer.Keep(policy.credentials())
	w.buffers = auth.NewBuffers(cfg.MaxBody, cfg.MaxBuffered)
	w.limits = limit.NewSlots(cfg.MaxInflight)
	w.gate = auth.NewGate(policy.Policy, auth.Options{
		Realm:              cfg.FunctionName,
		Buffers:            w.buffers,
		BodyTimeout:        cfg.ReadTimeout,
		ForwardCredentials: cfg.ForwardCredentials,
		Throttle:           throttle{limit.NewRate(addressBurst, addressEvery, maxAddresses)},
		Report:             w.observer.Decided,
		Refuse: func(rw http.ResponseWriter, r *http.Request, d auth.Decision) bool {
			pages := w.pages.Load()
			return pages != nil && pages.Refuse(rw, r, d)
		},
	})
	w.draining, w.endStreams = context.WithCancelCause(context.Background())
	w.requests, w.endRequests = context.WithCancelCause(context.Background())
	w.handler = w.pipeline()
	w.warn(append(policy.warnings(cfg), certificateWarnings(cfg.TLS, pair)...))
	return w, nil
}

func (w *Watchdog) warn(warnings []string) {
	for _, warning := range warnings {
		w.log.Warn("weak configuration", "warning", warning)
	}
}

// readSecrets reads the secrets for the first time and builds of them the
// policy and, if they are among names, the certificate. If some can't be read,
// what does not need these is built all the same, so that what is wrong with the
// others is said at once.
func readSecrets(ps *setting.Problems, c *config.Config, names []string, d *deps) (*secret.Set, *builtPolicy, *tls.Certificate) {
	set, err := secret.Read(c.SecretPath, names...)
	found := from(set)
	if err != nil {
		ps.AddErr("", "", err)
		found = func(names []string) *secret.Set {
			some, _ := secret.Read(c.SecretPath, names...) // said above
			return some
		}
	}
	policy, more := buildPolicy(c.Policy, found, d)
	*ps = append(*ps, more...)
	pair, err := readCertificate(c.TLS, found)
	if err != nil {
		ps.AddErr("", "", err)
	}
	return set, policy, pair
}

func newLog(out io.Writer, c *config.Config) *slog.Logger {
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, nil))
	}
	return slog.New(slog.NewTextHandler(out, nil))
}

// openAudit opens the audit log, which is a file or part of stderr.
func (w *Watchdog) openAudit(stderr io.Writer, ps *setting.Problems) *slog.Logger {
	path := w.config.AuditLog
	if path == "" {
		return observe.NewAudit(stderr)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		*ps = append(*ps, setting.Problem{Name: "audit_log", Got: &path, Err: errors.Unwrap(err)})
		return nil
	}
	w.audit = f
	return observe.NewAudit(f)
}

// lastWords is how long the end waits for whoever takes the log.
const lastWords = time.Second

func (w *Watchdog) close() {
	if w.observer != nil {
		w.observer.Access.Close(lastWords)
	}
	if w.audit != nil {
		_ = w.audit.Close()
	}
}

// newUpstream makes the upstream of the mode.
func newUpstream(c *config.Config, o Options, log *slog.Logger, hurry <-chan struct{}) (upstream.Upstream, error) {
	stdoutLog := newLog(o.Stdout, c)
	lines := func(name string, about ...any) *upstream.Lines {
		out, records := o.Stderr, log
		if name == "stdout" {
			out, records = o.Stdout, stdoutLog
		}
		if c.LogFormat == "json" {
			return upstream.NewLogLines(records.With("stream", name).With(about...), c.LogBufferSize)
		}
		if !c.PrefixLogs {
			name = ""
		}
		return upstream.NewLines(out, name, c.LogBufferSize)
	}
	report := func(r *http.Request, reason string) { observe.FromContext(r.Context()).Reason = reason }
	process := upstream.Process{
		Command: strings.Fields(c.Process), Env: o.Environ, Folder: o.Folder,
		Stdout: lines("stdout"), Stderr: lines("stderr"),
		Hurry: hurry,
	}
	switch c.Mode {
	case config.InProcess:
		return upstream.InProcess(o.Handler), nil
	case config.Static:
		return upstream.NewStatic(c.StaticPath, c.Listing)
	case config.Streaming, config.Serializing:
		return upstream.NewFork(upstream.ForkOptions{
			Process: process,
			Lines: func(r *http.Request, stream string) *upstream.Lines {
				if r == nil {
					return lines(stream)
				}
				return lines(stream, "call_id", observe.FromContext(r.Context()).CallID)
			},
			Serializing: c.Mode == config.Serializing, ContentType: c.Fork.ContentType,
			CGI: c.Fork.CGI, CombineOutput: c.Fork.CombineOutput, MarshalRequest: c.Fork.MarshalRequest,
			WriteDebug: c.Fork.WriteDebug, DebugHeaders: c.Fork.DebugHeaders, Classic: c.Fork.Classic,
			Prefork: c.Fork.Prefork, Log: log, Report: report,
		}), nil
	default: // config takes no mode but these
		return upstream.NewHTTP(upstream.HTTPOptions{
			Network: c.Upstream.Network, Address: c.Upstream.Address, Prefix: c.Upstream.Prefix,
			Process: process, AllowOpen: c.AllowOpenUpstream, Log: log,
			Report: report,
		}), nil
	}
}

// gcPercent has the collector run seldom: what is in use is little, and what a
// request leaves behind is soon as much.
const gcPercent = 400

// given reports whether an environment has a variable.
func given(environ []string, name string) bool {
	return slices.ContainsFunc(environ, func(s string) bool { return strings.HasPrefix(s, name+"=") })
}

// ShareProcessors leaves half of the processors to the function, unless
// GOMAXPROCS in the environment says otherwise: a thread of ours that looks for
// work takes time from it, and every answer makes one look. It is for the
// beginning of a process that is nothing but a watchdog, as what Go's runtime has
// for the other half by then it keeps.
func ShareProcessors(environ []string) {
	if !given(environ, "GOMAXPROCS") {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}

// Tune fits Go's runtime to a process that is nothing but this watchdog. What
// GOMEMLIMIT and GOGC say in the environment stays.
func (w *Watchdog) Tune(environ []string) {
	if !given(environ, "GOGC") {
		debug.SetGCPercent(gcPercent)
	}
	if !given(environ, "GOMEMLIMIT") {
		debug.SetMemoryLimit(w.memoryLimit())
	}
}

// memoryLimit is how much memory in bytes the process needs: bodies that are
// judged come and go, and without a limit as much again would wait for the
// collector as is in use.
func (w *Watchdog) memoryLimit() int64 {
	const atWork = 48 << 20 // connections, hashing, and what has not been collected yet
	// Not runtime.ReadMemStats, which has every processor give back what it has
	// set aside, in lists that take more memory than the heap.
	inUse := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(inUse)
	return w.config.MaxBuffered + int64(inUse[0].Value.Uint64()) + atWork //nolint:gosec // what is in use fits
}

// Hurry has a Run that is ending end at once: what is in flight is cut, and the
// function is killed.
func (w *Watchdog) Hurry() { w.beginHurry() }

// Run builds a watchdog around h and runs it until ctx ends: what the program
// auth-watchdog does, with the function in the same process. It leaves Go's
// runtime as it is; see [Watchdog.Tune].
func Run(ctx context.Context, h http.Handler, s Settings) error {
	w, err := New(Options{Settings: s, Handler: h})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// Wrap puts all that a request meets in a watchdog in front of h, for a
// program that has servers of its own. Until ctx ends, secrets are read again
// as they change; then streams and WebSockets end.
func Wrap(ctx context.Context, h http.Handler, s Settings) (http.Handler, error) {
	settings := Settings{"suppress_lock": "true"} // it is not ours to say whether the process is healthy
	maps.Copy(settings, s)
	w, err := New(Options{Settings: settings, Handler: h})
	if err == nil && w.config.TLS.IsOn() {
		w.close()
		err = errNoServer
	}
	if err != nil {
		return nil, err
	}
	w.serving.Store(true)
	go w.reload(ctx)
	context.AfterFunc(ctx, func() {
		w.endStreams(upstream.ErrDraining)
		w.close()
	})
	return w.handler, nil
}
