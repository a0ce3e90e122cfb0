// Package upstream gets an answer from the function.
package upstream

import (
	"context"
	"errors"
	"net/http"
)

// An Upstream answers requests that have been let through. There is one for
// each mode.
type Upstream interface {
	http.Handler

	// Run keeps the upstream going until ctx ends, and returns early, with the
	// reason, if the upstream does. Nothing of it is left running when Run
	// returns.
	Run(ctx context.Context) error

	// Ready reports whether a request sent now would be answered; nil if so.
	Ready(ctx context.Context) error
}

// Causes with which the context of a request ends, so that its end can be told
// from the caller's having left.
var (
	ErrTimeout  = errors.New("exec_timeout has passed")
	ErrDraining = errors.New("the process is shutting down")
)
