package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// files are the contents of files by their names.
type files map[string]string

// folder makes a folder with the files.
func folder(t *testing.T, content files) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// must fails the test if preparing it has failed.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// content is what the set has under the names.
func content(s *Set, names []string) files {
	got := files{}
	for _, name := range names {
		got[name] = string(s.Value(name).Reveal())
	}
	return got
}

func TestReadCutsOneLineEndingAndNothingElse(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no ending", "key", "key"},
		{"newline", "key\n", "key"},
		{"CRLF", "key\r\n", "key"},
		{"two newlines", "key\n\n", "key\n"},
		{"two CRLF", "key\r\n\r\n", "key\r\n"},
		{"CR alone is no ending", "key\r", "key\r"},
		{"CR before CRLF", "key\r\r\n", "key\r"},
		{"spaces around", "  key \t", "  key \t"},
		{"space before the ending", "key \n", "key "},
		{"newline first", "\nkey", "\nkey"},
		{"several lines", "a\nb\n", "a\nb"},
		{"binary", "\x00\xff\n", "\x00\xff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := Read(folder(t, files{"key": tt.text}), "key")
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if got := string(set.Value("key").Reveal()); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadTakesTheNamedFiles(t *testing.T) {
	all := files{"a": "1", "b": "2", "c": "3"}
	for _, tt := range []struct {
		name  string
		names []string
		want  files
	}{
		{"none", nil, files{"a": "", "b": "", "c": ""}},
		{"one", []string{"b"}, files{"a": "", "b": "2", "c": ""}},
		{"all", []string{"c", "a", "b"}, all},
		{"one twice", []string{"a", "a"}, files{"a": "1", "b": "", "c": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, all)
			set, err := Read(dir, tt.names...)
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if got := content(set, []string{"a", "b", "c"}); !maps.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if set.Dir() != dir {
				t.Errorf("Dir: got %q, want %q", set.Dir(), dir)
			}
		})
	}
}

func TestReadFollowsLinks(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir string)
	}{
		{"to a file beside", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "other"), "value")
			must(t, os.Symlink("other", filepath.Join(dir, "key")))
		}},
		{"to a file elsewhere", func(t *testing.T, dir string) {
			other := folder(t, files{"other": "value"})
			must(t, os.Symlink(filepath.Join(other, "other"), filepath.Join(dir, "key")))
		}},
		{"through a volume of Kubernetes", func(t *testing.T, dir string) {
			volume(t, dir, "..2026_01", files{"key": "value"})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, dir)
			set, err := Read(dir, "key")
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if got := string(set.Value("key").Reveal()); got != "value" {
				t.Errorf("got %q, want %q", got, "value")
			}
		})
	}
}

func TestReadTakesTheLargestFile(t *testing.T) {
	dir := folder(t, files{"key": hidden})
	must(t, os.Truncate(filepath.Join(dir, "key"), maxFile))
	set, err := Read(dir, "key")
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	if got := len(set.Value("key").Reveal()); got != maxFile {
		t.Errorf("got %d bytes, want %d", got, maxFile)
	}
}

