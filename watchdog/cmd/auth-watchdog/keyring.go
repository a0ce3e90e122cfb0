package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"auth-watchdog/watchdog/internal/session"
	"auth-watchdog/watchdog/secret"
)

var keyRingCommand = command{
	name: "key ring", args: "--file F [--keep N] [--prepare] [--use]",
	meaning: "make a key with which sign-in seals its cookies, before the older ones",
	example: `  auth-watchdog key ring --file session-keys.txt
  faas-cli secret create session-keys --from-file=session-keys.txt

  Who is signed in stays so until the key that was the newest then is no longer kept.

  With several replicas, which do not get a secret at the same moment:
  auth-watchdog key ring --file session-keys.txt --prepare    # a new key, second: it opens and does not seal
  faas-cli secret update session-keys --from-file=session-keys.txt
  auth-watchdog key ring --file session-keys.txt --use        # some minutes later: it seals
  faas-cli secret update session-keys --from-file=session-keys.txt`,
	run: keyRing,
}

const ringKeep = 3

func keyRing(p *program, fs *flag.FlagSet, args []string) error {
	path := fs.String("file", "", "the file with the keys")
	keep := fs.Int("keep", ringKeep, "how many keys to keep, with the new one")
	prepare := fs.Bool("prepare", false, "put the new key second: it opens, and seals nothing yet")
	use := fs.Bool("use", false, "make no key, and put the second one first")
	_, err := parse(fs, args, 0)
	switch {
	case err != nil:
		return err
	case *path == "":
		return misused("key ring: want --file, to which the key is added")
	case *prepare && *use:
		return misused("key ring: --prepare comes first, and --use some minutes later: want one of them")
	case *keep < 1:
		return misused("key ring: --keep=%d: want 1 at least, which is the new key alone", *keep)
	}
	comments, keys, err := readRing(*path)
	if err != nil {
		return fmt.Errorf("key ring: %w", err)
	}
	said := "A new key is the first of %d in %s.\n"
	switch {
	case *use && len(keys) < 2:
		return misused("key ring: %s has no second key; auth-watchdog key ring --file %s --prepare makes one", *path, *path)
	case *use:
		keys[0], keys[1] = keys[1], keys[0]
		said = "The second key is the first of %d in %s now.\n"
	case *prepare && len(keys) > 0:
		keys = slices.Insert(keys, 1, session.NewKey())
		*keep = max(*keep, 2)
		said = "A new key is the second of %d in %s.\n"
	default:
		keys = slices.Insert(keys, 0, session.NewKey())
	}
	keys = keys[:min(len(keys), *keep)]
	if err := writeRing(*path, comments, keys); err != nil {
		return fmt.Errorf("key ring: %w", err)
	}
	fmt.Fprintf(p.stdout, said, len(keys), *path)
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
