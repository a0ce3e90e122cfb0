package account

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"auth-watchdog/watchdog/internal/totp"
)

func loaded(t testing.TB, text string) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestEdits compares whole files: what an edit is not about stays.
// editedAt is when users are signed out.
var editedAt = time.Date(2026, 1, 31, 13, 0, 0, 0, time.FixedZone("", 3600))

func TestEdits(t *testing.T) {
	const before = `# Who may sign in.
- name: alice # the boss
  password: ` + good + ` # set in May
  # what she may
  roles: [admin]
# the others
- password: ` + weak + `
  name: bob
  totp: ` + seedText + `
  recovery:
    - sha256:0000000000000000000000000000000000000000000000000000000000000000
  disabled: true

# the end
`
	const lines = "# who\n\nalice:" + good + " scopes=a,b\n# twice\nbob:" + good + "\nbob:" + weak + " "
	for _, tt := range []struct {
		name, before string
		edit         func(f *File) error
		want         string // "" for an error
		err          error
	}{
		{
			"a password", before, func(f *File) error { return f.SetPassword("alice", other) },
			strings.Replace(before, good, other, 1), nil,
		},
		{
			"a weak password", before, func(f *File) error { return f.SetPassword("bob", other) },
			strings.Replace(before, weak, other, 1), nil,
		},
		{
			"a seed", before, func(f *File) error { return f.SetTOTP("alice", []byte("12345678901234567890")) },
			strings.Replace(before, "roles: [admin]\n", "roles: [admin]\n  totp: "+seedText+"\n", 1), nil,
		},
		{
			"another seed", before, func(f *File) error { return f.SetTOTP("bob", make([]byte, 20)) },
			strings.Replace(before, seedText, strings.Repeat("A", 32), 1), nil,
		},
		{
			"no seed", before, func(f *File) error { return f.SetTOTP("bob", nil) },
			before[:strings.Index(before, "  totp")] + before[strings.Index(before, "  disabled"):], nil,
		},
		{
			"recovery codes", before, func(f *File) error { return f.SetRecovery("bob", []string{"A", "B"}) },
			before[:strings.Index(before, "    - sha256")] + "    - " + digestOf("A") + "\n    - " + digestOf("B") + "\n" + before[strings.Index(before, "  disabled"):], nil,
		},
		{"recovery codes for nothing", before, func(f *File) error { return f.SetRecovery("alice", []string{"A"}) }, "", ErrNoSecondFactor},
		{"disabled", before, func(f *File) error { return f.Disable("alice") }, strings.Replace(before, "roles: [admin]\n", "roles: [admin]\n  disabled: true\n", 1), nil},
		{"disabled again", before, func(f *File) error { return f.Disable("bob") }, before, nil},
		{"enabled", before, func(f *File) error { return f.Enable("bob", editedAt) }, strings.Replace(before, "  disabled: true\n", "  epoch: 2026-01-31T12:00:00Z\n", 1), nil},
		{"enabled who was", before, func(f *File) error { return f.Enable("alice", editedAt) }, before, nil},
		{"signed out", before, func(f *File) error { return f.SignOut("alice", editedAt) }, strings.Replace(before, "roles: [admin]\n", "roles: [admin]\n  epoch: 2026-01-31T12:00:00Z\n", 1), nil},
		{
			"one more", "- name: a\n  password: " + good + "\n", func(f *File) error { return f.Add("true", other, []string{"x", "1"}, make([]byte, 20)) },
			"- name: a\n  password: " + good + "\n- name: \"true\"\n  password: " + other + "\n  roles: [x, \"1\"]\n  totp: " + strings.Repeat("A", 32) + "\n", nil,
		},
		{"one more in one line", "[{name: a, password: '" + good + "'}]", func(f *File) error { return f.Add("b", other, nil, nil) }, "[{name: a, password: '" + good + "'}, {name: b, password: '" + other + "'}]\n", nil},
		{"the first", "", func(f *File) error { return f.Add("a", good, nil, nil) }, "- name: a\n  password: " + good + "\n", nil},
		{"the first below comments", "# who", func(f *File) error { return f.Add("a", good, nil, nil) }, "# who\n- name: a\n  password: " + good + "\n", nil},
		{"the first of an empty list", "# who\n[]\n", func(f *File) error { return f.Add("a", good, nil, nil) }, "# who\n[{name: a, password: '" + good + "'}]\n", nil},
		{"one who is there", before, func(f *File) error { return f.Add("alice", good, nil, nil) }, "", nil},
		{"nearly the same", before, func(f *File) error { return f.Add("Alice", good, nil, nil) }, "", nil},
		{"no name", before, func(f *File) error { return f.Add("a b", good, nil, nil) }, "", nil},
		{"no role", before, func(f *File) error { return f.Add("carol", good, []string{""}, nil) }, "", nil},
		{"no hash", before, func(f *File) error { return f.Add("carol", "canary", nil, nil) }, "", nil},
		{"nobody's password", before, func(f *File) error { return f.SetPassword("carol", good) }, "", ErrNoUser},
		{"nobody's seed", before, func(f *File) error { return f.SetTOTP("carol", nil) }, "", ErrNoUser},
		{"nobody's recovery", before, func(f *File) error { return f.SetRecovery("carol", nil) }, "", ErrNoUser},

		{"a password in lines", lines, func(f *File) error { return f.SetPassword("alice", other) }, "# who\n\nalice:" + other + " scopes=a,b\n# twice\nbob:" + good + "\nbob:" + weak + " \n", nil},
		{"one password for two", lines, func(f *File) error { return f.SetPassword("bob", other) }, "# who\n\nalice:" + good + " scopes=a,b\n# twice\nbob:" + other + "\n", nil},
		{"nobody's password in lines", lines, func(f *File) error { return f.SetPassword("carol", good) }, "", ErrNoUser},
		{"a seed in lines", lines, func(f *File) error { return f.SetTOTP("alice", nil) }, "", ErrLines},
		{"recovery codes in lines", lines, func(f *File) error { return f.SetRecovery("alice", nil) }, "", ErrLines},
		{"disabled in lines", lines, func(f *File) error { return f.Disable("alice") }, "", ErrLines},
		{"two passwords to YAML", lines, func(f *File) error { return f.ToYAML() }, "", nil},
		{
			"lines to YAML", "# who\n\nalice:" + good + " scopes=a,b\r\n # twice\nbob:" + weak + " expires=2027-01-31T01:00:00+01:00", func(f *File) error { return f.ToYAML() },
			"# who\n\n- name: alice\n  password: " + good + "\n  roles: [a, b]\n # twice\n- name: bob\n  password: " + weak + "\n  expires: 2027-01-31T00:00:00Z\n", nil,
		},
		{"YAML to YAML", before, func(f *File) error { return f.ToYAML() }, before, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := loaded(t, tt.before)
			users := f.Users()
			err := tt.edit(f)
			if tt.want == "" {
				if err == nil || tt.err != nil && !errors.Is(err, tt.err) || strings.Contains(err.Error(), "canary") {
					t.Errorf("got error %v, want one like %v", err, tt.err)
				}
				if string(f.text) != tt.before || f.Users() != users {
					t.Errorf("the file changed to\n%s", f.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(f.text)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

// TestEditsAreRead: the users are those of the edited text.
func TestEditsAreRead(t *testing.T) {
	f := NewFile("users")
	if f.Form() != Empty || f.Users().Find("alice") != nil {
		t.Error("a new file has somebody")
	}
	for _, err := range []error{
		f.Add("alice", good, []string{"admin"}, totp.NewSeed()), f.Add("bob", good, nil, nil), f.SetPassword("alice", other),
		f.SetRecovery("alice", []string{"A", "B"}), f.Disable("alice"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	u := f.Users().Find("alice")
	if u.Password.Text() != other || len(u.Recovery) != 2 || u.Recovery[1] != totp.RecoveryDigest("b") || !u.Disabled || !slices.Equal(u.Roles, []string{"admin"}) || len(u.TOTP.Reveal()) != 20 {
		t.Errorf("got %+v", plainOf(u))
	}
	if f.Form() != YAML || len(f.Users().All()) != 2 {
		t.Error("want a YAML file of two")
	}
}

func TestFormOf(t *testing.T) {
	for text, want := range map[string]Form{
		"": Empty, " \n# - a\n\t\n": Empty, "a:b": Lines, "# x\n\n  a:b\n- c": Lines, "- a": YAML, "# x\n\n  - a": YAML, "[]": YAML, "---\n- a": YAML,
		"\u2003[a": YAML,
	} {
		if got := FormOf([]byte(text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestLoadAndSave(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that the file is not there", err)
	}
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("- name: alice\n  password: canary\n  totp: canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(bad); err == nil || strings.Count(err.Error(), bad+": line ") != 2 || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v, want two problems, each with the file", err)
	}

	f := loaded(t, "alice:"+good)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(f.path, link); err != nil {
		t.Fatal(err)
	}
	target := f.path
	f.path = link
	if err := errors.Join(f.SetPassword("alice", other), f.Save()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(target)
	if err != nil || string(text) != "alice:"+other+"\n" {
		t.Errorf("got %q, %v, want the new password behind the link", text, err)
	}
	if info, err := os.Lstat(target); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v, want a file for its owner", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("got %v, %v, want the link to stay", info.Mode(), err)
	}
	if err := NewFile(filepath.Join(dir, "nowhere", "users")).Save(); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("got %v, want that there is no such folder", err)
	}
}

// FuzzEdits: whatever the file, an edit of one user leaves the others as they
// were, in their order.
func FuzzEdits(f *testing.F) {
	for _, text := range []string{
		"# x\n\n- name: a # y\n  password: " + good + "\n\n# z\n- name: \"1\"\n  password: '" + weak + "'\n  totp: " + seedText + "\n  recovery: [" + digestOf("a") + "]\n",
		"a:" + good + "\n# x\nb:" + weak + " scopes=x,y\na:" + weak, "[{name: a, password: \"" + good + "\"}, {name: b, password: '" + good + "', disabled: True}]",
		"- {name: a, password: >-\n   " + good + "\n  }\n- name: |-\n    b\n  password: " + good + "\n  expires: 2027-01-31T00:00:00Z\n",
		"---\r\n- name: a\r\n  password: " + good + "\r\n- name: \"\\u00e9\"\r\n  password: " + good + "\r\n...\r\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := NewFile("users")
		if file.become([]byte(text)) != nil || len(file.Users().All()) == 0 {
			return
		}
		before := file.Users().All()
		name := before[0].Name
		edits := map[string]error{"password": file.SetPassword(name, other)}
		if file.Form() == YAML {
			edits["seed"] = file.SetTOTP(name, []byte("12345678901234567890"))
			edits["recovery"] = file.SetRecovery(name, []string{"A"})
			edits["disabled"] = file.Disable(name)
			edits["add"] = file.Add("somebody-else", good, []string{"a"}, nil)
		}
		for what, err := range edits {
			if err != nil && what != "add" { // who may be there already
				t.Fatalf("%s of\n%s\n%v", what, text, err)
			}
		}
		after := file.Users().All()
		if len(after) < len(before) {
			t.Fatalf("got %v, want %v", after, before)
		}
		for i, u := range before {
			if i == 0 {
				if after[0].Name != name || after[0].Password.Text() != other || !slices.Equal(after[0].Roles, u.Roles) {
					t.Errorf("got %+v, want the new password and the rest as in %+v", plainOf(after[0]), plainOf(u))
				}
			} else if diff := cmp.Diff(plainOf(u), plainOf(after[i])); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		}
	})
}
