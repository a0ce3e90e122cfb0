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
	paths   []string // of all that will be asked for, with dots between names
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
	body, err := d.request.ReadBody()
	if err != nil {
		return nil, err
	}
	if len(body) > maxJSON {
		return nil, malformed("the body as JSON is longer than %d bytes", maxJSON)
	}
	values, err := jsonValues(body, d.paths)
	if err != nil {
		return nil, malformed("the body as JSON: %w", err)
	}
	return values, nil
}

// jsonValues returns the texts of the strings and numbers at paths. A name that
// stands twice in an object on the way is refused: parsers differ on which one
// counts.
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
			for _, t := range targets {
				if len(t.left) > 0 && t.left[0] == name {
					next = append(next, target{t.path, t.left[1:]})
				}
			}
			if len(next) > 0 {
				if slices.Contains(seen, name) {
					return fmt.Errorf("%q stands twice", name)
				}
				seen = append(seen, name)
			}
		}
		if err := s.look(next); err != nil {
			return err
		}
	}
	_, err := s.Token() // the closing bracket
	return err
}
