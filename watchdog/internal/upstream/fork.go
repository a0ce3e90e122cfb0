package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/reply"
)

// ForkOptions say how a process answers each request: the modes streaming and
// serializing, and the classic watchdog's own way. How long it may take is up
// to the context of each request.
type ForkOptions struct {
	Process Process // its Command, Env and Folder

	// Prefork is how many processes are started ahead and wait on their
	// standard input for a request. CGI must be false then.
	Prefork int

	// Lines makes what passes on a stream, "stdout" or "stderr", of the
	// process of a request; of a nil request for one that waits for it.
	Lines func(r *http.Request, stream string) *Lines

	// Serializing waits for the process to end before it answers, so that a
	// failure is one.
	Serializing bool

	ContentType    string // of the answer
	CGI            bool   // tell the process of the request in its environment
	CombineOutput  bool   // what it writes to stderr is part of the answer
	MarshalRequest bool   // it reads headers and body as JSON
	WriteDebug     bool   // its answer goes to the log too
	DebugHeaders   bool   // the headers of request and answer go to the log

	// Classic answers as the classic watchdog does, with its methods and
	// statuses. It is Serializing.
	Classic bool

	Log *slog.Logger

	Report Report
}

// NewFork returns the upstream of the modes that start a process for each
// request.
func NewFork(o ForkOptions) Upstream {
	f := &fork{ForkOptions: o, program: newProgram(o.Process, o.CombineOutput)}
	f.Serializing = o.Serializing || o.Classic
	if o.Prefork > 0 {
		f.spares = newSpares(o.Prefork, func() (*task, error) { return f.program.start(nil) },
			func() *Lines { return f.Lines(nil, "stderr") }, f.Log)
	}
	f.life, f.end = context.WithCancelCause(context.Background())
	return f
}

type fork struct {
	ForkOptions
	program *program
	spares  *spares // nil if none is started ahead

	underWay atomic.Int32 // requests that are being answered

	life context.Context // ends when no process may run any more
	end  context.CancelCauseFunc

	mu      sync.Mutex // held to begin, so that none begins once life has ended
	running sync.WaitGroup
}

// Run implements [Upstream]. It ends the processes that still run.
func (f *fork) Run(ctx context.Context) error {
	if f.spares != nil {
		f.running.Go(func() { f.spares.run(ctx) })
	}
	<-ctx.Done()
	f.mu.Lock()
	f.end(ErrDraining)
	f.mu.Unlock()
	f.running.Wait()
	return nil
}

// Renew implements [Renewer].
func (f *fork) Renew() { f.spares.renew() }

// Ready implements [Upstream].
func (f *fork) Ready(context.Context) error { return context.Cause(f.life) }

// begin counts a request, unless it has come too late.
func (f *fork) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.life.Err() != nil {
		return false
	}
	f.running.Add(1)
	return true
}

// classicMethods are those that the classic watchdog answers.
var classicMethods = []string{http.MethodDelete, http.MethodGet, http.MethodPatch, http.MethodPost, http.MethodPut}

func (f *fork) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.Classic && !slices.Contains(classicMethods, r.Method) {
		w.Header().Set("Allow", strings.Join(classicMethods, ", "))
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if strings.ContainsRune(r.URL.Path, 0) { // which no variable can have
		f.Report.refuse(w, r, auth.TwoReadings)
		return
	}
	if !f.begin() {
		f.Report.tell(r, "draining")
		reply.Write(w, http.StatusServiceUnavailable, time.Second)
		return
	}
	defer f.running.Done()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(f.life, func() { cancel(ErrDraining) })()
	r = r.WithContext(ctx)

	a := &forkAnswer{ResponseWriter: w, control: http.NewResponseController(w), start: time.Now(), contentType: f.typeOf(r)}
	if f.Serializing {
		a.buffer = &bytes.Buffer{}
	}
	f.debug(r, "in", r.Header)
	err := f.answer(r, a)
	if err != nil {
		f.failed(a, r, err)
		return
	}
	a.finish()
	f.debug(r, "out", w.Header())
}

