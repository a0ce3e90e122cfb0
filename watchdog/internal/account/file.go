package account

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"auth-watchdog/watchdog/internal/keyline"
	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/internal/totp"
	"auth-watchdog/watchdog/secret"
)

// A File is a file of users that is edited. Comments and the order stay. It may
// have what sign-in refuses and an edit can mend: weak hashes, and in lines
// several passwords for a name.
type File struct {
	path  string
	text  []byte
	users *Users
}

// Load reads a file of users.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path}
	return f, f.become(text)
}

// NewFile returns a file that is not there yet.
func NewFile(path string) *File { return &File{path: path, users: &Users{}} }

// Save writes the file at one moment, readable by its owner only.
func (f *File) Save() error {
	path := f.path
	// What a link points to is written, and not the link.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return secret.WriteFile(path, f.text, 0o600)
}

// become takes a text if it can be read.
func (f *File) become(text []byte) error {
	users, err := parse(secret.New(text), true)
	if err != nil {
		errs := setting.Flatten(err)
		for i, e := range errs {
			errs[i] = fmt.Errorf("%s: %w", f.path, e)
		}
		return errors.Join(errs...)
	}
	f.text, f.users = text, users
	return nil
}

// Form returns how the file is written.
func (f *File) Form() Form { return FormOf(f.text) }

// A Form is a way in which a file of users is written.
type Form string

// The forms there are.
const (
	Empty Form = "empty" // nothing but comments, so it can become either
	Lines Form = "lines"
	YAML  Form = "yaml"
)

// FormOf tells the form of a text by the first thing in it that is no comment.
func FormOf(text []byte) Form {
	for _, line := range secret.New(text).Lines() {
		if first := strings.TrimSpace(string(line.Reveal()))[0]; first == '-' || first == '[' {
			return YAML
		}
		return Lines
	}
	return Empty
}

// Users returns who is in the file now.
func (f *File) Users() *Users { return f.users }

// ErrNoUser is what is wrong with the name of nobody.
var ErrNoUser = errors.New("there is no such user")

// ErrLines is what is wrong with an edit that lines have no room for.
var ErrLines = errors.New("is a file of lines, name:hash, which is for names, passwords and scopes only")

// ToYAML makes a YAML list of lines.
func (f *File) ToYAML() error {
	if f.Form() == YAML {
		return nil
	}
	var b bytes.Buffer
	seen := map[string]bool{}
	for line := range strings.Lines(string(f.text)) {
		line = strings.TrimRight(line, "\r\n")
		if !isUser(line) {
			b.WriteString(line + "\n")
			continue
		}
		u, err := readLine(line)
		if err != nil {
			return err
		}
		if seen[u.Name] {
			return fmt.Errorf("%v: has several passwords, and in YAML each has one; auth-watchdog user passwd %s --file %s leaves one", u, u.Name, f.path)
		}
		seen[u.Name] = true
		item, err := encode(sequence(node(u)))
		if err != nil {
			return err
		}
		b.Write(item)
	}
	return f.become(b.Bytes())
}

// isUser reports whether a line is neither blank nor a comment.
func isUser(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && line[0] != '#'
}

// MayAdd says why nobody of that name and those roles can be added.
func (f *File) MayAdd(name string, roles []string) error {
	canonical := canonicalName(name)
	if canonical == "" {
		return errors.New("name: " + wantName)
	}
	for _, role := range roles {
		if !setting.ValidName(role) {
			return errors.New("roles: want words of at most 64 letters, digits and . _ : - @, with commas between")
		}
	}
	for _, u := range f.users.order {
		switch {
		case u.Name == canonical:
			return fmt.Errorf("%s is in %s already", canonical, f.path)
		case password.Account(u.Name) == password.Account(canonical):
			return fmt.Errorf("%s is the same name as %s in %s to most people", canonical, u.Name, f.path)
		}
	}
	return nil
}

// Add adds a user at the end of a YAML list, with a password as password.New
// stores it.
func (f *File) Add(name, stored string, roles []string, seed []byte) error {
	if err := f.MayAdd(name, roles); err != nil {
		return err
	}
	hash, err := password.Parse(stored)
	if err != nil {
		return err
	}
	n := node(&User{Name: canonicalName(name), Password: hash, Roles: roles, TOTP: secret.New(seed)})
	if f.Form() == Empty {
		item, err := encode(sequence(n))
		if err != nil {
			return err
		}
		return f.become(append(endLine(f.text), item...))
	}
	return f.edit(func(root *yaml.Node) error {
		root.Content = append(root.Content, n)
		return nil
	})
}

// SetPassword gives a user another password, as password.New stores it.
func (f *File) SetPassword(name, stored string) error {
	if f.Form() != YAML {
		return f.setLine(name, stored)
	}
	return f.editUser(name, func(user *yaml.Node) { put(user, keyPassword, text(stored)) })
}

// setLine gives a user one password in place of all the user has in lines.
func (f *File) setLine(name, stored string) error {
	canonical, done := password.CanonicalName(name), false
	var b bytes.Buffer
	for line := range strings.Lines(string(endLine(f.text))) {
		if u, err := readLine(line); !isUser(line) || err != nil || u.Name != canonical {
			b.WriteString(line)
		} else if !done {
			b.WriteString(u.Name + ":" + stored + keyline.Options{Scopes: u.Roles, Expires: u.Expires}.String() + "\n")
			done = true
		}
	}
	if !done {
		return ErrNoUser
	}
	return f.become(b.Bytes())
}

