package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"
	"github.com/openfaas/faas-provider/types"
)

// containerName is that of the container which serves a function. Another one
// of the same function has a suffix with a dot: ".next" while it is no more
// than a candidate, ".old-…" once it only finishes what it has begun.
func containerName(function string) string { return namespace + "." + function }

// current returns the container that serves a function.
func (p *provider) current(ctx context.Context, function string) (container, error) {
	if !functionName.MatchString(function) {
		return container{}, refuse(http.StatusNotFound, "there is no function %q", function)
	}
	p.switching.RLock()
	defer p.switching.RUnlock()
	c, err := p.engine.inspect(ctx, containerName(function))
	if isNotFound(err) {
		err = refuse(http.StatusNotFound, "there is no function %q", function)
	}
	return c, err
}

// serveDeploy answers POST, which makes a function, and PUT, which only
// updates one: faas-cli begins with PUT and goes on with POST at a 404.
func (p *provider) serveDeploy(w http.ResponseWriter, r *http.Request) error {
	var d types.FunctionDeployment
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		return refuse(http.StatusBadRequest, "the body is no function in JSON: %v", err)
	}
	spec, err := newSpec(d, p.secrets, int(p.grace.Seconds()))
	if err != nil {
		return err
	}
	// A caller who goes away leaves nothing half done.
	ctx := context.WithoutCancel(r.Context())
	old, err := p.current(ctx, d.Service)
	switch {
	case err == nil:
		return p.update(ctx, d.Service, old, spec)
	case statusOf(err) == http.StatusNotFound && r.Method == http.MethodPost:
		if _, err = p.run(ctx, containerName(d.Service), spec); err == nil {
			w.WriteHeader(http.StatusAccepted)
		}
	}
	return err
}

// run makes and starts a container, and leaves none that does not start.
func (p *provider) run(ctx context.Context, name string, spec containerSpec) (id string, err error) {
	id, err = p.engine.create(ctx, name, spec)
	if err != nil {
		return "", err
	}
	if err := p.engine.start(ctx, id); err != nil {
		return "", errors.Join(err, p.engine.remove(ctx, id))
	}
	return id, nil
}

// update gives a function another container once that is ready. The old one
// then ends in its own time.
func (p *provider) update(ctx context.Context, function string, old container, spec containerSpec) error {
	// The name also keeps a second update away, which the engine refuses.
	id, err := p.run(ctx, containerName(function)+".next", spec)
	if err != nil {
		return err
	}
	if err := p.waitReady(ctx, id); err != nil {
		lines, logErr := p.lastLines(ctx, id)
		err = refuse(http.StatusInternalServerError, "%s is not updated: %v; its last lines:\n%s", function, err, lines)
		return errors.Join(err, logErr, p.engine.remove(ctx, id))
	}
	if err := p.replace(ctx, function, old.ID, id); err != nil {
		return errors.Join(err, p.engine.remove(ctx, id))
	}
	p.retire(old.ID)
	p.log.Info("updated", "function", function, "image", spec.Image)
	return nil
}

// replace lets no request see the function without a container.
func (p *provider) replace(ctx context.Context, function, oldID, newID string) error {
	p.switching.Lock()
	defer p.switching.Unlock()
	if err := p.engine.rename(ctx, oldID, oldName(function, oldID)); err != nil {
		return err
	}
	if err := p.engine.rename(ctx, newID, containerName(function)); err != nil {
		return errors.Join(err, p.engine.rename(ctx, oldID, containerName(function)))
	}
	return nil
}

func oldName(function, id string) string {
	return containerName(function) + ".old-" + id[:min(12, len(id))]
}

// retire ends a container that serves no function any more.
func (p *provider) retire(id string) {
	p.retiring.Go(func() {
		ctx := context.Background()
		if err := errors.Join(p.engine.stop(ctx, id), p.engine.remove(ctx, id)); err != nil {
			p.log.Error("a container could not be removed", "container", id, "error", err)
		}
	})
}

// tidy retires what an earlier run of the provider has left behind.
func (p *provider) tidy(ctx context.Context) error {
	all, err := p.engine.list(ctx, functionLabel)
	for _, c := range all {
		if !c.serves() {
			p.retire(c.ID)
		}
	}
	return err
}

// serves tells a function's container from candidates and old ones.
func (c container) serves() bool {
	return c.Name == "/"+containerName(c.Config.Labels[functionLabel])
}

func (p *provider) serveRemove(w http.ResponseWriter, r *http.Request) error {
	var d types.DeleteFunctionRequest
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		return refuse(http.StatusBadRequest, "the body names no function in JSON: %v", err)
	}
	if err := checkNamespace(d.Namespace); err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context())
	c, err := p.current(ctx, d.FunctionName)
	if err != nil {
		return err
	}
	if err := p.engine.rename(ctx, c.ID, oldName(d.FunctionName, c.ID)); err != nil {
		return err
	}
	p.calls.forget(d.FunctionName)
	p.retire(c.ID)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (p *provider) serveList(w http.ResponseWriter, r *http.Request) error {
	if err := checkNamespace(r.URL.Query().Get("namespace")); err != nil {
		return err
	}
	p.switching.RLock()
	all, err := p.engine.list(r.Context(), functionLabel)
	p.switching.RUnlock()
	if err != nil {
		return err
	}
	list := []types.FunctionStatus{}
	for _, c := range all {
		if !c.serves() {
			continue
		}
		s, err := p.status(r.Context(), c)
		if err != nil {
			return err
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b types.FunctionStatus) int { return strings.Compare(a.Name, b.Name) })
	return writeJSON(w, list)
}

func (p *provider) serveStatus(w http.ResponseWriter, r *http.Request) error {
	if err := checkNamespace(r.URL.Query().Get("namespace")); err != nil {
		return err
	}
	c, err := p.current(r.Context(), mux.Vars(r)["name"])
	if err != nil {
		return err
	}
	s, err := p.status(r.Context(), c)
	if err != nil {
		return err
	}
	return writeJSON(w, s)
}

// status describes a function by what it was deployed with.
func (p *provider) status(ctx context.Context, c container) (types.FunctionStatus, error) {
	var s types.FunctionStatus
	described := []byte(c.Config.Labels[deploymentLabel])
	// The fields of a deployment are fields of a status, but for the name.
	if err := json.Unmarshal(described, &s); err != nil {
		return s, fmt.Errorf("container %s: label %s: %w", c.Name, deploymentLabel, err)
	}
	s.Name = c.Config.Labels[functionLabel]
	s.Namespace = namespace
	s.CreatedAt = c.Created
	s.InvocationCount = p.calls.count(s.Name)
	switch c.State.Status {
	case "running":
		s.Replicas = 1
		if p.isReady(ctx, c) {
			s.AvailableReplicas = 1
		}
	case "restarting":
		s.Replicas = 1
	}
	return s, nil
}
