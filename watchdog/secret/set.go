package secret

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// maxFile is the most that is read of one file: a hundred thousand keys fit
// several times over, and a mistaken mount does not fill the memory.
const maxFile = 32 << 20

// readAttempts is how often a folder that changes under the reader is read
// again before giving up until the next time.
const readAttempts = 5

// A Set is the content of several secret files at one moment. It is immutable.
type Set struct {
	dir    string
	values map[string]Value
	sum    [sha256.Size]byte
}

// A FileError says why a secret file cannot be used, where it was looked for,
// and what makes it.
type FileError struct {
	Name string // of the secret
	Path string // of its file
	Why  string
}

func (e *FileError) Error() string {
	return fmt.Sprintf("secret %q: %s: %s; make it with: faas-cli secret create %s --from-file=FILE, and name it under secrets: in stack.yml",
		e.Name, e.Path, e.Why, e.Name)
}

// ErrUnsettled is returned when the files changed each time they were read.
var ErrUnsettled = errors.New("secret files keep changing while they are read")

// Read reads the named files of the folder dir, all at one moment: when one
// changes meanwhile, as with the swap of a Kubernetes volume or a rewrite in
// place, all are read again.
//
// One trailing line ending of each file is cut and nothing else. The error
// joins a *[FileError] for each file that is missing, empty, unreadable or not
// a file; there is then no Set.
func Read(dir string, names ...string) (*Set, error) {
	set, err := readOnce(dir, names)
	for range readAttempts {
		again, errAgain := readOnce(dir, names)
		if same(set, err, again, errAgain) {
			return set, err
		}
		set, err = again, errAgain
	}
	return nil, ErrUnsettled
}

// NewSet returns a Set of values that come from elsewhere than files.
func NewSet(values map[string]Value) *Set {
	s := &Set{values: maps.Clone(values)}
	s.seal()
	return s
}

// Value returns the secret of that name, or the zero Value if the set was read
// without it.
func (s *Set) Value(name string) Value { return s.values[name] }

// Dir is the folder that the set was read from, empty if it was not.
func (s *Set) Dir() string { return s.dir }

func readOnce(dir string, names []string) (*Set, error) {
	s := &Set{dir: dir, values: make(map[string]Value, len(names))}
	var errs []error
	for _, name := range names {
		if _, done := s.values[name]; done {
			continue
		}
		path := filepath.Join(dir, name)
		v, why := readFile(path)
		if why != "" {
			errs = append(errs, &FileError{Name: name, Path: path, Why: why})
		}
		s.values[name] = v
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s.seal()
	return s, nil
}

// ReadFile reads one secret from a file anywhere, as those that are mounted are
// read.
func ReadFile(path string) (Value, error) {
	v, why := readFile(path)
	if why != "" {
		return Value{}, fmt.Errorf("%s: %s", path, why)
	}
	return v, nil
}

// readFile returns the secret in the file at path, or why there is none.
func readFile(path string) (v Value, why string) {
	// Without O_NONBLOCK, opening a named pipe waits for somebody to write.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Value{}, reason(err)
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return Value{}, reason(err)
	case info.IsDir():
		return Value{}, "is a folder, and must be a file"
	case !info.Mode().IsRegular():
		return Value{}, "is not a regular file"
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return Value{}, reason(err)
	case len(b) > maxFile:
		return Value{}, fmt.Sprintf("is larger than %d MiB", maxFile>>20)
	}
	if bytes.HasPrefix(b, []byte("\ufeff")) {
		return Value{}, "begins with a byte order mark, which would be part of the secret: save it as UTF-8 without one"
	}
	v = New(cutLineEnding(b))
	clear(b)
	if v.isBlank() {
		return Value{}, "is empty"
	}
	return v, ""
}

func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("user %d may not read it", os.Getuid())
	}
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// seal computes the checksum by which two sets are compared. Lengths are part
// of it, so that no bytes can move from one value to the next.
func (s *Set) seal() {
	h := sha256.New()
	field := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		field([]byte(name))
		field(s.values[name].Reveal())
	}
	h.Sum(s.sum[:0])
}

func same(a *Set, errA error, b *Set, errB error) bool {
	if errA != nil || errB != nil {
		return errA != nil && errB != nil && errA.Error() == errB.Error()
	}
	return a.sum == b.sum
}
