package hmac

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"auth-watchdog/watchdog/auth"
)

// maxJSON is the longest body, in bytes, that is looked into before anything
// about it has been proved.
const maxJSON = 1 << 20

// A document is the body of a request as JSON, which is read when something of
// it is asked for, and once for all.
type document struct {
	request *auth.Request
	element []byte   // of an array in the body, if that is what is looked into
	paths   []string // of all that will be asked for, with dots between names
	token   *jwt     // of a request that is signed by one
	read    bool
	values  map[string]string
	err     error
}

// value returns the text of the string or number at a path.
func (d *document) value(path string) (text string, found bool, err error) {
	if !d.read {
		d.read = true
		d.values, d.err = d.parse()
	}
	text, found = d.values[path]
	return text, found, d.err
}

func (d *document) parse() (map[string]string, error) {
	body := d.element
	if body == nil {
		var err error
		if body, err = jsonBody(d.request); err != nil {
			return nil, err
		}
	}
	values, err := jsonValues(body, d.paths)
	if err != nil {
		return nil, malformed("the body as JSON: %w", err)
	}
	return values, nil
}

// jsonBody returns the body of a request, of which nothing has been proved yet.
func jsonBody(r *auth.Request) ([]byte, error) {
	body, err := r.ReadBody()
	if err == nil && len(body) > maxJSON {
		return nil, malformed("the body as JSON is longer than %d bytes", maxJSON)
	}
	return body, err
}

var errJSON = errors.New("does not parse")

// jsonValues returns the texts of the strings and numbers at paths. A name that
// stands twice in an object on the way, in whatever case, is refused: parsers
// differ on which one counts. Nothing else of the text is kept, however long it
// is.
func jsonValues(text []byte, paths []string) (map[string]string, error) {
	if !json.Valid(text) {
		return nil, errJSON
	}
	found := map[string]string{}
	var targets []target
	for _, p := range paths {
		targets = append(targets, target{p, strings.Split(p, ".")})
	}
	_, err := look(trimJSON(text), targets, func(path string, value []byte) {
		switch value[0] {
		case '"':
			found[path] = unquote(value)
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			found[path] = string(value)
		}
	})
	return found, err
}

// jsonArray returns the elements of the array at a path, at most one more than
// most; none if there is no array. As everywhere, a name that stands twice on
// the way is refused.
func jsonArray(text []byte, path string, most int) ([][]byte, error) {
	if !json.Valid(text) {
		return nil, errJSON
	}
	var elements [][]byte
	_, err := look(trimJSON(text), []target{{path, strings.Split(path, ".")}}, func(_ string, value []byte) {
		if value[0] != '[' {
			return
		}
		for rest := trimJSON(value[1:]); rest[0] != ']' && len(elements) <= most; {
			n := skip(rest)
			elements = append(elements, rest[:n])
			rest = trimJSON(rest[n:])
			if rest[0] == ',' {
				rest = trimJSON(rest[1:])
			}
		}
	})
	return elements, err
}

// A target is a path and what is left of it from here.
type target struct {
	path string
	left []string
}

// look goes through the value at the beginning of a valid JSON text, tells of
// the values at the ends of the paths, and returns how long the value is.
// Beside the paths it passes over everything.
func look(text []byte, targets []target, tell func(path string, value []byte)) (int, error) {
	if len(targets) == 0 || text[0] != '{' {
		n := skip(text)
		for _, t := range targets {
			if len(t.left) == 0 {
				tell(t.path, text[:n])
			}
		}
		return n, nil
	}
	var seen []string
	rest := trimJSON(text[1:])
	for rest[0] != '}' {
		n := skip(rest)
		name := rest[:n]
		rest = trimJSON(trimJSON(rest[n:])[1:]) // the colon
		var next []target
		var err error
		if next, seen, err = follow(name, targets, seen); err != nil {
			return 0, err
		}
		if n, err = look(rest, next, tell); err != nil {
			return 0, err
		}
		rest = trimJSON(rest[n:])
		if rest[0] == ',' {
			rest = trimJSON(rest[1:])
		}
	}
	return len(text) - len(rest) + 1, nil
}

// follow returns what is looked for below a name of an object, as it is
// written. seen are the names that have come before and were looked for.
func follow(written []byte, targets []target, seen []string) (next []target, all []string, err error) {
	name := ""
	wanted := false
	for _, t := range targets {
		if len(t.left) == 0 {
			continue
		}
		if name == "" {
			name = unquote(written)
		}
		if !strings.EqualFold(t.left[0], name) {
			continue
		}
		wanted = true
		if t.left[0] == name {
			next = append(next, target{t.path, t.left[1:]})
		}
	}
	if !wanted {
		return nil, seen, nil
	}
	if slices.ContainsFunc(seen, func(s string) bool { return strings.EqualFold(s, name) }) {
		return nil, nil, fmt.Errorf("%q stands twice", name)
	}
	return next, append(seen, name), nil
}

// unquote is the text of a JSON string.
func unquote(written []byte) string {
	if bytes.IndexByte(written, '\\') < 0 && utf8.Valid(written) {
		return string(written[1 : len(written)-1])
	}
	var s string
	_ = json.Unmarshal(written, &s) // it is valid
	return s
}

func trimJSON(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n") }

// skip is the length of the value at the beginning of a valid JSON text.
func skip(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		case '"':
			i += quoted(text[i:]) - 1
		case ' ', '\t', '\r', '\n', ',', ':':
			continue
		default:
			i += scalar(text[i:]) - 1
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// quoted is the length of the string at the beginning of a text.
func quoted(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// scalar is the length of the number or word at the beginning of a text.
func scalar(text []byte) int {
	if n := bytes.IndexAny(text, " \t\r\n,:]}"); n >= 0 {
		return n
	}
	return len(text)
}
