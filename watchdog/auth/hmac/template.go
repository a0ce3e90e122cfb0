package hmac

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A template is what is signed: pieces of text and placeholders in their
// order.
type template []piece

type piece struct {
	kind string // "text", or a word of placeholders
	text string // of a text, header or json
}

func (t template) has(kind string) bool {
	return slices.ContainsFunc(t, func(p piece) bool { return p.kind == kind })
}

// placeholders are the words that stand for a part of the request, and whether
// they take a name or a path.
var placeholders = map[string]bool{
	"body": false, "form": false, "time": false, "id": false, "method": false,
	"url": false, "url_decoded": false, "path": false, "query": false,
	"header": true, "json": true, "json?": true,
}

// parseTemplate reads text with placeholders. What is put in their place is
// never read again.
func parseTemplate(s string) (template, error) {
	var t template
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		if before != "" {
			t = append(t, piece{"text", before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, errors.New("has a { without a }")
		}
		kind, arg, hasArg := strings.Cut(name, ":")
		switch takes, known := placeholders[kind]; {
		case !known:
			return nil, fmt.Errorf("has no placeholder {%s}: want %s", name, strings.Join(slices.Sorted(maps.Keys(placeholders)), ", "))
		case !takes && hasArg:
			return nil, fmt.Errorf("{%s} takes no argument", kind)
		case takes && arg == "":
			return nil, fmt.Errorf("{%s:…} needs a name", kind)
		}
		t = append(t, piece{kind, arg})
		s = after
	}
	return t, nil
}
