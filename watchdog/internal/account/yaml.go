package account

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"auth-watchdog/watchdog/internal/password"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/internal/totp"
	"auth-watchdog/watchdog/secret"
)

// The keys of a user.
const (
	keyName     = "name"
	keyPassword = "password"
	keyRoles    = "roles"
	keyTOTP     = "totp"
	keyRecovery = "recovery"
	keyExpires  = "expires"
	keyEpoch    = "epoch"
	keyDisabled = "disabled"
)

// recoveryPrefix stands before the digest of a recovery code.
const recoveryPrefix = "sha256:"

// The tags of scalars that are taken.
const (
	tagText = "!!str"
	tagBool = "!!bool"
	tagTime = "!!timestamp"
)

// yaml reads a list of users node by node: the library's own decoding says
// nothing of lines, and takes keys that stand twice.
func (r *reader) yaml(file secret.Value) {
	root, line, err := document(file.Reveal())
	if err != nil {
		r.bad(line, "%w", err)
		return
	}
	if root.Kind != yaml.SequenceNode {
		r.bad(root.Line, "want a list of users, - name: …")
		return
	}
	if !r.plain(root) {
		return
	}
	for _, item := range root.Content {
		r.user(item)
	}
}

// document returns what the only document of a text holds, or the line in which
// something is wrong. What the library says of it is not passed on: it may
// repeat the text.
func document(text []byte) (root *yaml.Node, line int, err error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		return nil, lineOf(err), errors.New("is not YAML from there on")
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, max(1, more.Line), errors.New("has text after the first document")
	}
	if len(doc.Content) == 0 {
		return nil, 1, errors.New("want a list of users, - name: …")
	}
	return doc.Content[0], 0, nil
}

// lineOf returns the line that an error of the library is about, or else the
// first.
func lineOf(err error) int {
	if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return 1
}

// plain refuses what lets a text stand for another than is written there:
// anchors, aliases, merges.
func (r *reader) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge" {
		r.bad(n.Line, "want no anchors, aliases and merges")
		return false
	}
	ok := true
	for _, child := range n.Content {
		ok = r.plain(child) && ok
	}
	return ok
}

// user reads one user. It is added only if nothing is wrong with it.
func (r *reader) user(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.bad(n.Line, "want a user, name: …")
		return
	}
	u := &User{}
	if name := value(n, keyName); name != nil && name.Kind == yaml.ScalarNode && name.Tag == tagText {
		u.Name = canonicalName(name.Value)
	}
	if u.Name == "" {
		r.bad(n.Line, "name: %s", wantName)
		return
	}
	before := len(r.errs)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.ScalarNode && seen[key.Value] {
			r.bad(key.Line, "%v: has a key twice", u)
			continue
		}
		seen[key.Value] = true
		if err := u.set(key.Value, value); err != nil {
			r.bad(value.Line, "%v: %w", u, err)
		}
	}
	if !seen[keyPassword] {
		r.bad(n.Line, "%v: has no password", u)
	}
	if seen[keyRecovery] && !seen[keyTOTP] {
		r.bad(n.Line, "%v: has recovery codes and no totp", u)
	}
	if len(r.errs) == before {
		r.add(n.Line, u)
	}
}

// set gives the user what stands under a key.
func (u *User) set(key string, n *yaml.Node) (err error) {
	switch key {
	case keyName:
	case keyPassword:
		u.Password, err = readHash(n)
	case keyRoles:
		u.Roles, err = readRoles(n)
	case keyTOTP:
		u.TOTP, err = readSeed(n)
	case keyRecovery:
		u.Recovery, err = readDigests(n)
	case keyExpires:
		u.Expires, err = readTime(key, n)
	case keyEpoch:
		u.Epoch, err = readTime(key, n)
	case keyDisabled:
		if u.Disabled = strings.EqualFold(n.Value, "true"); n.Kind != yaml.ScalarNode || n.Tag != tagBool {
			err = errors.New("disabled: want true or false")
		}
	default:
		err = errors.New("has a key that there is not: want name, password, roles, totp, recovery, expires, epoch or disabled")
	}
	return err
}

func readTime(key string, n *yaml.Node) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, n.Value)
	if err != nil || at.IsZero() || n.Tag != tagText && n.Tag != tagTime {
		return time.Time{}, errors.New(key + ": want a time such as 2027-01-31T00:00:00Z")
	}
	return at, nil
}

func readHash(n *yaml.Node) (password.Hash, error) {
	if n.Kind != yaml.ScalarNode || n.Tag != tagText {
		return nil, errors.New("password: want an argon2id or bcrypt hash, which auth-watchdog user passwd makes")
	}
	return password.Parse(n.Value)
}

func readRoles(n *yaml.Node) ([]string, error) {
	bad := errors.New("roles: want a list, [a, b], of words of at most 64 letters, digits and . _ : - @")
	if n.Kind != yaml.SequenceNode {
		return nil, bad
	}
	var roles []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || item.Tag != tagText || !setting.ValidName(item.Value) {
			return nil, bad
		}
		roles = append(roles, item.Value)
	}
	return roles, nil
}

func readSeed(n *yaml.Node) (secret.Value, error) {
	if n.Kind != yaml.ScalarNode || n.Tag != tagText {
		return secret.Value{}, errors.New("totp: want a seed in base32, in quotes if it is all digits")
	}
	seed, err := totp.DecodeSeed(n.Value)
	if err != nil {
		return secret.Value{}, errors.New("totp: " + err.Error())
	}
	return secret.New(seed), nil
}

func readDigests(n *yaml.Node) ([][sha256.Size]byte, error) {
	bad := errors.New("recovery: want a list of digests, sha256: and 64 hex digits, none twice; auth-watchdog user recovery makes them")
	if n.Kind != yaml.SequenceNode {
		return nil, bad
	}
	var digests [][sha256.Size]byte
	for _, item := range n.Content {
		text, found := strings.CutPrefix(item.Value, recoveryPrefix)
		digest, err := hex.DecodeString(text)
		if !found || err != nil || len(digest) != sha256.Size || slices.Contains(digests, [sha256.Size]byte(digest)) {
			return nil, bad
		}
		digests = append(digests, [sha256.Size]byte(digest))
	}
	return digests, nil
}

// value returns what stands under a key of a mapping; nil if nothing does.
func value(n *yaml.Node, key string) *yaml.Node {
	if i := index(n, key); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// index returns where a key of a mapping stands, or -1.
func index(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key && n.Content[i].Kind == yaml.ScalarNode {
			return i
		}
	}
	return -1
}
