package upstream

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A program is what is started again and again, to answer a request each time.
// What is the same each time is found out once.
type program struct {
	Process
	combine bool // what a process writes to stderr goes to its stdout

	env     []string               // each variable once
	clashes bool                   // env has variables that may be those of a request
	path    atomic.Pointer[string] // where it was last; nil to look for it
}

func newProgram(p Process, combine bool) *program {
	env := p.command().Environ()
	clashes := false
	for _, v := range env {
		clashes = clashes || strings.HasPrefix(v, cgiPrefix)
	}
	return &program{Process: p, combine: combine, env: env, clashes: clashes}
}

// environ is the environment with the variables of a request, which win.
func (p *program) environ(vars []string) []string {
	env := append(p.env[:len(p.env):len(p.env)], vars...)
	if p.clashes {
		return (&exec.Cmd{Env: env}).Environ()
	}
	return env
}

// A task is a process that answers one request.
type task struct {
	pid    int
	stdin  inlet
	stdout *os.File
	stderr *outlet // nil if it is part of stdout

	lines relay // takes what logErrors reads

	wait      func() // for it to end
	logErrors func() // until nothing more is written to stderr

	mu     sync.Mutex // held to wait and to signal, as its id may then be another's
	ended  bool
	status syscall.WaitStatus
	err    error // why the status is not known
}

// start starts a process, with pipes of our own: those of exec are waited for
// until whoever holds them is gone.
func (p *program) start(vars []string) (t *task, err error) {
	t = &task{}
	var theirs [3]int // what the process gets
	open := theirs[:0]
	defer func() {
		for _, fd := range open {
			_ = syscall.Close(fd)
		}
		if err != nil {
			t.close()
			err = fmt.Errorf("%w: %w", errNotStarted, err)
		}
	}()
	in, fd, err := pipe()
	if err != nil {
		return t, os.NewSyscallError("pipe", err)
	}
	open, t.stdin.fd, t.stdin.open = append(open, in), fd, true
	fd, out, err := pipe()
	if err != nil {
		return t, os.NewSyscallError("pipe", err)
	}
	open, t.stdout = append(open, out), pollable(fd)
	files := []uintptr{uintptr(in), uintptr(out), uintptr(out)}
	if !p.combine {
		fd, out, err := pipe()
		if err != nil {
			return t, os.NewSyscallError("pipe", err)
		}
		open, t.stderr, files[2] = append(open, out), &outlet{fd: fd}, uintptr(out)
	}
	t.pid, err = p.exec(&syscall.ProcAttr{Dir: p.Folder, Env: p.environ(vars), Files: files, Sys: ownGroup})
	t.wait = sync.OnceFunc(t.await)
	t.logErrors = sync.OnceFunc(func() {
		buf := buffers.Get().(*[bufferSize]byte)
		defer buffers.Put(buf)
		t.stderr.copyTo(&t.lines, buf[:])
	})
	return t, err
}

// exec starts the program where it was found before, and looks for it again if
// it is not there any more.
func (p *program) exec(attr *syscall.ProcAttr) (int, error) {
	for {
		path := p.path.Load()
		known := path != nil
		if !known {
			cmd := p.command()
			if cmd.Err != nil {
				return 0, cmd.Err
			}
			path = &cmd.Path
		}
		pid, err := syscall.ForkExec(*path, p.Command, attr) //nolint:gosec // running the function is what this is for
		switch {
		case err == nil:
			if !known {
				p.path.Store(path)
			}
			return pid, nil
		case !known || errors.Is(err, syscall.E2BIG):
			return 0, &os.PathError{Op: "fork/exec", Path: *path, Err: err}
		}
		p.path.Store(nil)
	}
}

// pollable is an end of a pipe of which the runtime says when it is ready.
func pollable(fd int) *os.File {
	_ = syscall.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "pipe") //nolint:gosec // a descriptor fits
}

// await waits for the process to end. Only then is it taken from the table of
// processes, so that nobody else can be signalled in its place.
func (t *task) await() {
	const byPID = 1 // P_PID
	for !t.look() {
		for {
			_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byPID, uintptr(t.pid), 0, syscall.WEXITED|syscall.WNOWAIT, 0, 0) //nolint:gosec // an id fits
			if errno != syscall.EINTR {
				break
			}
		}
	}
}

// look reports whether the process has ended.
func (t *task) look() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return true
	}
	pid, err := syscall.Wait4(t.pid, &t.status, syscall.WNOHANG, nil)
	if errors.Is(err, syscall.EINTR) {
		return false
	}
	t.ended, t.err = pid != 0 || err != nil, err
	return t.ended
}

