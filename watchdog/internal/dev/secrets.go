package dev

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog"
	"auth-watchdog/watchdog/secret"
)

// devName is the name of the credentials that dev makes for itself. They are
// made anew at each start, because only their digests are kept.
const devName = "dev"

// devLife is how long they are good, so that one that got into a cluster does
// not stay good there.
const devLife = 30 * 24 * time.Hour

// A folder is .secrets, as faas-cli local-run has it.
type folder struct {
	path   string
	out    io.Writer
	hidden string            // the name of one that nobody needs to see
	shown  map[string]string // what stands for a secret in a curl: the credential, or how the shell gets it
}

// fill makes the secrets that the policy needs and that are missing, and the
// others that the stack file names. What has been filled for another function
// stays.
func (f *folder) fill(t *watchdog.TryOut, others []string) error {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return err
	}
	if s, ok := t.SignIn(); ok {
		f.hidden = s.Keys
	}
	needed := t.Secrets()
	for _, name := range needed {
		if f.shown[name] != "" {
			continue
		}
		content, credential, err := t.NewSecret(name, devName, time.Now().Add(devLife))
		if err != nil && f.isMissing(name) {
			return fmt.Errorf("secret %q: %w", name, err)
		}
		if err := f.make(name, content, credential); err != nil {
			return err
		}
	}
	for _, name := range others {
		if !slices.Contains(needed, name) {
			if err := f.make(name, rand.Text(), ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *folder) isMissing(name string) bool {
	_, err := os.Stat(filepath.Join(f.path, name))
	return errors.Is(err, fs.ErrNotExist)
}

// make makes a secret if it is missing, and finds out how to present it.
// content and credential are as from NewSecret.
func (f *folder) make(name, content, credential string) error {
	if !secret.ValidName(name) {
		return fmt.Errorf("secret %q: want a name of small letters, digits, dots and dashes", name)
	}
	path := filepath.Join(f.path, name)
	missing := f.isMissing(name)
	switch {
	case credential != "":
		return f.line(path, name, content, credential, missing)
	case missing && name == f.hidden:
		fmt.Fprintf(f.out, "made %s\n", path)
		return secret.WriteFile(path, []byte(content+"\n"), 0o600)
	case missing:
		fmt.Fprintf(f.out, "made %s: %s\n", path, content)
		f.shown[name] = f.cat(name)
		return secret.WriteFile(path, []byte(content+"\n"), 0o600)
	}
	f.shown[name] = f.cat(name)
	return nil
}

// cat is how the shell gets a secret that is kept as it is, so that it need not
// be printed.
func (f *folder) cat(name string) string {
	return fmt.Sprintf("$(cat %s)", singleQuoted(filepath.Join(f.path, name)))
}

// line keeps a secret with a line for each credential: dev's own is made anew,
// those of others stay as they are.
func (f *folder) line(path, name, mine, credential string, missing bool) error {
	text, err := os.ReadFile(path)
	if err != nil && !missing {
		return err
	}
	lines := []string{mine}
	found := missing
	for l := range strings.Lines(string(text)) {
		l = strings.TrimRight(l, "\r\n")
		if strings.HasPrefix(l, devName+" ") || strings.HasPrefix(l, devName+":") {
			found = true
			continue
		}
		lines = append(lines, l)
	}
	if !found {
		if words := strings.Fields(string(text)); len(words) == 1 && !strings.Contains(words[0], ":") {
			f.shown[name] = f.cat(name) // one key, kept as it is
		}
		return nil
	}
	did := "renewed the line of " + devName + " in"
	if missing {
		did = "made"
	}
	fmt.Fprintf(f.out, "%s %s: its credential is shown only now: %s\n", did, path, credential)
	f.shown[name] = credential
	return secret.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}
