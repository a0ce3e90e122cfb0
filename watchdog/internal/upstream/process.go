package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// grace is how long the function may take to end after SIGTERM.
const grace = 5 * time.Second

// A Process is the function's own process, with all that it starts.
type Process struct {
	Command []string
	Env     []string  // nil for that of the watchdog
	Folder  string    // in which it works; empty for that of the watchdog
	Stdout  io.Writer // may be an *[Lines]
	Stderr  io.Writer

	// Hurry, when closed, has the process killed that was asked to end.
	Hurry <-chan struct{}
}

// ErrEnded is returned when the function's process ended by itself, whatever
// its status.
var ErrEnded = errors.New("the function has ended")

// running is a process that was started.
type running struct {
	hurry <-chan struct{}
	cmd   *exec.Cmd
	done  chan struct{} // closed when it has ended and its output was read
}

// command is the command without its output.
func (p Process) command() *exec.Cmd {
	cmd := exec.Command(p.Command[0], p.Command[1:]...) //nolint:gosec // running the function is what this is for
	cmd.Env, cmd.Dir = p.Env, p.Folder
	cmd.SysProcAttr = ownGroup
	return cmd
}

// ownGroup gives a process a group of its own: all of it can be signalled, and a
// terminal's Ctrl-C does not reach it before the requests in flight are answered.
var ownGroup = &syscall.SysProcAttr{Setpgid: true}

// signalGroup sends a signal to a process and to all that it has started.
func signalGroup(cmd *exec.Cmd, s syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, s) }

func (p Process) start() (*running, error) {
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = p.Stdout, p.Stderr
	// Whatever the function has left behind may hold its output open.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("fprocess: %w", err)
	}
	r := &running{hurry: p.Hurry, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		_ = cmd.Wait() // what it says is in the process' state
		for _, w := range []io.Writer{p.Stdout, p.Stderr} {
			if lines, ok := w.(*Lines); ok {
				lines.Close()
			}
		}
	}()
	return r, nil
}

// wait waits for the process to end, or ends it when ctx does. The error says
// how it ended if it did so by itself.
func (r *running) wait(ctx context.Context) error {
	defer r.signal(syscall.SIGKILL) // what it has left behind
	select {
	case <-r.done:
		return fmt.Errorf("%w: %s", ErrEnded, r.cmd.ProcessState)
	case <-ctx.Done():
	}
	r.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-r.done:
		return nil
	case <-timer.C:
	case <-r.hurry:
	}
	r.signal(syscall.SIGKILL)
	<-r.done
	return nil
}

// signal sends a signal to the process and to all that it has started.
func (r *running) signal(s syscall.Signal) { signalGroup(r.cmd, s) }
