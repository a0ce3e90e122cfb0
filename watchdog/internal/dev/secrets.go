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
	"auth-watchdog/watchdog/auth/basic"
	"auth-watchdog/watchdog/auth/bearer"
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
	path  string
	out   io.Writer
	shown map[string]string // what stands for a secret in a curl: the credential, or how the shell gets it
}

// fill makes the secrets that the methods need and that are missing, and the
// others that the stack file names.
func (f *folder) fill(methods []watchdog.Need, others []string) error {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return err
	}
	for _, m := range methods {
		for _, name := range m.Secrets {
			if err := f.make(m.Type, name); err != nil {
				return err
			}
		}
	}
	for _, name := range others {
		if _, done := f.shown[name]; !done {
			if err := f.make("", name); err != nil {
				return err
			}
		}
	}
	return nil
}

// make makes a secret if it is missing, and finds out how to present it.
func (f *folder) make(kind, name string) error {
	if !secret.ValidName(name) {
		return fmt.Errorf("secret %q: want a name of small letters, digits, dots and dashes", name)
	}
	path := filepath.Join(f.path, name)
	text, err := os.ReadFile(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	switch {
	case kind == "bearer":
		return f.line(path, name, string(text), missing, func() (credential, line string, err error) {
			l := bearer.Line{Name: devName, Key: bearer.NewKey(), Expires: time.Now().Add(devLife)}
			line, err = l.Digested()
			return l.Key, line, err
		})
	case kind == "basic" && name != basic.PairUser && name != basic.PairPassword:
		return f.line(path, name, string(text), missing, func() (credential, line string, err error) {
			password := rand.Text()
			line, err = basic.NewLine(devName, password, "")
			return devName + ":" + password, line, err
		})
	case !missing:
		f.shown[name] = f.cat(name)
		return nil
	case name == basic.PairUser:
		return f.write(path, name, devName)
	}
	return f.write(path, name, rand.Text())
}

// cat is how the shell gets a secret that is kept as it is, so that it need not
// be printed.
func (f *folder) cat(name string) string {
	path := filepath.Join(f.path, name)
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil {
			path = rel
		}
	}
	return fmt.Sprintf("$(cat %s)", path)
}

// write makes a secret that is kept as it is.
func (f *folder) write(path, name, text string) error {
	fmt.Fprintf(f.out, "made %s: %s\n", path, text)
	f.shown[name] = f.cat(name)
	return secret.WriteFile(path, []byte(text+"\n"), 0o600)
}

// line keeps a secret with a line for each credential: dev's own is made anew,
// those of others stay as they are.
func (f *folder) line(path, name, text string, missing bool, fresh func() (credential, line string, err error)) error {
	var lines []string
	mine := missing
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\r\n")
		if strings.HasPrefix(l, devName+" ") || strings.HasPrefix(l, devName+":") {
			mine = true
			continue
		}
		lines = append(lines, l)
	}
	if !mine {
		f.shown[name] = ""
		if words := strings.Fields(text); len(words) == 1 && !strings.Contains(text, ":") {
			f.shown[name] = f.cat(name) // one key, kept as it is
		}
		return nil
	}
	credential, l, err := fresh()
	if err != nil {
		return err
	}
	if missing {
		fmt.Fprintf(f.out, "made %s: its credential is shown only now: %s\n", path, credential)
	}
	f.shown[name] = credential
	return secret.WriteFile(path, []byte(strings.Join(slices.Insert(lines, 0, l), "\n")+"\n"), 0o600)
}