// typeOf is the Content-Type of the answer, empty to have it guessed.
func (f *fork) typeOf(r *http.Request) string {
	if f.ContentType == "" && f.Classic {
		return r.Header.Get("Content-Type")
	}
	return f.ContentType
}

// Why a process has not answered.
var (
	errNotStarted = errors.New("the process can't be started")
	errBody       = errors.New("the caller's body broke off")
	errWriting    = errors.New("the caller takes no answer")
)

// linger is how long what a process has left behind may hold its output open.
const linger = time.Second

// answer gives a request to a process of its own and passes on what that
// writes. It returns when nothing of it is left to wait for.
func (f *fork) answer(r *http.Request, a *forkAnswer) error {
	f.underWay.Add(1)
	defer f.underWay.Add(-1)
	body := newCallersBody(r)
	a.body = body
	stdin, err := f.input(r, body)
	if err != nil {
		return err
	}
	t, err := f.start(r)
	if err != nil {
		return err
	}
	defer t.close()
	defer context.AfterFunc(r.Context(), func() {
		t.kill()
		if a.buffer == nil { // a caller that does not read has no longer than the process
			_ = a.control.SetWriteDeadline(time.Now().Add(linger))
		}
	})()

	f.feed(t, stdin, body)
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	t.lines.change(f.Lines(r, "stderr"))
	watch := time.AfterFunc(quick, func() {
		go t.wait()
		t.logErrors()
	})
	defer watch.Stop()

	take := a.pass
	if f.WriteDebug {
		debug := f.Lines(r, "stdout")
		defer debug.Close()
		take = func(p []byte) error {
			err := a.pass(p)
			if err == nil {
				_, _ = debug.Write(p)
			}
			return err
		}
	}
	t.read(buf[:], take, a.flush) // until it closes its output
	if a.err == nil && !t.look() {
		_ = a.flush() // it goes on without output
	}
	if a.err != nil {
		t.kill()
	}
	t.wait()
	_ = t.stdin.Close() // or an orphan that does not read it would hold up what writes
	t.stderr.expire(time.Now().Add(linger))
	t.logErrors()
	t.lines.change(nil)

	// What follows ends the context, so the judgement comes first.
	defer body.end(a.control)
	switch cause := causeOf(r.Context()); {
	case cause != nil:
		return cause
	case a.err != nil:
		return errWriting
	case body.broken.Load():
		return errBody
	}
	return t.failure()
}

// quick is how long a process has before its end and what it writes to stderr
// are watched. Most have ended by then, which costs nothing to find out.
const quick = 10 * time.Millisecond

// feed writes the request to the process while its output is read: whichever
// side stops first, neither waits for the other. The body is closed when nothing
// more is written.
func (f *fork) feed(t *task, stdin io.Reader, body *callersBody) {
	if stdin == nil {
		_ = t.stdin.Close()
		_ = body.Close()
		return
	}
	go func() {
		defer body.Close()
		buf := buffers.Get().(*[bufferSize]byte)
		defer buffers.Put(buf)
		_, _ = io.CopyBuffer(&t.stdin, stdin, buf[:]) // a process need not read it
		if body.broken.Load() {
			t.kill() // or it would take for whole what is not
		}
		_ = t.stdin.Close()
	}()
}

// start returns a process for a request, which waits for none to be started
// ahead.
func (f *fork) start(r *http.Request) (*task, error) {
	if t := f.spares.take(int(f.underWay.Load())); t != nil {
		return t, nil
	}
	if f.CGI {
		return f.program.start(cgi(r, f.Classic))
	}
	return f.program.start(nil)
}

// input is what the process reads, nil for nothing.
func (f *fork) input(r *http.Request, body *callersBody) (io.Reader, error) {
	if r.Body == nil {
		return nil, nil
	}
	if !f.MarshalRequest {
		if body.ended.Load() {
			return nil, nil
		}
		return body, nil
	}
	raw, err := io.ReadAll(body) // it is buffered already, and so bounded
	if err != nil {
		return nil, errBody
	}
	type rawBody struct {
		Raw []byte `json:"raw"`
	}
	text, err := json.Marshal(struct {
		Header http.Header `json:"header"`
		Body   rawBody     `json:"body"`
	}{r.Header, rawBody{raw}})
	return bytes.NewReader(text), err
}

