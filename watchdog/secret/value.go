// Package secret reads mounted secret files into values that do not print.
package secret

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
)

const redacted = "[redacted]"

// A Value holds the bytes of a secret. It prints as "[redacted]" whatever the
// verb, the encoder or the struct it is a field of; [Value.Reveal] is the one
// way out.
//
// The zero Value is empty and equal to nothing.
type Value struct {
	// A func and not a []byte: fmt prints unexported fields by reflection,
	// without asking String or Format, and of a func it can only print an
	// address.
	reveal func() []byte
}

// New returns a Value that holds a copy of b.
func New(b []byte) Value {
	if len(b) == 0 {
		return Value{}
	}
	c := bytes.Clone(b)
	return Value{reveal: func() []byte { return c }}
}

// Reveal returns the secret bytes, which the caller must neither change nor
// keep where they could be printed.
func (v Value) Reveal() []byte {
	if v.reveal == nil {
		return nil
	}
	return v.reveal()
}

// IsZero reports whether v holds nothing.
func (v Value) IsZero() bool { return v.reveal == nil }

// Equal reports whether v holds exactly b, in a time that tells nothing of
// either. It is false when v holds nothing, whatever b is.
func (v Value) Equal(b []byte) bool {
	mine, theirs := sha256.Sum256(v.Reveal()), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(mine[:], theirs[:]) == 1 && !v.IsZero()
}

// Lines yields the lines of v that are neither blank nor a comment ("#" first,
// white space apart), with their numbers from 1. Line endings, "\n" or "\r\n",
// are not part of them; everything else is.
func (v Value) Lines() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		n := 0
		for line := range bytes.Lines(v.Reveal()) {
			n++
			line = cutLineEnding(line)
			text := bytes.TrimSpace(line)
			if len(text) > 0 && text[0] != '#' && !yield(n, New(line)) {
				return
			}
		}
	}
}

// isBlank reports whether v holds nothing but white space: a secret that
// anyone can guess.
func (v Value) isBlank() bool { return len(bytes.TrimSpace(v.Reveal())) == 0 }

// cutLineEnding removes one line ending and nothing else: white space may be
// part of a secret.
func cutLineEnding(b []byte) []byte {
	b, found := bytes.CutSuffix(b, []byte("\n"))
	if found {
		b, _ = bytes.CutSuffix(b, []byte("\r"))
	}
	return b
}

// Format implements [fmt.Formatter] for every verb, %x and %p included.
func (Value) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String implements [fmt.Stringer], for those who call it themselves.
func (Value) String() string { return redacted }

// MarshalText implements [encoding.TextMarshaler], and with it the encoders of
// JSON, XML and YAML.
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer].
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// ValidName reports whether name can be that of a secret: a DNS-1123
// subdomain, which is what faas-cli and Kubernetes accept.
func ValidName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}
