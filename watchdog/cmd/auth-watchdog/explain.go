package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"auth-watchdog/watchdog"
)

var explainCommand = command{
	name: "explain", args: "[--at TIME] [--json] FILE|-",
	meaning: "say what would become of a request, and why; exit 0 if it is admitted, 1 if not",
	example: `  auth=hmac auth_hmac_preset=github auth-watchdog explain request.http

  request.http is the request as it was sent: POST / HTTP/1.1, its headers, an
  empty line, its body. It goes to nobody, and no secret is shown.`,
	run: explain,
}

func explain(p *program, fs *flag.FlagSet, args []string) error {
	at := fs.String("at", "", "when the request came: 2027-01-31T12:00:00Z or seconds since 1970; now if not set")
	asJSON := fs.Bool("json", false, "write JSON")
	words, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	when, err := parseMoment(fs.Name(), *at)
	if err != nil {
		return err
	}
	raw, err := p.read(fs.Name(), words)
	if err != nil {
		return err
	}
	e, err := watchdog.Explain(watchdog.Options{Settings: watchdog.Environ(p.environ), Stderr: p.stderr}, raw, when)
	if err != nil {
		return usageError{err}
	}
	if *asJSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(e)
	} else {
		_, err = fmt.Fprint(p.stdout, e)
	}
	if err == nil && !e.Admitted && e.Handshake == "" {
		return errSilent
	}
	return err
}

// read returns the content of the file that a command names, or of standard
// input for "-".
func (p *program) read(command string, words []string) ([]byte, error) {
	if len(words) == 0 {
		return nil, misused("%s: want a file, or - for standard input; auth-watchdog %s --help shows how", command, command)
	}
	if words[0] == "-" {
		return io.ReadAll(p.stdin)
	}
	b, err := os.ReadFile(words[0]) //nolint:gosec // the caller names a file of its own
	if err != nil {
		return nil, misused("%s: %w", command, err)
	}
	return b, nil
}

// parseMoment reads a time; now if it is empty.
func parseMoment(command, text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1<<40 {
		return time.UnixMilli(int64(n * 1000)), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, misused("%s: --at=%q: want 2027-01-31T12:00:00Z, or seconds since 1970", command, text)
	}
	return at, nil
}
