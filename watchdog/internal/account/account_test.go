package account

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"auth-watchdog/watchdog/internal/totp"
	"auth-watchdog/watchdog/secret"
)

const (
	good      = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"
	other     = "$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ6"
	weak      = "$argon2id$v=19$m=19456,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"
	bcryptTen = "$2b$10$canarycanarycanarycanarycanarycanarycanarycanarycanar"
	seedText  = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
)

func digestOf(code string) string { return fmt.Sprintf("sha256:%x", totp.RecoveryDigest(code)) }

func mustParse(t testing.TB, text string) *Users {
	t.Helper()
	u, err := Parse(secret.New([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// plain is what a test compares of a user.
type plain struct {
	Name, Hash, TOTP string
	Roles            []string
	Recovery         [][sha256.Size]byte
	Expires          time.Time
	Disabled         bool
}

func plainOf(u *User) plain {
	return plain{u.Name, u.Password.Text(), string(u.TOTP.Reveal()), u.Roles, u.Recovery, u.Expires, u.Disabled}
}

func TestParse(t *testing.T) {
	expires := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, file string
		want       []plain
	}{
		{"lines", "# who\n\nalice:" + good + " scopes=admin,read\r\nbob:" + other + " expires=2027-01-31T00:00:00Z", []plain{
			{Name: "alice", Hash: good, Roles: []string{"admin", "read"}}, {Name: "bob", Hash: other, Expires: expires},
		}},
		{"YAML", "# who\n- name: alice\n  password: " + good + "\n", []plain{{Name: "alice", Hash: good}}},
		{"all keys", `
- disabled: true
  password: ` + good + `
  name: alice
  roles: [admin, "123"]
  totp: ` + seedText + `
  recovery:
  - ` + digestOf("a") + `
  - ` + digestOf("b") + `
  expires: 2027-01-31T00:00:00Z
- {name: "bob", password: "` + bcryptTen + `", roles: [], disabled: false, expires: "2027-01-31T00:00:00Z"}
`, []plain{
			{
				Name: "alice", Hash: good, Roles: []string{"admin", "123"}, TOTP: "12345678901234567890",
				Recovery: [][sha256.Size]byte{totp.RecoveryDigest("a"), totp.RecoveryDigest("b")}, Expires: expires, Disabled: true,
			},
			{Name: "bob", Hash: bcryptTen, Expires: expires},
		}},
		{"flow", "[{name: alice, password: '" + good + "'}]", []plain{{Name: "alice", Hash: good}}},
		{"marks of a document", "---\n- name: alice\n  password: " + good + "\n...\n", []plain{{Name: "alice", Hash: good}}},
		{"a name that is no word", "- name: \"123\"\n  password: " + good, []plain{{Name: "123", Hash: good}}},
		{"another normal form", "- name: \"Jose\u0301\"\n  password: " + good, []plain{{Name: "Jos\u00e9", Hash: good}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []plain
			users := mustParse(t, tt.file)
			for _, u := range users.All() {
				got = append(got, plainOf(u))
				if users.Find(u.Name) != u {
					t.Errorf("%v is not found", u)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestFind(t *testing.T) {
	users := mustParse(t, "- name: \"Jos\u00e9\"\n  password: "+good)
	for name, want := range map[string]bool{"Jos\u00e9": true, "Jose\u0301": true, "jos\u00e9": false, "Jos\u00e9 ": false, "": false, "a:b": false} {
		if got := users.Find(name); (got != nil) != want {
			t.Errorf("%q: got %v, want it found: %t", name, got, want)
		}
	}
	if (&Users{}).Find("alice") != nil || len((&Users{}).All()) != 0 {
		t.Error("no users have a user")
	}
}

func TestParseRefuses(t *testing.T) {
	user := func(more string) string { return "- name: alice\n  password: " + good + "\n" + more }
	const hidden = "canary"
	for _, tt := range []struct{ name, file, want string }{
		{"nothing", "", "has no user"},
		{"comments", "# x\n", "has no user"},
		{"an empty list", "[]", "has no user"},
		{"plain text in lines", "alice:canary", `line 1: user "alice": want an argon2id or bcrypt hash`},
		{"plain text", "- name: alice\n  password: canary", `line 2: user "alice": want an argon2id or bcrypt hash`},
		{"MD5", "- name: alice\n  password: $apr1$canary$5jaoCPXw6Gz0SJaEhJm7q.", `line 2: user "alice": want an argon2id or bcrypt hash`},
		{"SHA-1", "alice:{SHA}canary=", "line 1:"},
		{"no line", "canary", "line 1: want name:hash, and a name in UTF-8"},
		{"three words", "alice:" + good + " canary", "line 1: want name:hash [scopes=a,b]"},
		{"unknown option", "alice:" + good + " roles=canary", "line 1: has an option"},
		{"a name with a colon", "- name: \"a:canary\"\n  password: " + good, "line 1: name: want a name in UTF-8 without spaces"},
		{"a name with a space", "- name: a canary\n  password: " + good, "line 1: name: want a name in UTF-8 without spaces"},
		{"a name that is a number", "- name: 123\n  password: " + good, "line 1: name: want a name"},
		{"no name", "- password: " + good, "line 1: name: want a name"},
		{"no password", "- name: alice", `line 1: user "alice": has no password`},
		{"a password that is a list", "- name: alice\n  password: [canary]", `line 2: user "alice": password: want an argon2id`},
		{"an unknown key", user("  canary: 1"), `line 3: user "alice": has a key that there is not: want name, password, roles, totp, recovery, expires, epoch or disabled`},
		{"a key that is no word", user("  [canary]: 1"), `line 3: user "alice": has a key that there is not`},
		{"a key twice", user("  disabled: true\n  disabled: false"), `line 4: user "alice": has a key twice`},
		{"a name twice in a user", user("  name: canary"), `line 3: user "alice": has a key twice`},
		{"a user twice", user("") + user(""), `line 3: user "alice": stands twice`},
		{"a user twice in lines", "alice:" + good + "\nalice:" + other, `line 2: user "alice": stands twice`},
		{"nearly the same name", user("") + strings.Replace(user(""), "alice", "Alice", 1), `line 3: user "Alice": is the same name as "alice" to most people`},
		{"nearly the same name in lines", "alice:" + good + "\n\uff21lice:" + good, `is the same name as "alice"`},
		{"an anchor", "- &canary\n  name: alice\n  password: " + good, "line 1: want no anchors, aliases and merges"},
		{"an alias", user("") + "- *canary", "from there on"},
		{"an alias of an anchor", "- name: &a alice\n  password: " + good + "\n- name: *a\n  password: " + good, "line 1: want no anchors"},
		{"a merge", user("  <<: {disabled: true}"), "line 3: want no anchors, aliases and merges"},
		{"two documents", user("---\n- canary\n"), "has text after the first document"},
		{"no YAML", user("  roles: [canary"), "is not YAML from there on"},
		{"a tab", user("\troles: [canary]"), ": is not YAML from there on"},
		{"no mapping", "- canary", "line 1: want a user, name: …"},
		{"no list", "---\nname: canary", "line 2: want a list of users"},
		{"roles that are a word", user("  roles: canary"), `line 3: user "alice": roles: want a list, [a, b]`},
		{"a role with a comma", user("  roles: [\"canary,b\"]"), `line 3: user "alice": roles: want a list, [a, b]`},
		{"a role that is a number", user("  roles: [1]"), `line 3: user "alice": roles: want a list`},
		{"a role that is nothing", user("  roles: [\"\"]"), `line 3: user "alice": roles: want a list`},
		{"a short seed", user("  totp: CANARYCANARYCANA"), `line 3: user "alice": totp: want base32 of 16 to 64 bytes`},
		{"a seed that is none", user("  totp: canary-canary-canary-canary-1"), `line 3: user "alice": totp: want base32`},
		{"nothing as a seed", user("  totp:"), `line 3: user "alice": totp: want a seed in base32`},
		{"a recovery code", user("  totp: " + seedText + "\n  recovery: [canary]"), `line 4: user "alice": recovery: want a list of digests`},
		{"recovery codes in plain", user("  totp: " + seedText + "\n  recovery: sha256:canary"), `line 4: user "alice": recovery: want a list`},
		{"a digest twice", user("  totp: " + seedText + "\n  recovery: [" + digestOf("a") + ", " + digestOf("a") + "]"), "none twice"},
		{"recovery codes for nothing", user("  recovery: [" + digestOf("a") + "]"), `line 1: user "alice": has recovery codes and no totp`},
		{"disabled that is a text", user("  disabled: \"true\""), `line 3: user "alice": disabled: want true or false`},
		{"disabled that is a word", user("  disabled: yes"), `line 3: user "alice": disabled: want true or false`},
		{"disabled that is nothing", user("  disabled:"), `line 3: user "alice": disabled: want true or false`},
		{"an epoch that is a day", user("  epoch: 2027-01-31"), `line 3: user "alice": epoch: want a time`},
		{"expiry on a day", user("  expires: 2027-01-31"), `line 3: user "alice": expires: want a time`},
		{"expiry that is a list", user("  expires: [2027-01-31T00:00:00Z]"), `line 3: user "alice": expires: want a time`},
		{"a weak hash", strings.Replace(user(""), good, weak, 1), `line 1: user "alice": its argon2id parameters are too low: want at least m=19456,t=2,p=1`},
		{"a weak hash in lines", "alice:" + strings.Replace(bcryptTen, "$10$", "$09$", 1), `line 1: user "alice": its bcrypt cost is 9: want at least 10; auth-watchdog user passwd alice --file F sets it anew`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			users, err := Parse(secret.New([]byte(tt.file)))
			if err == nil || !strings.Contains(err.Error(), tt.want) || users != nil {
				t.Fatalf("got %v and %v, want an error with %q", users, err, tt.want)
			}
			if strings.Contains(strings.ToLower(err.Error()), hidden) {
				t.Errorf("the error repeats the file: %v", err)
			}
		})
	}
}

// TestParseReportsAll wants every problem at once.
func TestParseReportsAll(t *testing.T) {
	_, err := Parse(secret.New([]byte("- name: alice\n  password: x\n  roles: y\n- name: bob\n- name: c d\n")))
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want four problems", err)
	}
}

func TestVersion(t *testing.T) {
	user := func(more string) *User { return mustParse(t, "- name: alice\n  "+more).All()[0] }
	password := "password: " + good + "\n  "
	seed := "totp: " + seedText + "\n  "
	first := user(password + seed + "roles: [admin, read]")
	for more, same := range map[string]bool{
		password + seed + "roles: [read, admin]":                                      true,
		password + seed + "roles: [read, admin, read]":                                true,
		password + seed + "roles: [admin, read]\n  disabled: false":                   true,
		password + seed + "roles: [admin, read]\n  expires: 2027-01-31T00:00:00Z":     true,
		password + seed + "roles: [admin, read]\n  recovery: [" + digestOf("a") + "]": true,
		"password: " + other + "\n  " + seed + "roles: [admin, read]":                 false,
		password + seed + "roles: [admin]":                                            false,
		password + seed + "roles: [adminread]":                                        false,
		password + seed + "roles: [admin, read, x]":                                   false,
		password + seed:                   false,
		password + "roles: [admin, read]": false,
		password + "totp: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n  roles: [admin, read]": false,
		password + seed + "roles: [admin, read]\n  disabled: true":                  false,
	} {
		if got := user(more).Version() == first.Version(); got != same {
			t.Errorf("%s: got the same version: %t, want %t", more, got, same)
		}
	}
	renamed := *first
	renamed.Name = "bob"
	if renamed.Version() == first.Version() {
		t.Error("another user has the same version")
	}
}

// TestUsersDoNotPrint: whoever logs a user gives nothing away.
func TestUsersDoNotPrint(t *testing.T) {
	u := mustParse(t, "- name: alice\n  password: "+good+"\n  totp: "+seedText+"\n  recovery: ["+digestOf("a")+"]").All()[0]
	digest := totp.RecoveryDigest("a")
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("m", "pointer", u, "value", *u, "list", []*User{u})
	}
	asJSON, err := json.Marshal([]any{u, *u})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{log.String(), string(asJSON)}
	for _, v := range []any{u, *u, []*User{u}, []User{*u}, struct{ U *User }{u}, struct{ U User }{*u}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} { // fmt does not ask what it finds in unexported fields
		texts = append(texts, fmt.Sprintf(verb, struct{ u *User }{u}))
	}
	decimal := func(b []byte) string { return strings.Trim(fmt.Sprintf("%v", b), "[]") }
	seed := u.TOTP.Reveal()
	for _, text := range texts {
		for _, hidden := range []string{
			good[len(good)-20:], "canary", fmt.Sprintf("%x", "canary"), decimal([]byte("canary")), decimal([]byte("saltsalt")),
			seedText, string(seed), fmt.Sprintf("%x", seed), decimal(seed),
			fmt.Sprintf("%x", digest), decimal(digest[:]), fmt.Sprintf("%x", digestOf("a")),
		} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(hidden)) {
				t.Errorf("got %q in %q", hidden, text)
			}
		}
	}
	if got := fmt.Sprint(u); got != `user "alice"` {
		t.Errorf("got %s", got)
	}
}

// FuzzParse: whatever stands in the file, users that are found may sign in, by
// one name each.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "alice:" + good + " scopes=a\nbob:" + bcryptTen, "- name: alice\n  password: " + good, "[{name: a, password: '" + weak + "'}]",
		"- name: a\n  password: " + good + "\n  totp: " + seedText + "\n  roles: [a, b]\n  recovery: [" + digestOf("a") + "]\n  disabled: true\n",
		"- &a {name: a}\n- *a", "---\n- x\n---\n", "- ? [a]\n  : b\n", "- !!binary YQ==", "-\t-\n \xff", "- name: a\n  expires: 2027-01-31T00:00:00Z",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := secret.New([]byte(text))
		users, err := Parse(file)
		if (users == nil) == (err == nil) {
			t.Fatalf("got %v and %v, want one of them", users, err)
		}
		if err != nil {
			return
		}
		if len(users.All()) == 0 {
			t.Error("got nobody, and no error")
		}
		names := map[string]bool{}
		for _, u := range users.All() {
			if err := u.Password.CheckFloor(); err != nil {
				t.Errorf("%v: %v", u, err)
			}
			if u.Name == "" || names[u.Name] || users.Find(u.Name) != u {
				t.Errorf("%v is there twice, or is not found", u)
			}
			names[u.Name] = true
			if n := len(u.TOTP.Reveal()); n != 0 && n < 16 {
				t.Errorf("%v: got a seed of %d bytes", u, n)
			}
		}
	})
}
