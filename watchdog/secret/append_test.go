package secret

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// inFolder are the names of all that is in dir.
func inFolder(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAppendLineAddsOneLine(t *testing.T) {
	existing := func(text string) *string { return &text }
	for _, tt := range []struct {
		name     string
		before   *string // nil if there is no file
		mode     fs.FileMode
		line     string
		want     string
		wantMode fs.FileMode
	}{
		{"no file", nil, 0, "b", "b\n", 0o600},
		{"empty file", existing(""), 0o600, "b", "b\n", 0o600},
		{"file that ends in a newline", existing("a\n"), 0o600, "b", "a\nb\n", 0o600},
		{"file without the last newline", existing("a"), 0o600, "b", "a\nb\n", 0o600},
		{"file with CRLF", existing("a\r\n"), 0o600, "b", "a\r\nb\n", 0o600},
		{"file with a blank line at the end", existing("a\n\n"), 0o600, "b", "a\n\nb\n", 0o600},
		{"comments and binary stay", existing("# c\n\x00\xff\n"), 0o600, "b", "# c\n\x00\xff\nb\n", 0o600},
		{"mode for the group stays", existing("a\n"), 0o640, "b", "a\nb\n", 0o640},
		{"mode for all stays", existing("a\n"), 0o666, "b", "a\nb\n", 0o666},
		{"mode without writing stays", existing("a\n"), 0o400, "b", "a\nb\n", 0o400},
		{"mode of an empty file stays", existing(""), 0o644, "b", "b\n", 0o644},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "keys")
			if tt.before != nil {
				write(t, path, *tt.before)
				must(t, os.Chmod(path, tt.mode))
			}
			if err := AppendLine(path, tt.line); err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			text, err := os.ReadFile(path)
			must(t, err)
			if string(text) != tt.want {
				t.Errorf("got %q, want %q", text, tt.want)
			}
			info, err := os.Stat(path)
			must(t, err)
			if got := info.Mode(); got != tt.wantMode {
				t.Errorf("mode: got %v, want %v", got, tt.wantMode)
			}
			if got, want := inFolder(t, dir), []string{"keys"}; !slices.Equal(got, want) {
				t.Errorf("in the folder: got %q, want %q", got, want)
			}
		})
	}
}

func TestLinesAppendedOneByOneAreReadBack(t *testing.T) {
	dir := t.TempDir()
	want := []string{"first", "second scopes=a", "third"}
	for _, line := range want {
		must(t, AppendLine(filepath.Join(dir, "keys"), line))
	}
	set, err := Read(dir, "keys")
	must(t, err)
	var got []string
	for _, line := range set.Value("keys").Lines() {
		got = append(got, string(line.Reveal()))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteFileSetsContentAndMode(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before string
		text   string
		mode   fs.FileMode
	}{
		{"new file", "", "text", 0o600},
		{"new file for all", "", "text", 0o666}, // whatever the umask
		{"over a longer one", "longer text", "text", 0o600},
		{"over a shorter one", "t", "text", 0o640},
		{"no text", "text", "", 0o600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "key")
			if tt.before != "" {
				write(t, path, tt.before)
			}
			if err := WriteFile(path, []byte(tt.text), tt.mode); err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			text, err := os.ReadFile(path)
			must(t, err)
			if string(text) != tt.text {
				t.Errorf("got %q, want %q", text, tt.text)
			}
			info, err := os.Stat(path)
			must(t, err)
			if got := info.Mode(); got != tt.mode {
				t.Errorf("mode: got %v, want %v", got, tt.mode)
			}
			if got, want := inFolder(t, dir), []string{"key"}; !slices.Equal(got, want) {
				t.Errorf("in the folder: got %q, want %q", got, want)
			}
		})
	}
}

func TestWritingThatFailsLeavesTheFolderAsItWas(t *testing.T) {
	for _, tt := range []struct {
		name  string
		make  func(t *testing.T, dir string)
		path  string
		write func(path string) error
		want  []string
	}{
		{
			"a line to a folder", makeFolder("key"), "key",
			func(path string) error { return AppendLine(path, hidden) },
			[]string{"key"},
		},
		{
			"a line to what cannot be read",
			func(t *testing.T, dir string) { must(t, os.Symlink("key", filepath.Join(dir, "key"))) },
			"key",
			func(path string) error { return AppendLine(path, hidden) },
			[]string{"key"},
		},
		{
			"a line in a missing folder", all(), "none/key",
			func(path string) error { return AppendLine(path, hidden) },
			nil,
		},
		{
			"a file over a folder with content", all(makeFolder("key"), rewrite("key/a", "1")), "key",
			func(path string) error { return WriteFile(path, []byte(hidden), 0o600) },
			[]string{"key"},
		},
		{
			"a file in a missing folder", all(), "none/key",
			func(path string) error { return WriteFile(path, []byte(hidden), 0o600) },
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, dir)
			err := tt.write(filepath.Join(dir, tt.path))
			if err == nil {
				t.Fatal("got no error, want one")
			}
			if leak(err.Error()) != "" {
				t.Errorf("got the secret as %s in %q, want it nowhere", leak(err.Error()), err)
			}
			if got := inFolder(t, dir); !slices.Equal(got, tt.want) {
				t.Errorf("in the folder: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadersSeeAFileBeforeOrAfterItIsWritten(t *testing.T) {
	// Larger than what one write of any file system is likely to be whole for.
	old, next := bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 2<<20)
	path := filepath.Join(t.TempDir(), "key")
	must(t, WriteFile(path, old, 0o600))

	var done atomic.Bool
	var reader sync.WaitGroup
	reader.Go(func() {
		for over := false; !over; {
			over = done.Load()
			got, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("got error %v, want none", err)
				return
			}
			if !bytes.Equal(got, old) && !bytes.Equal(got, next) {
				t.Errorf("got %d bytes that are neither the old nor the new, want one of them", len(got))
				return
			}
		}
	})
	defer reader.Wait()
	defer done.Store(true)
	for range 10 {
		must(t, WriteFile(path, next, 0o600))
		must(t, WriteFile(path, old, 0o600))
	}
}