func TestReadSaysWhyAFileCannotBeUsed(t *testing.T) {
	text := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) { write(t, path, text) }
	}
	link := func(target string) func(*testing.T, string) {
		return func(t *testing.T, path string) { must(t, os.Symlink(target, path)) }
	}
	for _, tt := range []struct {
		name string
		make func(t *testing.T, path string)
		why  string
	}{
		{"missing", func(*testing.T, string) {}, "there is no such file"},
		{"empty", text(""), "is empty"},
		{"a newline", text("\n"), "is empty"},
		{"CRLF", text("\r\n"), "is empty"},
		{"a space", text(" "), "is empty"},
		{"white space of all kinds", text(" \t\r\n\v\f\u00a0\u2003\n\n"), "is empty"},
		{"byte order mark", text("\ufeff# comment\nkey"), "begins with a byte order mark, which would be part of the secret: save it as UTF-8 without one"},
		{"folder", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "is a folder, and must be a file"},
		{"link to a folder", link("."), "is a folder, and must be a file"},
		{"named pipe", func(t *testing.T, path string) { must(t, syscall.Mkfifo(path, 0o600)) }, "is not a regular file"},
		{"device", link(os.DevNull), "is not a regular file"},
		{"link to nothing", link("nowhere"), "there is no such file"},
		{"link to itself", link("api-key"), "too many levels of symbolic links"},
		{"link through a file", func(t *testing.T, path string) {
			write(t, path+"-file", hidden)
			must(t, os.Symlink(path+"-file/below", path))
		}, "not a directory"},
		{"too large by a byte", func(t *testing.T, path string) {
			write(t, path, hidden)
			must(t, os.Truncate(path, maxFile+1))
		}, "is larger than 32 MiB"},
		{"unreadable", func(t *testing.T, path string) {
			write(t, path, hidden)
			must(t, os.Chmod(path, 0))
		}, fmt.Sprintf("user %d may not read it", os.Getuid())},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "api-key")
			tt.make(t, path)
			var set *Set
			var err error
			read := func() { set, err = Read(dir, "api-key") }
			if tt.name == "unreadable" {
				asNobody(t, read)
			} else {
				read()
			}
			if set != nil {
				t.Errorf("got a set, want none")
			}
			var got *FileError
			if !errors.As(err, &got) {
				t.Fatalf("got error %v, want a *FileError", err)
			}
			if want := (FileError{Name: "api-key", Path: path, Why: tt.why}); *got != want {
				t.Errorf("got %+v, want %+v", *got, want)
			}
			if leak(err.Error()) != "" {
				t.Errorf("got the secret as %s in %q, want it nowhere", leak(err.Error()), err)
			}
		})
	}
}

