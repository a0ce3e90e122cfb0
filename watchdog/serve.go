package watchdog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/inbound"
	"auth-watchdog/watchdog/internal/upstream"
)

// errHurried is why a process that was ending ended before it was done.
var errHurried = errors.New("told to end at once: what was in flight has been cut")

// errEnded is why the process ends if the function has not said why it did.
var errEnded = errors.New("the function has ended")

// Run listens and serves until ctx ends or the function does. It returns nil
// if it was ctx, after every request has been answered.
func (w *Watchdog) Run(ctx context.Context) error {
	defer w.close()
	main, err := w.listen(w.config.Port, "port")
	if err != nil {
		return err
	}
	defer main.Close()
	servers := []listening{{w.newServer(), main}}
	if w.config.MetricsPort != 0 {
		l, err := w.listen(w.config.MetricsPort, "metrics_port")
		if err != nil {
			return err
		}
		defer l.Close()
		servers = append(servers, listening{w.newMetricsServer(), l})
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
		go func() { ended <- s.Serve(s.to) }()
	}
	go w.reload(working)
	if w.reap {
		go upstream.Reap(working)
	}
	var functionErr error
	function := make(chan struct{}) // closed when it has ended
	go func() {
		defer close(function)
		functionErr = w.upstream.Run(working)
	}()
	// A caller that takes no answer must not hold up the end.
	defer context.AfterFunc(w.hurry, func() { _ = servers[0].Close() })()
	w.serving.Store(true)
	w.observer.System("sys_startup", slog.String("version", w.version))
	defer w.observer.System("sys_shutdown")
	if pair := w.certificate.Load(); pair != nil {
		w.log.Info("HTTPS", "names", strings.Join(certificateNames(pair.Leaf), ","), "until", pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	w.log.Info("listening", "address", main.Addr().String(), "mode", string(w.config.Mode),
		"function", w.config.FunctionName, "version", w.version)

	select {
	case <-ctx.Done():
		w.drain(servers[0])
	case <-function:
		err = cmp.Or(functionErr, errEnded)
		w.log.Error("stopping", "err", err)
		w.abandon(servers[0])
	case err = <-ended:
	}
	w.serving.Store(false)
	stop()
	<-function
	w.endRequests(upstream.ErrDraining)
	for _, s := range servers {
		_ = s.Close()
	}
	if err == nil && w.hurry.Err() != nil {
		err = errHurried
	}
	return err
}

// abandon gives requests in flight a moment to fail as they should when what
// they wait for has ended.
func (w *Watchdog) abandon(s server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.Shutdown(ctx)
}

// A server is a [http.Server], or does as one.
type server interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// A listening server has what it listens to.
type listening struct {
	server
	to net.Listener
}

// A tlsServer serves HTTPS with the certificate of its configuration.
type tlsServer struct{ *http.Server }

func (s tlsServer) Serve(l net.Listener) error { return s.ServeTLS(inbound.Listen(l), "", "") }

func (w *Watchdog) listen(port int, name string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(w.config.BindAddress, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("%s=%d: %w; set %s to another", name, port, err, name)
	}
	return l, nil
}

const maxHeaderBytes = 1 << 20 // of-watchdog's

// newServer returns the server for callers.
func (w *Watchdog) newServer() server {
	s := &http.Server{
		Handler:           w.handler,
		ReadHeaderTimeout: w.config.ReadTimeout,
		IdleTimeout:       2 * time.Minute, // longer than the gateway keeps a connection
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return w.requests },
		ErrorLog:          slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
		TLSConfig:         w.tlsConfig(),

		// Deadlines of HTTP/2 are those of a request. What a caller does not take
		// from the connection they do not end.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: w.config.WriteTimeout},

		// "OPTIONS *" would be answered before any stage sees it.
		DisableGeneralOptionsHandler: true,
	}
	if s.TLSConfig != nil {
		return tlsServer{s}
	}
	return inbound.NewServer(s)
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
func (w *Watchdog) drain(s server) {
	w.serving.Store(false)
	w.unlock()
	begun := time.Now()
	w.log.Info("draining", "interval", w.config.HealthcheckInterval.String())
	for w.hurry.Err() == nil {
		now := time.Now()
		last := w.observer.LastArrival()
		if last.Before(begun) {
			last = begun
		}
		wait := min(begun.Add(w.config.HealthcheckInterval).Sub(now), last.Add(quiet).Sub(now))
		if wait <= 0 {
			break
		}
		select {
		case <-time.After(wait):
		case <-w.hurry.Done():
		}
	}
	w.log.Info("no new connections", "in_flight", w.observer.InFlight())
	w.endStreams(upstream.ErrDraining)
	ctx, cancel := context.WithTimeout(w.hurry, w.config.WriteTimeout)
	defer cancel()
	_ = s.Shutdown(ctx)
	for w.observer.InFlight() > 0 && ctx.Err() == nil { // Shutdown forgets WebSockets
		time.Sleep(10 * time.Millisecond)
	}
	w.log.Info("drained", "in_flight", w.observer.InFlight())
	if ctx.Err() != nil {
		_ = s.Close() // whoever has had its time
	}
}
