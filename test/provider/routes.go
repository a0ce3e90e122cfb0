package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"github.com/openfaas/faas-provider/auth"
	"github.com/openfaas/faas-provider/logs"
	"github.com/openfaas/faas-provider/proxy"
	"github.com/openfaas/faas-provider/types"
)

// A provider serves the API of OpenFaaS. What it has to know after a restart
// is in the containers' names and labels and in the folder of secrets.
type provider struct {
	engine  engine
	secrets secretStore
	log     *slog.Logger
	prober  http.RoundTripper // asks functions whether they are ready
	// listensAt is the address and port of the watchdog in a container.
	listensAt func(container) string

	timeout      time.Duration // of a request to a function
	readyTimeout time.Duration
	grace        time.Duration // between SIGTERM and SIGKILL

	calls     calls
	switching sync.RWMutex // held while a name goes from one container to another
	retiring  sync.WaitGroup
}

// logTimeout is how long a log can be followed.
const logTimeout = time.Hour

// routes has the paths of faas-provider's bootstrap.Serve. That listens on all
// addresses, so it can't be used here.
func (p *provider) routes(credentials *auth.BasicAuthCredentials) http.Handler {
	const name = "{name:[-a-zA-Z_0-9.]+}"
	r := mux.NewRouter()
	system := func(path string, h http.HandlerFunc, methods ...string) {
		r.HandleFunc("/system/"+path, auth.DecorateWithBasicAuth(h, credentials)).Methods(methods...)
	}
	system("functions", p.answer(p.serveList), http.MethodGet)
	system("functions", p.answer(p.serveDeploy), http.MethodPost, http.MethodPut)
	system("functions", p.answer(p.serveRemove), http.MethodDelete)
	system("function/"+name, p.answer(p.serveStatus), http.MethodGet)
	system("scale-function/"+name, p.answer(p.serveScale), http.MethodPost)
	system("secrets", p.answer(p.serveSecrets), http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete)
	system("logs", logs.NewLogHandlerFunc(p, logTimeout), http.MethodGet)
	system("namespaces", p.answer(serveNamespaces), http.MethodGet)
	system("info", p.answer(serveInfo), http.MethodGet)
	r.HandleFunc("/healthz", p.answer(p.serveHealth)).Methods(http.MethodGet, http.MethodHead)

	invoke := proxy.NewHandlerFunc(types.FaaSConfig{ReadTimeout: p.timeout}, p, false)
	r.HandleFunc("/function/"+name, invoke)
	r.HandleFunc("/function/"+name+"/", invoke)
	r.HandleFunc("/function/"+name+"/{params:.*}", invoke)
	return r
}

// A refusal is an error that has a status.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// statusOf is never 404 for what the engine can't find, such as an image:
// faas-cli takes that for the function.
func statusOf(err error) int {
	var r *refusal
	var e *engineError
	switch {
	case errors.As(err, &r):
		return r.status
	case errors.As(err, &e) && e.status == http.StatusConflict:
		return e.status
	case errors.As(err, &e) && e.status < 500:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// answer says what went wrong.
func (p *provider) answer(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			p.log.Warn("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
			http.Error(w, err.Error(), statusOf(err))
		}
	}
}

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(body)
	return err
}

func checkNamespace(ns string) error {
	if ns != "" && ns != namespace {
		return refuse(http.StatusBadRequest, "namespace %q: there is %s only", ns, namespace)
	}
	return nil
}

func serveNamespaces(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, []string{namespace})
}

// serveInfo has the form of a gateway, which faas-cli takes this for.
func serveInfo(w http.ResponseWriter, _ *http.Request) error {
	version := &types.VersionInfo{Release: "test"}
	return writeJSON(w, map[string]any{
		"arch":     runtime.GOARCH,
		"version":  version,
		"provider": types.ProviderInfo{Name: "test-provider", Orchestration: "docker", Version: version},
	})
}

func (p *provider) serveHealth(_ http.ResponseWriter, r *http.Request) error {
	return p.engine.ping(r.Context())
}
