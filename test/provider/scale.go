package main

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/gorilla/mux"
	"github.com/openfaas/faas-provider/types"
)

// serveScale stops a function or starts it.
func (p *provider) serveScale(w http.ResponseWriter, r *http.Request) error {
	var s types.ScaleServiceRequest
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		return refuse(http.StatusBadRequest, "the body says no number of replicas in JSON: %v", err)
	}
	if err := checkNamespace(s.Namespace); err != nil {
		return err
	}
	if s.Replicas > 1 {
		return refuse(http.StatusBadRequest, "replicas: %d is more than this provider runs, 0 or 1", s.Replicas)
	}
	ctx := context.WithoutCancel(r.Context())
	c, err := p.current(ctx, mux.Vars(r)["name"])
	if err != nil {
		return err
	}
	if s.Replicas == 0 {
		err = p.engine.stop(ctx, c.ID)
	} else {
		err = p.engine.start(ctx, c.ID)
	}
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
	}
	return err
}
