package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// An engine is the little that is needed of the Docker Engine API.
type engine struct{ client *http.Client }

func newEngine(socket string) engine {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return engine{&http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64}}}
}

// An engineError is what the engine said instead of doing what it was asked.
type engineError struct {
	status  int
	message string
}

func (e *engineError) Error() string { return e.message }

func isNotFound(err error) bool {
	var e *engineError
	return errors.As(err, &e) && e.status == http.StatusNotFound
}

// A container is what the engine tells of one.
type container struct {
	ID           string
	Name         string // begins with a slash
	Created      time.Time
	RestartCount int
	Config       struct{ Labels map[string]string }
	State        struct {
		Status    string
		ExitCode  int
		StartedAt string
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
	}
}

func (c container) running() bool { return c.State.Status == "running" }

// started tells one start of a container from another.
func (c container) started() string { return c.ID + " " + c.State.StartedAt }

// address is empty while the container does not run.
func (c container) address() string {
	for _, n := range c.NetworkSettings.Networks {
		if n.IPAddress != "" {
			return n.IPAddress
		}
	}
	return ""
}

// A containerSpec is what a container is made from.
type containerSpec struct {
	Image       string
	Env         []string
	Labels      map[string]string
	StopTimeout int // seconds
	HostConfig  hostConfig
}

type hostConfig struct {
	Mounts         []mount           `json:",omitempty"`
	ReadonlyRootfs bool              `json:",omitempty"`
	Tmpfs          map[string]string `json:",omitempty"`
	Memory         int64             `json:",omitempty"` // bytes
	NanoCPUs       int64             `json:"NanoCpus,omitempty"`
	RestartPolicy  restartPolicy
}

type mount struct {
	Type     string
	Source   string
	Target   string
	ReadOnly bool
}

type restartPolicy struct{ Name string }

// send returns the answer if it is a good one; the caller closes its body.
func (e engine) send(ctx context.Context, method, path string, query url.Values, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	// The engine takes no host; a name that is none keeps the URL whole.
	target := url.URL{Scheme: "http", Host: "docker", Path: path, RawQuery: query.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the Docker engine: %w", err)
	}
	if answer.StatusCode < 400 {
		return answer, nil
	}
	defer answer.Body.Close()
	var said struct{ Message string }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		said.Message = "it answers " + answer.Status
	}
	return nil, &engineError{answer.StatusCode, "the Docker engine: " + said.Message}
}

// call reads the answer into out, unless that is nil.
func (e engine) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	answer, err := e.send(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	return json.NewDecoder(answer.Body).Decode(out)
}

func (e engine) ping(ctx context.Context) error {
	return e.call(ctx, http.MethodGet, "/_ping", nil, nil, nil)
}

func (e engine) create(ctx context.Context, name string, spec containerSpec) (id string, err error) {
	var made struct {
		ID string `json:"Id"`
	}
	err = e.call(ctx, http.MethodPost, "/containers/create", url.Values{"name": {name}}, spec, &made)
	return made.ID, err
}

// start does nothing if the container runs.
func (e engine) start(ctx context.Context, id string) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/start", nil, nil, nil)
}

// stop sends SIGTERM, and SIGKILL after the container's StopTimeout.
func (e engine) stop(ctx context.Context, id string) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/stop", nil, nil, nil)
}

// remove ends the container without grace if it runs.
func (e engine) remove(ctx context.Context, id string) error {
	return e.call(ctx, http.MethodDelete, "/containers/"+id, url.Values{"force": {"1"}, "v": {"1"}}, nil, nil)
}

func (e engine) rename(ctx context.Context, id, name string) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/rename", url.Values{"name": {name}}, nil, nil)
}

func (e engine) inspect(ctx context.Context, idOrName string) (c container, err error) {
	err = e.call(ctx, http.MethodGet, "/containers/"+idOrName+"/json", nil, nil, &c)
	return c, err
}

// list returns the containers that have a label, also those that don't run.
func (e engine) list(ctx context.Context, label string) ([]container, error) {
	filters, err := json.Marshal(map[string][]string{"label": {label}})
	if err != nil {
		return nil, err
	}
	var found []struct {
		ID string `json:"Id"`
	}
	if err := e.call(ctx, http.MethodGet, "/containers/json", url.Values{"all": {"1"}, "filters": {string(filters)}}, nil, &found); err != nil {
		return nil, err
	}
	var list []container
	for _, f := range found {
		c, err := e.inspect(ctx, f.ID)
		if isNotFound(err) {
			continue // gone since
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// logs returns both outputs in the engine's frames, each line with its time.
func (e engine) logs(ctx context.Context, id string, query url.Values) (io.ReadCloser, error) {
	for _, name := range []string{"stdout", "stderr", "timestamps"} {
		query.Set(name, "1")
	}
	answer, err := e.send(ctx, http.MethodGet, "/containers/"+id+"/logs", query, nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}