// SetTOTP gives a user the seed of a second factor. Without one, the user needs
// no second factor, and the recovery codes go with it.
func (f *File) SetTOTP(name string, seed []byte) error {
	return f.editUser(name, func(user *yaml.Node) {
		if len(seed) > 0 {
			put(user, keyTOTP, text(totp.EncodeSeed(seed)))
			return
		}
		remove(user, keyTOTP)
		remove(user, keyRecovery)
	})
}

// ErrNoSecondFactor is what is wrong with recovery codes for who has nothing to
// recover.
var ErrNoSecondFactor = errors.New("has no second factor")

// SetRecovery gives a user recovery codes in place of those before, of which
// the digests are kept.
func (f *File) SetRecovery(name string, codes []string) error {
	if u := f.users.Find(name); u != nil && f.Form() == YAML && u.TOTP.IsZero() {
		return ErrNoSecondFactor
	}
	return f.editUser(name, func(user *yaml.Node) {
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, code := range codes {
			list.Content = append(list.Content, text(digestText(totp.RecoveryDigest(code))))
		}
		put(user, keyRecovery, list)
	})
}

// Disable keeps a user from signing in, and ends what is open.
func (f *File) Disable(name string) error {
	return f.editUser(name, func(user *yaml.Node) {
		put(user, keyDisabled, &yaml.Node{Kind: yaml.ScalarNode, Tag: tagBool, Value: "true"})
	})
}

// Enable lets a user who was disabled sign in again, at the given time. What was
// open before stays over.
func (f *File) Enable(name string, now time.Time) error {
	return f.editUser(name, func(user *yaml.Node) {
		if index(user, keyDisabled) < 0 {
			return
		}
		remove(user, keyDisabled)
		putEpoch(user, now)
	})
}

// SignOut ends the sessions of a user that have begun before a time.
func (f *File) SignOut(name string, now time.Time) error {
	return f.editUser(name, func(user *yaml.Node) { putEpoch(user, now) })
}

func putEpoch(user *yaml.Node, now time.Time) {
	put(user, keyEpoch, &yaml.Node{Kind: yaml.ScalarNode, Tag: tagTime, Value: now.UTC().Format(time.RFC3339)})
}

// editUser changes the entry of a user in a YAML list.
func (f *File) editUser(name string, change func(user *yaml.Node)) error {
	if f.users.Find(name) == nil {
		return ErrNoUser
	}
	if f.Form() != YAML {
		return ErrLines
	}
	return f.edit(func(root *yaml.Node) error {
		for _, user := range root.Content {
			if canonicalName(value(user, keyName).Value) == password.CanonicalName(name) {
				change(user)
			}
		}
		return nil
	})
}

// edit changes a YAML list.
func (f *File) edit(change func(root *yaml.Node) error) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(f.text, &doc); err != nil {
		return err
	}
	if err := change(doc.Content[0]); err != nil {
		return err
	}
	text, err := encode(&doc)
	if err != nil {
		return err
	}
	return f.become(text)
}

func encode(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := errors.Join(e.Encode(n), e.Close())
	return b.Bytes(), err
}

// node is a user as it is written.
func node(u *User) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	put(n, keyName, text(u.Name))
	put(n, keyPassword, text(u.Password.Text()))
	if len(u.Roles) > 0 {
		roles := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, role := range u.Roles {
			roles.Content = append(roles.Content, text(role))
		}
		put(n, keyRoles, roles)
	}
	if !u.TOTP.IsZero() {
		put(n, keyTOTP, text(totp.EncodeSeed(u.TOTP.Reveal())))
	}
	if !u.Expires.IsZero() {
		_, at, _ := strings.Cut(keyline.Options{Expires: u.Expires}.String(), "=")
		put(n, keyExpires, &yaml.Node{Kind: yaml.ScalarNode, Tag: tagTime, Value: at})
	}
	return n
}

func sequence(items ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: items}
}

// text is a scalar that is read as a text, in quotes if it has to be.
func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tagText, Value: s} }

// put gives a key of a mapping a value, at the end if it had none. The comments
// beside the value before stay.
func put(n *yaml.Node, key string, to *yaml.Node) {
	i := index(n, key)
	if i < 0 {
		n.Content = append(n.Content, text(key), to)
		return
	}
	from := n.Content[i+1]
	to.HeadComment, to.LineComment, to.FootComment = from.HeadComment, from.LineComment, from.FootComment
	n.Content[i+1] = to
}

func remove(n *yaml.Node, key string) {
	if i := index(n, key); i >= 0 {
		n.Content = append(n.Content[:i], n.Content[i+2:]...)
	}
}

func digestText(digest [sha256.Size]byte) string { return fmt.Sprintf("%s%x", recoveryPrefix, digest) }

// endLine returns a text whose last line has an end.
func endLine(text []byte) []byte {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return append(bytes.Clone(text), '\n')
	}
	return bytes.Clone(text)
}
