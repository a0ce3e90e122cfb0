package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fakeEngine answers the part of the Docker Engine API that the provider
// asks for. Its containers are servers on 127.0.0.1.
type fakeEngine struct {
	t      *testing.T
	socket string

	mu         sync.Mutex
	containers map[string]*fakeContainer // by id
	asked      []string                  // what changed something
	nextID     int

	ends map[string]bool // images whose containers end at once
}

type fakeContainer struct {
	id, name string
	spec     containerSpec
	status   string
	starts   int
	watchdog *watchdog
}

func newFakeEngine(t *testing.T) *fakeEngine {
	t.Helper()
	e := &fakeEngine{
		t:          t,
		socket:     filepath.Join(t.TempDir(), "docker.sock"),
		containers: map[string]*fakeContainer{},
		ends:       map[string]bool{},
	}
	listener, err := net.Listen("unix", e.socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_ping", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /containers/create", e.create)
	mux.HandleFunc("GET /containers/json", e.list)
	mux.HandleFunc("GET /containers/{id}/json", e.with(e.inspect))
	mux.HandleFunc("GET /containers/{id}/logs", e.with(e.logs))
	mux.HandleFunc("POST /containers/{id}/start", e.with(e.start))
	mux.HandleFunc("POST /containers/{id}/stop", e.with(e.stop))
	mux.HandleFunc("POST /containers/{id}/rename", e.with(e.rename))
	mux.HandleFunc("DELETE /containers/{id}", e.with(e.remove))
	server := httptest.NewUnstartedServer(mux)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return e
}

func (e *fakeEngine) refuse(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// named finds a container that has a name; the caller holds the lock.
func (e *fakeEngine) named(name string) *fakeContainer {
	for _, c := range e.containers {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (e *fakeEngine) with(serve func(http.ResponseWriter, *http.Request, *fakeContainer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		c := e.containers[r.PathValue("id")]
		if c == nil {
			c = e.named(r.PathValue("id"))
		}
		if c == nil {
			e.refuse(w, http.StatusNotFound, "No such container: "+r.PathValue("id"))
			return
		}
		serve(w, r, c)
	}
}

func (e *fakeEngine) create(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var spec containerSpec
	name := r.URL.Query().Get("name")
	switch err := json.NewDecoder(r.Body).Decode(&spec); {
	case err != nil:
		e.refuse(w, http.StatusBadRequest, err.Error())
		return
	case spec.Image == "missing":
		e.refuse(w, http.StatusNotFound, "No such image: missing")
		return
	case e.named(name) != nil:
		e.refuse(w, http.StatusConflict, "Conflict. The container name is already in use")
		return
	}
	e.nextID++
	c := &fakeContainer{
		id:       fmt.Sprintf("id%d", e.nextID),
		name:     name,
		spec:     spec,
		status:   "created",
		watchdog: newWatchdog(e.t, spec.Image),
	}
	e.containers[c.id] = c
	e.asked = append(e.asked, "create "+name)
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(map[string]string{"Id": c.id})
}

func (e *fakeEngine) list(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []map[string]string
	for id := range e.containers {
		ids = append(ids, map[string]string{"Id": id})
	}
	json.NewEncoder(w).Encode(ids)
}

func (e *fakeEngine) inspect(w http.ResponseWriter, _ *http.Request, c *fakeContainer) {
	address := ""
	if c.status == "running" {
		address = "127.0.0.1"
	}
	json.NewEncoder(w).Encode(map[string]any{
		"Id":      c.id,
		"Name":    "/" + c.name,
		"Created": time.Unix(1700000000, 0).UTC(),
		"Config":  map[string]any{"Labels": c.spec.Labels},
		"State":   map[string]any{"Status": c.status, "ExitCode": 2, "StartedAt": fmt.Sprint(c.starts)},
		"NetworkSettings": map[string]any{
			"Networks": map[string]any{"bridge": map[string]string{"IPAddress": address}},
		},
	})
}

func (e *fakeEngine) logs(w http.ResponseWriter, _ *http.Request, c *fakeContainer) {
	w.Write(frame(1, "2024-01-02T03:04:05.000000006Z hello\n"))
	w.Write(frame(2, "2024-01-02T03:04:06Z this is "+c.spec.Image+"\n"))
}

func (e *fakeEngine) start(_ http.ResponseWriter, _ *http.Request, c *fakeContainer) {
	if c.status == "running" {
		return
	}
	e.asked = append(e.asked, "start "+c.name)
	c.starts++
	c.status = "running"
	if e.ends[c.spec.Image] {
		c.status = "exited"
	}
}

func (e *fakeEngine) stop(_ http.ResponseWriter, _ *http.Request, c *fakeContainer) {
	e.asked = append(e.asked, "stop "+c.name)
	c.status = "exited"
}

func (e *fakeEngine) rename(_ http.ResponseWriter, r *http.Request, c *fakeContainer) {
	name := r.URL.Query().Get("name")
	e.asked = append(e.asked, "rename "+c.name+" "+name)
	c.name = name
}

func (e *fakeEngine) remove(_ http.ResponseWriter, _ *http.Request, c *fakeContainer) {
	e.asked = append(e.asked, "remove "+c.name)
	delete(e.containers, c.id)
}

// changes returns what was asked since the last call.
func (e *fakeEngine) changes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	asked := e.asked
	e.asked = nil
	return asked
}

func (e *fakeEngine) names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, c := range e.containers {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return names
}

// frame is a piece of a log as the engine sends it.
func frame(output byte, text string) []byte {
	head := [8]byte{output}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return append(head[:], text...)
}

// A watchdog is what listens in a container of the fake engine.
type watchdog struct {
	server *httptest.Server

	mu      sync.Mutex
	unready bool
	got     []string // requests as they came, but for headers that don't matter
}

func newWatchdog(t *testing.T, image string) *watchdog {
	t.Helper()
	d := &watchdog{unready: image == "unready"}
	d.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if r.URL.Path == "/_/ready" {
			if d.unready {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		d.got = append(d.got, fmt.Sprintf("%s %s %v %d for=%d host=%q key=%q %s",
			r.Method, r.RequestURI, r.TransferEncoding, r.ContentLength,
			len(r.Header["X-Forwarded-For"]), r.Header.Get("X-Forwarded-Host"), r.Header.Get("Authorization"), body))
		fmt.Fprint(w, "from "+image)
	}))
	t.Cleanup(d.server.Close)
	return d
}

// listensAt is the provider's.
func (e *fakeEngine) listensAt(c container) string {
	_, port, _ := strings.Cut(e.watchdog(c.ID).server.Listener.Addr().String(), ":")
	return net.JoinHostPort(c.address(), port)
}

func (e *fakeEngine) watchdog(id string) *watchdog {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.containers[id].watchdog
}
