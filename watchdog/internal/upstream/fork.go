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
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
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

	// Lines makes what passes on a stream, "stdout" or "stderr", of the
	// process of a request.
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
	f := &fork{ForkOptions: o}
	f.Serializing = o.Serializing || o.Classic
	f.life, f.end = context.WithCancelCause(context.Background())
	return f
}

type fork struct {
	ForkOptions
	life context.Context // ends when no process may run any more
	end  context.CancelCauseFunc

	mu      sync.Mutex // held to begin, so that none begins once life has ended
	running sync.WaitGroup
}

// Run implements [Upstream]. It ends the processes that still run.
func (f *fork) Run(ctx context.Context) error {
	<-ctx.Done()
	f.mu.Lock()
	f.end(ErrDraining)
	f.mu.Unlock()
	f.running.Wait()
	return nil
}

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

// An exitError is a process that has ended with a failure.
type exitError struct{ *os.ProcessState }

func (e exitError) Error() string { return e.String() }

// linger is how long what a process has left behind may hold its output open.
const linger = time.Second

// answer gives a request to a process of its own and passes on what that
// writes. It returns when nothing of it is left to wait for.
func (f *fork) answer(r *http.Request, a *forkAnswer) error {
	body := newCallersBody(r)
	a.body = body
	stdin, err := f.input(r, body)
	if err != nil {
		return err
	}
	p, err := f.start(r)
	if err != nil {
		return err
	}
	defer p.close()
	defer context.AfterFunc(r.Context(), func() {
		p.kill()
		if a.buffer == nil { // a caller that does not read has no longer than the process
			_ = a.control.SetWriteDeadline(time.Now().Add(linger))
		}
	})()

	// Input and output at the same time: whichever side stops first, neither
	// waits for the other.
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		_, _ = io.Copy(p.stdin, stdin) // a process need not read it
		if body.broken.Load() {
			p.kill() // or it would take for whole what is not
		}
		_ = p.stdin.Close()
	}()
	lines := f.Lines(r, "stderr")
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		if p.stderr != nil {
			_, _ = io.Copy(lines, p.stderr)
		}
		lines.Close()
	}()

	var out io.Writer = a
	if f.WriteDebug {
		debug := f.Lines(r, "stdout")
		defer debug.Close()
		out = io.MultiWriter(a, debug)
	}
	_, _ = io.Copy(out, p.stdout) // until it closes its output
	if a.err != nil {
		p.kill()
	}
	<-p.exited
	if p.stderr != nil {
		_ = p.stderr.SetReadDeadline(time.Now().Add(linger))
	}
	<-logged

	// What follows ends the context, so the judgement comes first.
	defer func() {
		select {
		case <-fed:
		case <-time.After(lateBody):
			// The process has answered without the rest of the body, for which
			// nobody waits.
			_ = a.control.SetReadDeadline(time.Unix(1, 0))
			<-fed
		}
	}()
	switch cause := context.Cause(r.Context()); {
	case cause != nil:
		return cause
	case a.err != nil:
		return errWriting
	case body.broken.Load():
		return errBody
	case p.cmd.ProcessState == nil: // somebody else has waited for it
		return fmt.Errorf("%w: nobody knows how it ended", errNotStarted)
	case !p.cmd.ProcessState.Success():
		return exitError{p.cmd.ProcessState}
	}
	return nil
}

// input is what the process reads.
func (f *fork) input(r *http.Request, body io.Reader) (io.Reader, error) {
	if r.Body == nil {
		return strings.NewReader(""), nil
	}
	if !f.MarshalRequest {
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

// A forkedProcess is one that was started for a request.
type forkedProcess struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr *os.File // to read from; stderr is nil if it is part of stdout
	exited         chan struct{}
}

func (f *fork) start(r *http.Request) (*forkedProcess, error) {
	p := &forkedProcess{cmd: f.Process.command(), exited: make(chan struct{})}
	if f.CGI {
		p.cmd.Env = append(p.cmd.Environ(), cgi(r, f.Classic)...)
	}
	if err := p.start(f.CombineOutput); err != nil {
		p.close()
		return nil, fmt.Errorf("%w: %w", errNotStarted, err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // what it says is in the process' state
	}()
	return p, nil
}

// start starts the process with pipes of our own: those of exec are waited for
// until whoever holds them is gone.
func (p *forkedProcess) start(combine bool) (err error) {
	stdout, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	p.stdout = stdout
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if !combine {
		stderr, errOut, err := os.Pipe()
		if err != nil {
			return err
		}
		defer errOut.Close()
		p.stderr, p.cmd.Stderr = stderr, errOut
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	return p.cmd.Start()
}

// close closes what there is to read from; Close of a nil File does nothing.
func (p *forkedProcess) close() {
	_ = p.stdout.Close()
	_ = p.stderr.Close()
}

// kill kills the process and all that it has started. What has got away from
// its group does not hold up the request.
func (p *forkedProcess) kill() {
	_ = p.cmd.Process.Kill() // it may have left its group
	signalGroup(p.cmd, syscall.SIGKILL)
	_ = p.stdout.SetReadDeadline(time.Now().Add(linger))
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
	err         error // of writing to the caller
}

func (a *forkAnswer) Write(p []byte) (int, error) {
	if a.buffer != nil {
		return a.buffer.Write(p)
	}
	if !a.begun {
		a.body.overtaken(a.ResponseWriter)
	}
	a.begin()
	n, err := a.ResponseWriter.Write(p)
	if err == nil {
		err = a.control.Flush()
	}
	a.err = err
	return n, err
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
		_, _ = a.ResponseWriter.Write(a.buffer.Bytes())
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
