package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat, which is the same on every
// machine that Go runs on.
const tick = 10 * time.Millisecond

// cpu is how much processor time a process has had.
type cpu struct {
	own      time.Duration
	children time.Duration // of those that it has waited for
}

func (c cpu) add(o cpu) cpu { return cpu{c.own + o.own, c.children + o.children} }
func (c cpu) sub(o cpu) cpu { return cpu{c.own - o.own, c.children - o.children} }

// cpuOf reads what all threads of a process have used. Those in
// /proc/PID/task/*/schedstat are finer, but a thread that has ended is gone
// from there, with what it used.
func cpuOf(pid int) (cpu, error) {
	stat, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return cpu{}, err
	}
	return parseStat(stat)
}

// parseStat reads /proc/PID/stat, in which the name of the command stands in
// parentheses and may have spaces and parentheses itself.
func parseStat(stat []byte) (cpu, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime = 11 // the first field behind the name is the state
	if len(fields) < utime+4 {
		return cpu{}, fmt.Errorf("/proc/PID/stat: want at least %d fields behind the name: %q", utime+4, stat)
	}
	var ticks [4]time.Duration
	for i := range ticks {
		n, err := strconv.ParseInt(string(fields[utime+i]), 10, 64)
		if err != nil {
			return cpu{}, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks[i] = time.Duration(n) * tick
	}
	return cpu{own: ticks[0] + ticks[1], children: ticks[2] + ticks[3]}, nil
}

// statusBytes reads a size in /proc/PID/status: VmRSS, or VmHWM.
func statusBytes(pid int, name string) (int64, error) {
	status, err := os.ReadFile(procFile(pid, "status"))
	if err != nil {
		return 0, err
	}
	return parseStatus(string(status), name)
}

func parseStatus(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/PID/status: has no %s", name)
}

// resetPeak makes VmHWM what VmRSS is.
func resetPeak(pid int) error {
	return os.WriteFile(procFile(pid, "clear_refs"), []byte("5"), 0)
}

// childrenOf returns a process's children, their children and so on.
func childrenOf(pid int) []int {
	lists, _ := filepath.Glob(procFile(pid, "task/*/children")) // the pattern is good
	var all []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), childrenOf(child)...)
			}
		}
	}
	return all
}

func procFile(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// errNoProc is why nothing is measured on another system.
var errNoProc = errors.New("needs /proc as Linux has it, which is where processor time and memory of a process are read")

func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}
