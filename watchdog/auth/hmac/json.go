package hmac

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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

// jsonArray returns the elements of the array at a path; none if there is no
// array. As everywhere, a name that stands twice on the way is refused.
func jsonArray(body []byte, path string) ([]json.RawMessage, error) {
	for name := range strings.SplitSeq(path, ".") {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, err
		}
		if _, err := jsonValues(body, []string{name}); err != nil {
			return nil, err
		}
		body = object[name]
		if body == nil {
			return nil, nil
		}
	}
	var list []json.RawMessage
	err := json.Unmarshal(body, &list)
	return list, err
}

// jsonValues returns the texts of the strings and numbers at paths. A name that
// stands twice in an object on the way, in whatever case, is refused: parsers
// differ on which one counts.
func jsonValues(body []byte, paths []string) (map[string]string, error) {
	s := &search{Decoder: json.NewDecoder(bytes.NewReader(body)), found: map[string]string{}}
	s.UseNumber()
	var targets []target
	for _, p := range paths {
		targets = append(targets, target{p, strings.Split(p, ".")})
	}
	if err := s.look(targets); err != nil {
		return nil, err
	}
	if _, err := s.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the end")
	}
	return s.found, nil
}

// A target is a path and what is left of it from here.
type target struct {
	path string
	left []string
}

// A search goes through a JSON text once.
type search struct {
	*json.Decoder
	found map[string]string // by paths
}

// look reads one value. Beside the paths it reads on without looking.
func (s *search) look(targets []target) error {
	if len(targets) == 0 {
		var skipped json.RawMessage
		return s.Decode(&skipped)
	}
	token, err := s.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case json.Delim:
		return s.inside(v, targets)
	case string:
		s.take(v, targets)
	case json.Number:
		s.take(v.String(), targets)
	}
	return nil
}

func (s *search) take(text string, targets []target) {
	for _, t := range targets {
		if len(t.left) == 0 {
			s.found[t.path] = text
		}
	}
}

// inside reads the rest of an object or an array.
func (s *search) inside(open json.Delim, targets []target) error {
	var seen []string
	for s.More() {
		var next []target
		if open == '{' {
			token, err := s.Token()
			if err != nil {
				return err
			}
			name, _ := token.(string)
			wanted := false
			for _, t := range targets {
				if len(t.left) == 0 || !strings.EqualFold(t.left[0], name) {
					continue
				}
				wanted = true
				if t.left[0] == name {
					next = append(next, target{t.path, t.left[1:]})
				}
			}
			if wanted {
				folded := strings.ToLower(name)
				if slices.Contains(seen, folded) {
					return fmt.Errorf("%q stands twice", name)
				}
				seen = append(seen, folded)
			}
		}
		if err := s.look(next); err != nil {
			return err
		}
	}
	_, err := s.Token() // the closing bracket
	return err
}