// forkAnswer is the answer to a request: passed on as it comes or, with a
// buffer, when it is known to be whole.
type forkAnswer struct {
	http.ResponseWriter
	control     *http.ResponseController
	start       time.Time
	contentType string
	buffer      *bytes.Buffer // nil to pass it on as it comes
	body        *callersBody
	begun       bool
	held        bool  // something was passed since the last flush
	err         error // of writing to the caller
}

// pass takes a piece of the answer.
func (a *forkAnswer) pass(p []byte) error {
	if a.buffer != nil {
		_, err := a.buffer.Write(p)
		return err
	}
	if !a.begun {
		a.body.overtaken(a.ResponseWriter)
	}
	a.begin()
	a.held = true
	_, a.err = a.Write(p) //nolint:gosec // the answer is the function's, as it is
	return a.err
}

// flush sends what was passed and may be held back by the server.
func (a *forkAnswer) flush() error {
	if a.held {
		a.held = false
		a.err = a.control.Flush()
	}
	return a.err
}

func (a *forkAnswer) begin() {
	if !a.begun {
		a.begun = true
		if a.contentType != "" {
			a.Header().Set("Content-Type", a.contentType)
		}
	}
}

// finish answers what is left to answer.
func (a *forkAnswer) finish() {
	if a.begun {
		return
	}
	a.begin()
	if a.buffer != nil {
		setDuration(a.Header(), a.start)
		a.Header().Set("Content-Length", strconv.Itoa(a.buffer.Len()))
		_, _ = a.Write(a.buffer.Bytes())
		return
	}
	a.WriteHeader(http.StatusOK)
}

// failed answers a request that the process has not.
func (f *fork) failed(a *forkAnswer, r *http.Request, err error) {
	var exit exitError
	reason, status, text := "not_started", http.StatusInternalServerError, ""
	switch {
	case errors.Is(err, ErrTimeout):
		reason, status = "exec_timeout", http.StatusGatewayTimeout
		if f.Classic {
			status, text = http.StatusRequestTimeout, "Killed process.\n" // the classic watchdog's words
		}
	case errors.Is(err, ErrDraining):
		reason, status = "draining", http.StatusServiceUnavailable
	case errors.Is(err, errBody):
		reason, status = string(auth.BadBody), http.StatusBadRequest
	case errors.As(err, &exit):
		reason = "exit_status"
		if f.Classic {
			text = exit.Error() + "\n" + a.buffer.String()
		}
	case errors.Is(err, syscall.E2BIG):
		reason, status = "headers_too_large", http.StatusRequestHeaderFieldsTooLarge
	case !errors.Is(err, errNotStarted): // the caller has left, or the credential has expired
		f.Report.tell(r, "caller_left")
		panic(http.ErrAbortHandler)
	}
	f.Report.tell(r, reason)
	f.Log.Warn("the function has not answered", "path", r.URL.Path, "seconds", time.Since(a.start).Seconds(), "err", err)
	switch {
	case a.begun:
		_ = a.flush()
		panic(http.ErrAbortHandler) // the caller sees that the answer is not whole
	case text != "":
		reply.Text(a.ResponseWriter, status, 0, text)
	case status == http.StatusServiceUnavailable:
		reply.Write(a.ResponseWriter, status, time.Second)
	default:
		reply.Write(a.ResponseWriter, status, 0)
	}
}

// unprintable are the headers whose values may be secrets.
var unprintable = []string{"Authorization", "Cookie", "Proxy-Authorization", "Set-Cookie"}

// debug writes headers to the log of the function.
func (f *fork) debug(r *http.Request, direction string, h http.Header) {
	if !f.DebugHeaders {
		return
	}
	lines := f.Lines(r, "stdout")
	defer lines.Close()
	for _, name := range slices.Sorted(maps.Keys(h)) {
		values := h[name]
		if slices.Contains(unprintable, name) {
			values = []string{"…"}
		}
		fmt.Fprintf(lines, "[%s] %s=%v\n", direction, name, values)
	}
}