func TestAFileErrorSaysWhatMakesTheFile(t *testing.T) {
	e := &FileError{Name: "api-key", Path: "/var/openfaas/secrets/api-key", Why: "is empty"}
	want := `secret "api-key": /var/openfaas/secrets/api-key: is empty; ` +
		"make it with: faas-cli secret create api-key --from-file=FILE, and name it under secrets: in stack.yml"
	if got := e.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReasonsNameNoPathTwice(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"missing", &fs.PathError{Op: "open", Path: "/s/key", Err: syscall.ENOENT}, "there is no such file"},
		{"not permitted", &fs.PathError{Op: "open", Path: "/s/key", Err: syscall.EACCES}, fmt.Sprintf("user %d may not read it", os.Getuid())},
		{"of a path", &fs.PathError{Op: "read", Path: "/s/key", Err: syscall.EIO}, "input/output error"},
		{"wrapped", fmt.Errorf("x: %w", &fs.PathError{Op: "read", Path: "/s/key", Err: syscall.EIO}), "input/output error"},
		{"any other", errors.New("broken"), "broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := reason(tt.err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadReportsEveryFileAtOnce(t *testing.T) {
	dir := folder(t, files{"empty": "\n", "good": hidden})
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	set, err := Read(dir, "missing", "good", "empty", "missing", "folder")
	if set != nil {
		t.Errorf("got a set, want none")
	}
	want := []FileError{
		{"missing", filepath.Join(dir, "missing"), "there is no such file"},
		{"empty", filepath.Join(dir, "empty"), "is empty"},
		{"folder", filepath.Join(dir, "folder"), "is a folder, and must be a file"},
	}
	if got := fileErrors(err); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != len(want) {
		t.Errorf("got %d lines in %q, want %d", got, err, len(want))
	}
	if leak(err.Error()) != "" {
		t.Errorf("got the secret as %s in %q, want it nowhere", leak(err.Error()), err)
	}
}

// fileErrors are the errors that were joined.
func fileErrors(err error) []FileError {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var list []FileError
	for _, e := range joined.Unwrap() {
		if f := (*FileError)(nil); errors.As(e, &f) {
			list = append(list, *f)
		}
	}
	return list
}

func TestReadOfAMissingFolderNamesEachFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	_, err := Read(dir, "a", "b")
	want := []FileError{
		{"a", filepath.Join(dir, "a"), "there is no such file"},
		{"b", filepath.Join(dir, "b"), "there is no such file"},
	}
	if got := fileErrors(err); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadNeverMixesTwoVolumes(t *testing.T) {
	const last = 100
	names := []string{"a", "b", "c"}
	text := func(n int) string { return strings.Repeat(fmt.Sprintf("%05d", n), 500) }
	at := func(n int) files { return files{"a": text(n), "b": text(n), "c": text(n)} }
	dir := t.TempDir()
	volume(t, dir, "..0", at(0))
	var done atomic.Bool
	var reader sync.WaitGroup
	reader.Go(func() {
		for over := false; !over; {
			over = done.Load() // before the reading, so that the last one finds files at rest
			set, err := Read(dir, names...)
			if errors.Is(err, ErrUnsettled) && !over {
				continue
			}
			if err != nil {
				t.Errorf("got error %v, want none", err)
				return
			}
			got := content(set, names)
			if got["a"] != got["b"] || got["b"] != got["c"] || len(got["a"]) != len(text(0)) {
				t.Errorf("got %.5q, %.5q and %.5q, want files of one volume", got["a"], got["b"], got["c"])
			}
			if over && got["a"] != text(last) {
				t.Errorf("at last: got %.5q, want %.5q", got["a"], text(last))
			}
		}
	})
	defer reader.Wait()
	defer done.Store(true)
	for n := 1; n <= last; n++ {
		// The old volumes stay: two readings that find the same file missing
		// agree.
		volume(t, dir, fmt.Sprintf("..%d", n), at(n))
	}
}

func TestASetOfValuesKeepsACopy(t *testing.T) {
	values := map[string]Value{"a": New([]byte("1"))}
	set := NewSet(values)
	values["a"] = New([]byte("2"))
	values["b"] = New([]byte("3"))
	if got, want := content(set, []string{"a", "b"}), (files{"a": "1", "b": ""}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := set.Dir(); got != "" {
		t.Errorf("Dir: got %q, want none", got)
	}
}

func TestSetsAreTheSameIfNamesAndValuesAre(t *testing.T) {
	set := func(content files) *Set {
		values := map[string]Value{}
		for name, text := range content {
			values[name] = New([]byte(text))
		}
		return NewSet(values)
	}
	missing, empty := errors.New("missing"), errors.New("empty")
	for _, tt := range []struct {
		name       string
		a, b       *Set
		errA, errB error
		want       bool
	}{
		{"equal", set(files{"a": "1", "b": "2"}), set(files{"b": "2", "a": "1"}), nil, nil, true},
		{"no names", set(nil), set(files{}), nil, nil, true},
		{"other value", set(files{"a": "1"}), set(files{"a": "2"}), nil, nil, false},
		{"other name", set(files{"a": "1"}), set(files{"b": "1"}), nil, nil, false},
		{"one name more", set(files{"a": "1"}), set(files{"a": "1", "b": ""}), nil, nil, false},
		{"values exchanged", set(files{"a": "1", "b": "2"}), set(files{"a": "2", "b": "1"}), nil, nil, false},
		{"a byte moved to the next value", set(files{"a": "12", "b": "3"}), set(files{"a": "1", "b": "23"}), nil, nil, false},
		{"a byte moved from name to value", set(files{"a": "b1"}), set(files{"ab": "1"}), nil, nil, false},
		{"a value that looks like the next file", set(files{"a": "1", "b": "2"}), set(files{"a": "1b2"}), nil, nil, false},
		{"an error and a set", nil, set(nil), missing, nil, false},
		{"a set and an error", set(nil), nil, nil, missing, false},
		{"equal errors", nil, nil, missing, errors.New("missing"), true},
		{"other errors", nil, nil, missing, empty, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := same(tt.a, tt.errA, tt.b, tt.errB); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
