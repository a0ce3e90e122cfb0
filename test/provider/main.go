// Provider is an OpenFaaS provider on a Docker engine, for tests and for trying
// things on one machine. README.md says how to start it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/openfaas/faas-provider/auth"
)

type options struct {
	port         string
	credentials  string
	state        string
	docker       string
	timeout      time.Duration
	readyTimeout time.Duration
	grace        time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.port, "port", cmp.Or(os.Getenv("port"), "8080"), "the `port` on 127.0.0.1; 0 takes a free one; also the environment's port")
	flag.StringVar(&o.credentials, "credentials", "", "the `folder` with the files basic-auth-user and basic-auth-password")
	flag.StringVar(&o.state, "state", "", "the `folder` that keeps the secrets")
	flag.StringVar(&o.docker, "docker", "/var/run/docker.sock", "the engine's `socket`")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "how long a function may take for a whole answer")
	flag.DurationVar(&o.readyTimeout, "ready-timeout", 30*time.Second, "how long a function may take until it is ready")
	flag.DurationVar(&o.grace, "grace", 40*time.Second, "how long a function may take to end after SIGTERM")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "provider:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	credentials, err := readCredentials(o.credentials)
	if err != nil {
		return err
	}
	if o.state == "" {
		return errors.New("-state: name a folder for the secrets")
	}
	secrets, err := newSecretStore(filepath.Join(o.state, "secrets"))
	if err != nil {
		return fmt.Errorf("-state: %w", err)
	}
	p := &provider{
		engine:       newEngine(o.docker),
		secrets:      secrets,
		log:          slog.New(slog.NewTextHandler(os.Stderr, nil)),
		prober:       &http.Transport{DisableKeepAlives: true},
		listensAt:    onPort8080,
		timeout:      o.timeout,
		readyTimeout: o.readyTimeout,
		grace:        o.grace,
	}
	if err := p.tidy(ctx); err != nil {
		return fmt.Errorf("-docker %s: %w", o.docker, err)
	}
	return p.serve(ctx, o.port, credentials)
}

func readCredentials(folder string) (*auth.BasicAuthCredentials, error) {
	reader := auth.ReadBasicAuthFromDisk{SecretMountPath: folder}
	c, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("-credentials: %w", err)
	}
	if c.User == "" || c.Password == "" {
		return nil, fmt.Errorf("-credentials %s: basic-auth-user and basic-auth-password must not be empty", folder)
	}
	return c, nil
}

// serve ends with ctx, after the containers that it has retired. The functions
// stay.
func (p *provider) serve(ctx context.Context, port string, credentials *auth.BasicAuthCredentials) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return fmt.Errorf("-port: %w", err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := &http.Server{Handler: p.routes(credentials), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		// Who follows a log does not hold up the end for longer than this.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err = server.Shutdown(ending); err != nil {
			err = server.Close()
		}
	}
	p.retiring.Wait()
	return err
}
