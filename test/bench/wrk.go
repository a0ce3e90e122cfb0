package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// wrkLoad is the load of the program wrk.
type wrkLoad struct {
	program string
	folder  string
}

// report has wrk print its figures on a line that is easily read.
const report = `
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("bench requests=%d us=%d failed=%d p50=%d p99=%d\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
`

func (w wrkLoad) run(ctx context.Context, address string, r request, connections int, d time.Duration) (figures, error) {
	script := fmt.Sprintf("wrk.method = %q\nwrk.body = %q\n", r.method, r.body)
	if r.body == "" {
		script = fmt.Sprintf("wrk.method = %q\n", r.method)
	}
	if r.header[0] != "" {
		script += fmt.Sprintf("wrk.headers[%q] = %q\n", r.header[0], r.header[1])
	}
	path := filepath.Join(w.folder, "wrk.lua")
	if err := os.WriteFile(path, []byte(script+report), 0o600); err != nil {
		return figures{}, err
	}
	seconds := max(int(d.Round(time.Second)/time.Second), 1) // wrk knows no parts of one
	cmd := exec.CommandContext(ctx, w.program,               //nolint:gosec // found on the path
		"-t", strconv.Itoa(min(2, connections)), "-c", strconv.Itoa(connections), "-d", strconv.Itoa(seconds)+"s",
		"--timeout", patience.String(), "-s", path, "http://"+address+"/")
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return figures{}, fmt.Errorf("wrk: %w: %s", err, &errOut)
	}
	return parseWrk(out)
}

var wrkLine = regexp.MustCompile(`(?m)^bench requests=(\d+) us=(\d+) failed=(\d+) p50=(\d+) p99=(\d+)$`)

func parseWrk(out []byte) (figures, error) {
	found := wrkLine.FindSubmatch(out)
	if found == nil {
		return figures{}, fmt.Errorf("wrk: has no line with figures: %q", out)
	}
	var n [5]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(string(found[i+1])); err != nil {
			return figures{}, fmt.Errorf("wrk: %w", err)
		}
	}
	if n[2] > 0 || n[0] == 0 {
		return figures{}, fmt.Errorf("wrk: %d of %d requests failed", n[2], n[0])
	}
	us := func(i int) time.Duration { return time.Duration(n[i]) * time.Microsecond }
	return figures{requests: n[0], duration: us(1), p50: us(3), p99: us(4)}, nil
}
