// Package setting describes settings: name, default, meaning and range of each
// in one place, from which they are read, checked and documented.
package setting

import (
	"fmt"
	"strings"
)

// A Field is one setting.
type Field struct {
	Name    string // as the user writes it; dotted where it is nested in YAML
	Alias   string // another name that of-watchdog gave it
	Default string // as the user would write it; empty if there is none
	Meaning string // one line for the tables
	Value   Value
}

// A Value takes a setting's text apart and keeps the result.
type Value interface {
	// Set parses text, one string for a single value and several for a list.
	// Its error says what would be right: "want a number from 1 to 65535".
	Set(text ...string) error

	// Want says what Set takes: "a number from 1 to 65535".
	Want() string
}

// A private Value is not repeated in error messages: it names a secret, and
// people type the secret itself there.
type private interface{ private() }

// A Problem is something wrong with a setting.
type Problem struct {
	Where string // "auth.yml:7"; empty for the environment
	Name  string // of the setting, as the user wrote it
	Got   *string
	Err   error // says what would be right
}

// Error returns one line: where, what was found, and what would be right.
func (p Problem) Error() string {
	var b strings.Builder
	if p.Where != "" {
		b.WriteString(p.Where + ": ")
	}
	b.WriteString(p.Name)
	if p.Got != nil {
		fmt.Fprintf(&b, "=%q", *p.Got)
	}
	if p.Name != "" {
		b.WriteString(": ")
	}
	b.WriteString(p.Err.Error())
	return b.String()
}

func (p Problem) Unwrap() error { return p.Err }

// Problems is every problem at once. As an error it has a line for each.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find what a line was made of.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// Add appends a problem.
func (ps *Problems) Add(where, name string, err error) {
	*ps = append(*ps, Problem{Where: where, Name: name, Err: err})
}

// AddErr appends a problem of the given place and name for each of the errors
// that err joins. A Problem among them keeps its own.
func (ps *Problems) AddErr(where, name string, err error) {
	for _, e := range Flatten(err) {
		if p, ok := e.(Problem); ok { //nolint:errorlint // as it is, or wrapped words would be lost
			*ps = append(*ps, p)
			continue
		}
		ps.Add(where, name, e)
	}
}

// Flatten takes joined errors apart.
func Flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // the outermost is meant
	if !ok {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, Flatten(e)...)
	}
	return list
}

// Err returns ps as an error, or nil if there is none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Set gives text to the field and reports whether it could. What is wrong with
// it becomes a problem of the given place and name.
func (f Field) Set(ps *Problems, where, name string, text ...string) bool {
	err := f.Value.Set(text...)
	if err == nil {
		return true
	}
	p := Problem{Where: where, Name: name, Err: err}
	if _, ok := f.Value.(private); !ok {
		p.Got = Repeatable(strings.Join(text, ","))
	}
	*ps = append(*ps, p)
	return false
}

// Repeatable returns what a problem can say it got: nil for a URL that has a
// password in it.
func Repeatable(text string) *string {
	if _, rest, found := strings.Cut(text, "://"); found && strings.Contains(rest, "@") {
		return nil
	}
	return &text
}

// Defaults gives every field its default. A default that does not parse is a
// mistake in the program and panics.
func Defaults(fields []Field) {
	for _, f := range fields {
		if f.Default == "" {
			continue
		}
		if err := f.Value.Set(f.Default); err != nil {
			panic(fmt.Sprintf("setting %s: its default %q: %v", f.Name, f.Default, err))
		}
	}
}

// Table returns the fields as a table in Markdown.
func Table(fields []Field) string {
	var b strings.Builder
	b.WriteString("| name | default | value | meaning |\n|---|---|---|---|\n")
	for _, f := range fields {
		name := "`" + f.Name + "`"
		if f.Alias != "" {
			name += ", `" + f.Alias + "`"
		}
		def := "–"
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, def, cell(f.Value.Want()), cell(f.Meaning))
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
