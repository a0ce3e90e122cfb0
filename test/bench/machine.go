package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine says on what the figures were measured, and how.
func (b *bench) machine() {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	info, _ := os.ReadFile("/proc/cpuinfo")
	generator := "own generator"
	if _, ok := b.load.(wrkLoad); ok {
		generator = "wrk"
	}
	fmt.Fprintf(b.out, "%d processors (%s), Linux %s, %s; %s, %d connections, %s each\n",
		runtime.NumCPU(), model(string(info)), strings.TrimSpace(string(kernel)), runtime.Version(),
		generator, b.connections, b.duration)
}

// model reads the name of the processor in /proc/cpuinfo, which some kinds of
// machine do not have.
func model(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
