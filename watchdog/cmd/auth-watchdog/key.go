package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"auth-watchdog/watchdog/auth/bearer"
	"auth-watchdog/watchdog/secret"
)

var keyNewCommand = command{
	name: "key new", args: "[--name N] [--scopes a,b] [--expires TIME] [--file F]",
	meaning: "make a key for a caller of a function with auth=bearer",
	example: `  auth-watchdog key new --name ci --scopes deploy --expires 90d --file api-key.txt
  faas-cli secret create api-key --from-file=api-key.txt`,
	run: keyNew,
}

func keyNew(p *program, fs *flag.FlagSet, args []string) error {
	name := fs.String("name", "", "who the function is told is calling")
	scopes := fs.String("scopes", "", "what the key allows, with commas between")
	expires := fs.String("expires", "", "until when it is good: 2027-01-31, 2027-01-31T12:00:00Z, 90d or 12h; forever if not set")
	file := fs.String("file", "", "a file to which the line is added")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	line := bearer.Line{Name: *name, Key: bearer.NewKey(), Scopes: splitScopes(*scopes)}
	if *expires != "" {
		at, err := parseExpiry(*expires, time.Now())
		if err != nil {
			return err
		}
		line.Expires = at
	}
	text, err := line.Digested()
	if err != nil {
		return misused("key new: %w", err)
	}
	if *file != "" {
		if err := secret.AppendLine(*file, text); err != nil {
			return fmt.Errorf("key new: %w", err)
		}
	}
	fmt.Fprintf(p.stdout, "The key, which is shown only now and goes to the caller:\n\n  %s\n\n", line.Key)
	if *file != "" {
		fmt.Fprintf(p.stdout, "Its digest was added to %s.\n", *file)
		return nil
	}
	fmt.Fprintf(p.stdout, "Its digest, which is a line of the secret:\n\n  %s\n", text)
	return nil
}

// splitScopes reads scopes as a flag has them.
func splitScopes(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// parseExpiry reads a time, a date, or how long from now.
func parseExpiry(s string, now time.Time) (time.Time, error) {
	at, ok := readExpiry(s, now)
	switch {
	case !ok:
		return time.Time{}, misused("key new: --expires=%q: want 2027-01-31, 2027-01-31T12:00:00Z, 90d or 12h", s)
	case !at.After(now):
		return time.Time{}, misused("key new: --expires=%q: is in the past", s)
	}
	return at, nil
}

func readExpiry(s string, now time.Time) (at time.Time, ok bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	if days, found := strings.CutSuffix(s, "d"); found {
		n, err := strconv.Atoi(days)
		return now.AddDate(0, 0, n), err == nil
	}
	d, err := time.ParseDuration(s)
	return now.Add(d), err == nil
}
