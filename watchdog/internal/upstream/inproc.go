package upstream

import (
	"context"
	"net/http"
)

// InProcess is the upstream of a function that is a handler of this process.
func InProcess(h http.Handler) Upstream { return inProcess{h} }

type inProcess struct{ http.Handler }

func (inProcess) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (inProcess) Ready(context.Context) error { return nil }
