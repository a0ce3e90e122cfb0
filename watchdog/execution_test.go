package watchdog

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"auth-watchdog/watchdog/internal/upstream"
)

// TestExecution holds an execution to what package context promises of its own.
func TestExecution(t *testing.T) {
	type key struct{}
	errLeft := errors.New("left")
	for _, tt := range []struct {
		name      string
		end       func(e *execution, leave context.CancelCauseFunc)
		err, want error
	}{
		{"the caller leaves", func(_ *execution, leave context.CancelCauseFunc) { leave(errLeft) }, context.Canceled, errLeft},
		{"exec_timeout", func(e *execution, _ context.CancelCauseFunc) { e.expire() }, context.DeadlineExceeded, upstream.ErrTimeout},
		{"the process drains", func(e *execution, _ context.CancelCauseFunc) { e.end(upstream.ErrDraining) }, context.Canceled, upstream.ErrDraining},
		{"it is over", func(e *execution, _ context.CancelCauseFunc) { e.finish() }, context.Canceled, errFinished},
	} {
		for _, early := range []bool{true, false} {
			name := tt.name + ", asked before"
			if !early {
				name = tt.name + ", asked afterwards"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent, leave := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
					defer leave(nil)
					e := &execution{Context: parent, draining: t.Context()}
					if e.Err() != nil || e.Cause() != nil || e.Value(key{}) != "value" {
						t.Fatalf("at first: got %v, %v and %v", e.Err(), e.Cause(), e.Value(key{}))
					}
					called := 0
					ask := func() (child context.Context, stop func() bool) {
						child, cancel := context.WithCancel(e)
						t.Cleanup(cancel)
						context.AfterFunc(e, func() { called++ })
						return child, e.AfterFunc(func() { t.Error("called in spite of stop") })
					}
					var child context.Context
					if early {
						var stop func() bool
						child, stop = ask()
						if !stop() || stop() {
							t.Error("stop: want true the first time only")
						}
						select {
						case <-e.Done():
							t.Error("done before it has ended")
						default:
						}
					}
					tt.end(e, leave)
					synctest.Wait()
					if !early {
						var cancel context.CancelFunc
						child, cancel = context.WithCancel(e)
						defer cancel()
						context.AfterFunc(e, func() { called++ })
					}
					<-e.Done()
					<-child.Done()
					synctest.Wait()
					if called != 1 {
						t.Errorf("AfterFunc: called %d times, want once", called)
					}
					if e.Err() != tt.err { //nolint:errorlint // as context.Context has it
						t.Errorf("Err: got %v, want %v", e.Err(), tt.err)
					}
					if child.Err() == nil {
						t.Error("the child's Err: got nil")
					}
					if !errors.Is(e.Cause(), tt.want) {
						t.Errorf("Cause: got %v, want %v", e.Cause(), tt.want)
					}
					e.end(errors.New("another"))
					if !errors.Is(e.Cause(), tt.want) {
						t.Errorf("a second end: got %v, want %v to stay", e.Cause(), tt.want)
					}
				})
			})
		}
	}
}

// TestExecutionLeavesNothing has a caller's connection go on for long after a
// request.
func TestExecutionLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, leave := context.WithCancel(t.Context())
		defer leave()
		e := &execution{Context: parent, draining: t.Context(), bound: time.Now().Add(time.Minute)}
		context.AfterFunc(e, func() {})
		e.Begins(false)
		e.finish()
		synctest.Wait()
		if e.unwatch() || e.timer.Stop() {
			t.Error("it is still watching")
		}
	})
}

// TestConnectionOutlastsBodies: what ends a read of a caller's body when its
// time is over must not end the connection of one that was in time.
func TestConnectionOutlastsBodies(t *testing.T) {
	w, _ := serving(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(rw, r.Body)
	}), withKey(t, Settings{}))
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(w.handler)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	for range 500 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", strings.TrimPrefix(withKeyHeader, "Authorization: "))
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(body) != "body" || err != nil {
			t.Fatalf("got %q and %v, want %q", body, err, "body")
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("got %d connections, want one for all", n)
	}
}
