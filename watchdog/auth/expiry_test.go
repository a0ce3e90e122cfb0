package auth

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func newExpiry(parent context.Context, after time.Duration) *expiry {
	return &expiry{Context: parent, at: time.Now().Add(after)}
}

func TestExpiryEnds(t *testing.T) {
	type key struct{}
	errGone := errors.New("gone")
	for _, tt := range []struct {
		name  string
		ask   func(e *expiry) // before it ends
		end   func(e *expiry, cancel context.CancelCauseFunc)
		err   error
		cause error
	}{
		{"not at all", nil, func(*expiry, context.CancelCauseFunc) {}, nil, nil},
		{"in time, unasked", nil, func(*expiry, context.CancelCauseFunc) { time.Sleep(time.Minute) }, context.DeadlineExceeded, ErrExpired},
		{"in time, asked", func(e *expiry) { e.Done() }, func(*expiry, context.CancelCauseFunc) { time.Sleep(time.Minute) }, context.DeadlineExceeded, ErrExpired},
		{"before its time", nil, func(*expiry, context.CancelCauseFunc) { time.Sleep(time.Minute - 1) }, nil, nil},
		{"with its parent, unasked", nil, func(_ *expiry, cancel context.CancelCauseFunc) { cancel(errGone) }, context.Canceled, errGone},
		{"with its parent, asked", func(e *expiry) { e.Done() }, func(_ *expiry, cancel context.CancelCauseFunc) { cancel(errGone) }, context.Canceled, errGone},
		{"with the request, unasked", nil, func(e *expiry, _ context.CancelCauseFunc) { e.end() }, context.Canceled, context.Canceled},
		{"with the request, asked", func(e *expiry) { e.Done() }, func(e *expiry, _ context.CancelCauseFunc) { e.end() }, context.Canceled, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
				defer cancel(nil)
				e := newExpiry(parent, time.Minute)
				defer e.end()
				if tt.ask != nil {
					tt.ask(e)
				}
				tt.end(e, cancel)
				synctest.Wait()
				if got := e.Err(); !errors.Is(got, tt.err) {
					t.Errorf("Err: got %v, want %v", got, tt.err)
				}
				if got := context.Cause(e); !errors.Is(got, tt.cause) {
					t.Errorf("cause: got %v, want %v", got, tt.cause)
				}
				select {
				case <-e.Done():
					if tt.err == nil {
						t.Error("it has ended")
					}
				default:
					if tt.err != nil {
						t.Error("it has not ended")
					}
				}
				if got := e.Value(key{}); got != "value" {
					t.Errorf("Value: got %v", got)
				}
			})
		})
	}
}

func TestExpiryTellsThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExpiry(t.Context(), time.Minute)
		defer e.end()
		child, cancel := context.WithCancel(e)
		defer cancel()
		told := make(chan struct{})
		defer context.AfterFunc(e, func() { close(told) })()
		begun := time.Now()
		<-child.Done()
		<-told
		if got := time.Since(begun); got != time.Minute {
			t.Errorf("after %v, want a minute", got)
		}
		if got := context.Cause(child); !errors.Is(got, ErrExpired) {
			t.Errorf("the child's cause: got %v", got)
		}
	})
}

func TestExpiryHasTheEarlierDeadline(t *testing.T) {
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	want, _ := soon.Deadline()
	if got, ok := newExpiry(soon, time.Minute).Deadline(); !ok || !got.Equal(want) {
		t.Errorf("got %v, want that of the parent", got)
	}
	e := newExpiry(t.Context(), time.Minute)
	if got, ok := e.Deadline(); !ok || !got.Equal(e.at) {
		t.Errorf("got %v, want its own", got)
	}
}
