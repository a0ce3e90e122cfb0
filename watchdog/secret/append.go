package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// AppendLine adds a line to a file of secrets, which it makes if there is
// none, readable by its owner only. Who reads the file meanwhile sees it
// before or after, never half-way.
func AppendLine(path, line string) error {
	if strings.ContainsAny(line, "\r\n") {
		return errors.New("a line has no line ends in it")
	}
	// What a link points to is written, and not the link.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := fs.FileMode(0o600)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode().Perm()
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return WriteFile(path, append(text, line+"\n"...), mode)
}

// WriteFile replaces the content of a file at one moment.
func WriteFile(path string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*")
	if err != nil {
		return fmt.Errorf("%s: %w", path, reasonOf(err))
	}
	defer os.Remove(f.Name()) // in vain once it was renamed
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// reasonOf is an error without the name of the file that it was about.
func reasonOf(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}
