package secret

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// volume lays a folder out as the kubelet does: name -> ..data/name, and
// ..data -> version. If there is a volume already, it is exchanged at one
// moment by renaming a new link over ..data.
func volume(t *testing.T, dir, version string, content files) {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
	for name, text := range content {
		write(t, filepath.Join(dir, version, name), text)
	}
	must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	for name := range content {
		err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name))
		if !errors.Is(err, os.ErrExist) {
			must(t, err)
		}
	}
}

// A change is what is done to a folder between two looks.
type change func(t *testing.T, dir string)

func swap(version, old string, content files) change {
	return func(t *testing.T, dir string) {
		volume(t, dir, version, content)
		must(t, os.RemoveAll(filepath.Join(dir, old)))
	}
}

// halfSwap is the moment before the kubelet renames its link.
func halfSwap(version string, content files) change {
	return func(t *testing.T, dir string) {
		must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		for name, text := range content {
			write(t, filepath.Join(dir, version, name), text)
		}
		must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
	}
}

func finishSwap(old string) change {
	return func(t *testing.T, dir string) {
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		must(t, os.RemoveAll(filepath.Join(dir, old)))
	}
}

func truncate(name string) change {
	return func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, name), 0)) }
}

// more adds to a file in place, as one who writes it piece by piece.
func more(name, text string) change {
	return func(t *testing.T, dir string) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		_, err = f.WriteString(text)
		must(t, errors.Join(err, f.Close()))
	}
}

func rewrite(name, text string) change {
	return func(t *testing.T, dir string) { write(t, filepath.Join(dir, name), text) }
}

func renameOver(name, text string) change {
	return func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, name+".new"), text)
		must(t, os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)))
	}
}

func remove(name string) change {
	return func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, name))) }
}

func makeFolder(name string) change {
	return func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, name), 0o700)) }
}

func all(changes ...change) change {
	return func(t *testing.T, dir string) {
		for _, c := range changes {
			c(t, dir)
		}
	}
}

// A poll is a change and what the look after it returns.
type poll struct {
	change change
	want   string // as told writes it; "" for neither a set nor an error
}

// told writes what a look has returned: "a=1 b=2" for a set, "a: is empty" for
// an error, with "; " between several.
func told(set *Set, err error, names []string) string {
	var parts []string
	if set != nil {
		for _, name := range names {
			parts = append(parts, name+"="+string(set.Value(name).Reveal()))
		}
		return strings.Join(parts, " ")
	}
	for _, e := range fileErrors(err) {
		parts = append(parts, e.Name+": "+e.Why)
	}
	if err != nil && parts == nil {
		return err.Error()
	}
	return strings.Join(parts, "; ")
}

