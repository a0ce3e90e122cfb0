package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/secret"
)

var keyRingCommand = command{
	name: "key ring", args: "--file F [--keep N]",
	meaning: "make a key with which sign-in seals its cookies, before the older ones",
	example: `  auth-watchdog key ring --file session-keys.txt
  faas-cli secret create session-keys --from-file=session-keys.txt

  Who is signed in stays so until the key that was the newest then is no longer kept.`,
	run: keyRing,
}

const ringKeep = 3

func keyRing(p *program, fs *flag.FlagSet, args []string) error {
	path := fs.String("file", "", "the file with the keys")
	keep := fs.Int("keep", ringKeep, "how many keys to keep, with the new one")
	_, err := parse(fs, args, 0)
	switch {
	case err != nil:
		return err
	case *path == "":
		return misused("key ring: want --file, to which the key is added")
	case *keep < 1:
		return misused("key ring: --keep=%d: want 1 at least, which is the new key alone", *keep)
	}
	comments, keys, err := readRing(*path)
	if err != nil {
		return fmt.Errorf("key ring: %w", err)
	}
	keys = append([]string{session.NewKey()}, keys...)
	keys = keys[:min(len(keys), *keep)]
	if err := writeRing(*path, comments, keys); err != nil {
		return fmt.Errorf("key ring: %w", err)
	}
	fmt.Fprintf(p.stdout, "A new key is the first of %d in %s.\n", len(keys), *path)
	return nil
}

// readRing reads the keys of a file, if there is one, and the comments.
func readRing(path string) (comments, keys []string, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if pathError := (*fs.PathError)(nil); errors.As(err, &pathError) {
		return nil, nil, fmt.Errorf("%s: %w", path, pathError.Err)
	}
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case line[0] == '#':
			comments = append(comments, line)
		default:
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return comments, nil, nil
	}
	if _, err := session.ParseRing(secret.New(text)); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return comments, keys, nil
}

func writeRing(path string, comments, keys []string) error {
	// What a link points to is written, and not the link.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	lines := append(comments, keys...)
	return secret.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}