// kill kills the process and all that it has started. What has got away from
// its group does not hold up the request.
func (t *task) kill() {
	t.mu.Lock()
	if !t.ended {
		_ = syscall.Kill(t.pid, syscall.SIGKILL) // it may have left its group
	}
	_ = syscall.Kill(-t.pid, syscall.SIGKILL)
	t.mu.Unlock()
	_ = t.stdout.SetReadDeadline(time.Now().Add(linger))
}

// close closes what is left open of the pipes.
func (t *task) close() {
	_ = t.stdin.Close()
	_ = t.stdout.Close()
	t.stderr.close()
}

// failure is how the process has ended, nil if well. It has ended already.
func (t *task) failure() error {
	switch {
	case t.err != nil: // somebody else has waited for it
		return fmt.Errorf("%w: nobody knows how it ended", errNotStarted)
	case t.status == 0:
		return nil
	}
	return exitError(t.status)
}

// An exitError is a process that has ended with a failure.
type exitError syscall.WaitStatus

// Error says it in the words of [os.ProcessState].
func (e exitError) Error() string {
	s := syscall.WaitStatus(e)
	if s.Exited() {
		return fmt.Sprintf("exit status %d", s.ExitStatus())
	}
	text := "signal: " + s.Signal().String()
	if s.CoreDump() {
		text += " (core dumped)"
	}
	return text
}

// read reads what the process writes to stdout until it closes that, or take
// or idle fails. idle is called when nothing more is there at once.
func (t *task) read(buf []byte, take func([]byte) error, idle func() error) {
	conn, err := t.stdout.SyscallConn()
	if err != nil {
		return
	}
	n := 0
	attempt := func(fd uintptr) bool {
		n, err = read(int(fd), buf) //nolint:gosec // a descriptor fits
		if errors.Is(err, syscall.EAGAIN) {
			n, err = 0, idle()
			return err != nil
		}
		return true
	}
	for {
		if gone := conn.Read(attempt); gone != nil || err != nil || n <= 0 || take(buf[:n]) != nil {
			return
		}
	}
}

func read(fd int, buf []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, buf)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

// An inlet is the end of a pipe that a process reads. The little that fits into
// any pipe is written without the runtime's being told of it.
type inlet struct {
	mu      sync.Mutex
	fd      int
	open    bool     // fd is
	file    *os.File // made of fd once it may have to wait
	written int
}

// fitting is what a pipe takes without anybody's reading it.
const fitting = 4096

// Write implements [io.Writer].
func (i *inlet) Write(b []byte) (int, error) {
	i.mu.Lock()
	if i.open && i.written+len(b) <= fitting {
		defer i.mu.Unlock()
		n, err := syscall.Write(i.fd, b)
		i.written += max(n, 0)
		return max(n, 0), err
	}
	if i.open {
		i.file, i.open = pollable(i.fd), false
	}
	file := i.file
	i.mu.Unlock()
	return file.Write(b) // of none, an error
}

// Close implements [io.Closer]. Whoever writes has an error then.
func (i *inlet) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open {
		_ = syscall.Close(i.fd)
		i.open = false
	}
	_ = i.file.Close() // of none, an error
	return nil
}

// An outlet is the end of a pipe that is read late, and seldom has anything
// but an end by then.
type outlet struct {
	mu       sync.Mutex
	fd       int
	file     *os.File // once there is something to wait for
	deadline time.Time
}

// copyTo reads until the end, or the time that expire has set.
func (o *outlet) copyTo(w io.Writer, buf []byte) {
	if o == nil {
		return
	}
	o.mu.Lock()
	_ = syscall.SetNonblock(o.fd, true)
	n, err := read(o.fd, buf)
	if n == 0 && err == nil {
		o.mu.Unlock()
		return
	}
	o.file = os.NewFile(uintptr(o.fd), "pipe") //nolint:gosec // a descriptor fits
	_ = o.file.SetReadDeadline(o.deadline)
	o.mu.Unlock()
	for ; n > 0 || errors.Is(err, syscall.EAGAIN); n, err = o.file.Read(buf) {
		if n > 0 {
			_, _ = w.Write(buf[:n])
		}
	}
}

// expire bounds for how long anything may still come.
func (o *outlet) expire(at time.Time) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deadline = at
	_ = o.file.SetReadDeadline(at) // of none, an error
}

func (o *outlet) close() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != nil {
		_ = o.file.Close()
		return
	}
	_ = syscall.Close(o.fd)
}

// A relay passes on what a process writes to stderr: to the log, or to that of
// a request once it has one.
type relay struct {
	mu sync.Mutex
	to *Lines
}

// Write implements [io.Writer].
func (r *relay) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to.Write(p)
}

// change has what follows go elsewhere; nil if nothing does.
func (r *relay) change(to *Lines) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil {
		r.to.Close()
	}
	r.to = to
}