func TestWatcherTellsOfChangesThatHaveComeToRest(t *testing.T) {
	const (
		empty   = "key: is empty"
		missing = "key: there is no such file"
		folder  = "key: is a folder, and must be a file"
	)
	one := files{"key": "old"}
	two := files{"a": "1", "b": "1"}
	for _, tt := range []struct {
		name    string
		volume  files // laid out as Kubernetes does, in ..2026_01
		files   files
		polls   []poll
		inForce string // what an owner has at last who keeps the last good set
	}{
		{
			name: "nothing changes", files: one,
			polls:   []poll{{}, {}, {}},
			inForce: "key=old",
		},
		{
			name: "a volume is exchanged", volume: one,
			polls: []poll{
				{},
				{swap("..2026_02", "..2026_01", files{"key": "new"}), ""},
				{nil, "key=new"},
				{},
				{},
			},
			inForce: "key=new",
		},
		{
			name: "a volume is seen before its link is renamed", volume: one,
			polls: []poll{
				{halfSwap("..2026_02", files{"key": "new"}), ""},
				{},
				{},
				{finishSwap("..2026_01"), ""},
				{nil, "key=new"},
				{},
			},
			inForce: "key=new",
		},
		{
			name: "a volume is exchanged twice, once between two looks", volume: one,
			polls: []poll{
				{swap("..2026_02", "..2026_01", files{"key": "newer"}), ""},
				{swap("..2026_03", "..2026_02", files{"key": "newest"}), ""},
				{nil, "key=newest"},
				{},
			},
			inForce: "key=newest",
		},
		{
			name: "a volume is exchanged for one with the same content", volume: one,
			polls: []poll{
				{swap("..2026_02", "..2026_01", one), ""},
				{},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "a volume changes several files together", volume: two,
			polls: []poll{
				{swap("..2026_02", "..2026_01", files{"a": "2", "b": "2"}), ""},
				{nil, "a=2 b=2"},
				{},
			},
			inForce: "a=2 b=2",
		},
		{
			name: "a volume comes without one of the files", volume: two,
			polls: []poll{
				{swap("..2026_02", "..2026_01", files{"a": "2"}), ""},
				{nil, "b: there is no such file"},
				{},
				{},
				{swap("..2026_03", "..2026_02", files{"a": "3", "b": "3"}), ""},
				{nil, "a=3 b=3"},
				{},
			},
			inForce: "a=3 b=3",
		},
		{
			name: "a file is rewritten in place and seen half-way", files: files{"key": "old-key"},
			polls: []poll{
				{truncate("key"), ""},
				{more("key", "new"), ""},
				{more("key", "-key\n"), ""},
				{nil, "key=new-key"},
				{},
			},
			inForce: "key=new-key",
		},
		{
			name: "a file is rewritten in place and seen at every byte", files: one,
			polls: []poll{
				{truncate("key"), ""},
				{more("key", "n"), ""},
				{more("key", "e"), ""},
				{more("key", "w"), ""},
				{more("key", "\n"), "key=new"}, // the ending is no part of the secret
				{},
			},
			inForce: "key=new",
		},
		{
			name: "a file is truncated and rewritten as it was", files: one,
			polls: []poll{
				{truncate("key"), ""},
				{more("key", "ol"), ""},
				{more("key", "d"), ""},
				{},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "a file is overwritten in place without a moment of emptiness", files: one,
			polls: []poll{
				{rewrite("key", "new"), ""},
				{nil, "key=new"},
				{},
			},
			inForce: "key=new",
		},
		{
			name: "another file is renamed over it", files: one,
			polls: []poll{
				{renameOver("key", "new"), ""},
				{nil, "key=new"},
				{},
			},
			inForce: "key=new",
		},
		{
			name: "another file of the same content is renamed over it", files: one,
			polls: []poll{
				{renameOver("key", "old\r\n"), ""},
				{},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "only the last line ending changes", files: one,
			polls: []poll{
				{more("key", "\n"), ""},
				{},
				{},
				{more("key", "\n"), ""},
				{nil, "key=old\n"},
			},
			inForce: "key=old\n",
		},
		{
			name: "a file is away for one look", files: one,
			polls: []poll{
				{remove("key"), ""},
				{rewrite("key", "old"), ""},
				{},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "a file is deleted and comes back as it was", files: one,
			polls: []poll{
				{remove("key"), ""},
				{nil, missing},
				{},
				{},
				{rewrite("key", "old"), ""},
				{nil, "key=old"},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "a file is deleted and comes back with other content", files: one,
			polls: []poll{
				{remove("key"), ""},
				{nil, missing},
				{rewrite("key", ""), ""},
				{rewrite("key", "new"), ""},
				{nil, "key=new"},
				{},
			},
			inForce: "key=new",
		},
		{
			name: "a file is deleted for good", files: one,
			polls:   []poll{{remove("key"), ""}, {nil, missing}, {}, {}, {}},
			inForce: "key=old",
		},
		{
			name: "a file becomes empty", files: one,
			polls:   []poll{{truncate("key"), ""}, {nil, empty}, {}, {}},
			inForce: "key=old",
		},
		{
			name: "a file becomes white space", files: one,
			polls: []poll{
				{rewrite("key", "\n"), ""},
				{nil, empty},
				{rewrite("key", " \n\n"), ""}, // other bytes, and the same reason
				{},
			},
			inForce: "key=old",
		},
		{
			name: "a file becomes a folder", files: one,
			polls: []poll{
				{all(remove("key"), makeFolder("key")), ""},
				{nil, folder},
				{},
				{},
				{all(remove("key"), rewrite("key", "new")), ""},
				{nil, "key=new"},
				{},
			},
			inForce: "key=new",
		},
		{
			name: "one reason follows another", files: one,
			polls: []poll{
				{truncate("key"), ""},
				{nil, empty},
				{remove("key"), ""},
				{nil, missing},
				{makeFolder("key"), ""},
				{nil, folder},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "a reason that does not last is not told", files: one,
			polls: []poll{
				{truncate("key"), ""},
				{nil, empty},
				{remove("key"), ""},
				{rewrite("key", ""), ""},
				{},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "content that never rests is never told", files: one,
			polls: []poll{
				{rewrite("key", "1"), ""},
				{rewrite("key", "2"), ""},
				{rewrite("key", "1"), ""},
				{rewrite("key", "2"), ""},
				{truncate("key"), ""},
				{rewrite("key", "2"), ""},
				{nil, "key=2"},
				{},
			},
			inForce: "key=2",
		},
		{
			name: "content goes to and fro between old and new", files: one,
			polls: []poll{
				{rewrite("key", "new"), ""},
				{rewrite("key", "old"), ""},
				{rewrite("key", "new"), ""}, // seen twice, and not twice in a row
				{rewrite("key", "old"), ""},
				{rewrite("key", "new"), ""},
				{nil, "key=new"},
				{},
			},
			inForce: "key=new",
		},
		{
			name: "the old content comes back while a change is pending", files: one,
			polls: []poll{
				{rewrite("key", "new"), ""},
				{rewrite("key", "old"), ""},
				{},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "one change after another", files: one,
			polls: []poll{
				{rewrite("key", "2"), ""},
				{nil, "key=2"},
				{rewrite("key", "3"), ""},
				{nil, "key=3"},
				{rewrite("key", "old"), ""},
				{nil, "key=old"},
				{},
			},
			inForce: "key=old",
		},
		{
			name: "several files change one look after the other", files: two,
			polls: []poll{
				{rewrite("a", "2"), ""},
				{rewrite("b", "2"), ""},
				{nil, "a=2 b=2"},
				{},
			},
			inForce: "a=2 b=2",
		},
		{
			name: "several files change, one of them half-way", files: two,
			polls: []poll{
				{all(rewrite("a", "22"), truncate("b")), ""},
				{more("b", "2"), ""},
				{more("b", "2"), ""},
				{nil, "a=22 b=22"},
				{},
			},
			inForce: "a=22 b=22",
		},
		{
			name: "values move from one file to another", files: files{"a": "1", "b": "2"},
			polls: []poll{
				{all(rewrite("a", "2"), rewrite("b", "1")), ""},
				{nil, "a=2 b=1"},
				{},
			},
			inForce: "a=2 b=1",
		},
		{
			name: "all that is wrong is told together, again when it has become more", files: two,
			polls: []poll{
				{truncate("b"), ""},
				{nil, "b: is empty"},
				{remove("a"), ""},
				{nil, "a: there is no such file; b: is empty"},
				{},
			},
			inForce: "a=1 b=1",
		},
		{
			name: "one file changes while another is missing", files: two,
			polls: []poll{
				{remove("b"), ""},
				{nil, "b: there is no such file"},
				{rewrite("a", "2"), ""},
				{},
				{rewrite("b", "1"), ""},
				{nil, "a=2 b=1"},
			},
			inForce: "a=2 b=1",
		},
		{
			name: "files of other names do not count", files: one,
			polls: []poll{
				{rewrite("other", "1"), ""},
				{},
				{},
			},
			inForce: "key=old",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			names := slices.Sorted(maps.Keys(tt.files))
			for name, text := range tt.files {
				write(t, filepath.Join(dir, name), text)
			}
			if tt.volume != nil {
				names = slices.Sorted(maps.Keys(tt.volume))
				volume(t, dir, "..2026_01", tt.volume)
			}
			first, err := Read(dir, names...)
			must(t, err)
			before := told(first, nil, names)

			w := NewWatcher(first, dir, names...)
			inForce := first
			for i, p := range tt.polls {
				if p.change != nil {
					p.change(t, dir)
				}
				set, err := w.Poll()
				if set != nil && err != nil {
					t.Errorf("poll %d: got a set and the error %v, want one of them", i+1, err)
				}
				if got := told(set, err, names); got != p.want {
					t.Errorf("poll %d: got %q, want %q", i+1, got, p.want)
				}
				if set != nil {
					inForce = set
				}
			}
			if got := told(inForce, nil, names); got != tt.inForce {
				t.Errorf("in force: got %q, want %q", got, tt.inForce)
			}
			if got := told(first, nil, names); got != before {
				t.Errorf("the first set: got %q, want %q as when it was read", got, before)
			}
		})
	}
}

func TestWatcherComparesWithWhatItsOwnerHas(t *testing.T) {
	value := func(text string) map[string]Value { return map[string]Value{"key": New([]byte(text))} }
	for _, tt := range []struct {
		name    string
		current *Set
		polls   []string
	}{
		{"the same from elsewhere", NewSet(value("text")), []string{"", "", ""}},
		{"other content", NewSet(value("other")), []string{"", "key=text", ""}},
		{"nothing", NewSet(nil), []string{"", "key=text", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWatcher(tt.current, folder(t, files{"key": "text\n"}), "key")
			for i, want := range tt.polls {
				set, err := w.Poll()
				if got := told(set, err, []string{"key"}); got != want {
					t.Errorf("poll %d: got %q, want %q", i+1, got, want)
				}
			}
		})
	}
}

// TestWatcherForgets: what could not be used is told of again.
func TestWatcherForgets(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "key"), "old")
	set, err := Read(dir, "key")
	must(t, err)
	w := NewWatcher(set, dir, "key")
	write(t, filepath.Join(dir, "key"), "new")
	told := func() bool {
		set, err := w.Poll()
		must(t, err)
		return set != nil
	}
	for i, want := range []bool{false, true, false} {
		if got := told(); got != want {
			t.Fatalf("look %d: told %v, want %v", i+1, got, want)
		}
	}
	w.Forget()
	for i, want := range []bool{false, true, false} {
		if got := told(); got != want {
			t.Errorf("look %d after Forget: told %v, want %v", i+1, got, want)
		}
	}
}

func TestWatcherOfNoFilesHasNothingToTell(t *testing.T) {
	w := NewWatcher(NewSet(nil), filepath.Join(t.TempDir(), "none"))
	for range 3 {
		if set, err := w.Poll(); set != nil || err != nil {
			t.Errorf("got %v and %v, want neither a set nor an error", set, err)
		}
	}
}

func TestWatcherNeverRepeatsASecretInAnError(t *testing.T) {
	dir := folder(t, files{"key": hidden, "good": hidden})
	first, err := Read(dir, "key", "good")
	must(t, err)
	w := NewWatcher(first, dir, "key", "good")
	remove("key")(t, dir)
	if set, err := w.Poll(); set != nil || err != nil {
		t.Fatalf("got %v and %v, want neither a set nor an error", set, err)
	}
	_, err = w.Poll()
	if err == nil {
		t.Fatal("got no error, want one")
	}
	if leak(err.Error()) != "" {
		t.Errorf("got the secret as %s in %q, want it nowhere", leak(err.Error()), err)
	}
}
