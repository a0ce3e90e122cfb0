package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A process is a program that was started and will be ended.
type process struct {
	cmd  *exec.Cmd
	log  string        // the file with all that it writes
	done chan struct{} // closed when it has ended
}

// begin starts a program in a folder of its own, which is also where it puts
// temporary files, with no more environment than it needs.
func begin(folder string, command, environ []string) (*process, error) {
	p := &process{log: filepath.Join(folder, "log"), done: make(chan struct{})}
	// Appended to, so that it can be emptied while the process writes.
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(command[0], command[1:]...) //nolint:gosec // starting programs is what this is for
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = folder, log, log
	p.cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR=" + folder}, environ...)
	// A terminal's Ctrl-C must not reach it: it is ended when it is done with.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // what it says is in the process' state
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end ends the process and all that it has started: politely first, because
// the watchdogs end their function themselves.
func (p *process) end() {
	below := childrenOf(p.pid())
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	// What it has left behind if it ended by itself is in its group still.
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	for _, pid := range below {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// failure explains why a process can't be used, with the end of its log.
func (p *process) failure(err error) error {
	select {
	case <-p.done:
		err = errors.Join(err, fmt.Errorf("it has ended: %s", p.cmd.ProcessState))
	default:
	}
	log, _ := os.ReadFile(p.log)
	const enough = 2000
	return fmt.Errorf("%s: %w\n%s", p.cmd.Path, err, log[max(len(log)-enough, 0):])
}
