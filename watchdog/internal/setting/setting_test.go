package setting

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAProblemSaysWhereWhatAndWhy(t *testing.T) {
	text := func(s string) *string { return &s }
	want := errors.New("want a number from 0 to 1048576")
	for _, tt := range []struct {
		name    string
		problem Problem
		want    string
	}{
		{"of the environment", Problem{Name: "max_inflight", Got: text("ten"), Err: want}, `max_inflight="ten": want a number from 0 to 1048576`},
		{"of a file", Problem{Where: "auth.yml:7", Name: "name", Got: text("x"), Err: want}, `auth.yml:7: name="x": want a number from 0 to 1048576`},
		{"empty text", Problem{Name: "port", Got: text(""), Err: want}, `port="": want a number from 0 to 1048576`},
		{"text with a line of its own", Problem{Name: "port", Got: text("1\n\"2\"\x1b"), Err: want}, `port="1\n\"2\"\x1b": want a number from 0 to 1048576`},
		{"without text", Problem{Name: "port", Err: want}, "port: want a number from 0 to 1048576"},
		{"of a file, without text", Problem{Where: "auth.yml:7", Name: "port", Err: want}, "auth.yml:7: port: want a number from 0 to 1048576"},
		{"without a name", Problem{Err: errors.New("is empty")}, "is empty"},
		{"of a file, without a name", Problem{Where: "auth.yml", Err: errors.New("is empty")}, "auth.yml: is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.problem.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestProblemsHaveALineEach(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  func(*Problems)
		want string // "" for no error
	}{
		{"none", func(*Problems) {}, ""},
		{"one", func(ps *Problems) { ps.Add("", "port", errors.New("is not set")) }, "port: is not set"},
		{"two", func(ps *Problems) {
			ps.Add("auth.yml:7", "name", errors.New("stands twice"))
			ps.Add("", "port", errors.New("is not set"))
		}, "auth.yml:7: name: stands twice\nport: is not set"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ps Problems
			tt.add(&ps)
			err := ps.Err()
			if tt.want == "" {
				if err != nil {
					t.Errorf("got error %v, want none", err)
				}
				return
			}
			if err == nil || err.Error() != tt.want {
				t.Errorf("got error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestProblemsCanBeTakenApart(t *testing.T) {
	var ps Problems
	ps.Add("", "port", errors.New("is not set"))
	ps.Add("auth.yml", "", fmt.Errorf("read: %w", fs.ErrNotExist))
	err := fmt.Errorf("start: %w", ps.Err())

	if got := Problems(nil); !errors.As(err, &got) || !reflect.DeepEqual(got, ps) {
		t.Errorf("Problems: got %v, want %v", got, ps)
	}
	if got := (Problem{}); !errors.As(err, &got) || got.Name != "port" {
		t.Errorf("Problem: got %v, want the first one, of port", got)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want an error that is %v", err, fs.ErrNotExist)
	}
	if errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v, want an error that is not %v", err, fs.ErrPermission)
	}
}

func TestAFieldReportsWhatItCannotTake(t *testing.T) {
	var (
		n     int
		words []string
	)
	for _, tt := range []struct {
		name  string
		value Value
		where string
		text  []string
		want  string // "" for no problem
	}{
		{"good", Int(&n, 0, 1<<20), "", []string{"10"}, ""},
		{"bad", Int(&n, 0, 1<<20), "", []string{"ten"}, `x="ten": want a number from 0 to 1048576`},
		{"bad in a file", Int(&n, 0, 1<<20), "auth.yml:7", []string{"ten"}, `auth.yml:7: x="ten": want a number from 0 to 1048576`},
		{"several for one", Int(&n, 0, 1<<20), "", []string{"1", "2"}, `x="1,2": want a number from 0 to 1048576`},
		{"good list", Words(&words, "a list of names"), "", []string{"a", "b"}, ""},
		{"bad list", Words(&words, "a list of names"), "", []string{"a", ""}, `x="a,": want a list of names`},
		{"list with one twice", Words(&words, "a list of names"), "", []string{"a", "a"}, `x="a,a": has "a" twice`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ps Problems
			Field{Name: "other", Value: tt.value}.Set(&ps, tt.where, "x", tt.text...)
			if got := ps.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestASecretInTheNamesPlaceIsNotRepeated: people set the secret itself where
// its name belongs.
func TestASecretInTheNamesPlaceIsNotRepeated(t *testing.T) {
	for _, tt := range []struct {
		name   string
		text   []string
		secret string
	}{
		{"key", []string{"awk_Zm9vYmFyYmF6"}, "awk_Zm9v"},
		{"password", []string{"hunter2 Correct!"}, "hunter2"},
		{"name of a file", []string{"../hunter2"}, "hunter2"},
		{"several", []string{"Hunter2", "hunter2-too"}, "unter2"},
		{"with commas", []string{"Hunter2,hunter2"}, "unter2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var name string
			var ps Problems
			Field{Name: "secret", Value: SecretName(&name)}.Set(&ps, "auth.yml:7", "methods.key.secret", tt.text...)
			want := "auth.yml:7: methods.key.secret: want the name of a secret (small letters, digits, - and .), not the secret itself"
			if got := ps.Error(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if got := fmt.Sprintf("%v %+v %#v", ps, ps, ps); strings.Contains(got, tt.secret) {
				t.Errorf("got %q in %q, want it nowhere", tt.secret, got)
			}
			if name != "" {
				t.Errorf("got the name %q, want none", name)
			}
		})
	}
}

func TestDefaultsAreGivenToTheirFields(t *testing.T) {
	var (
		port    int
		timeout time.Duration
		words   []string
		path    = "before"
	)
	Defaults([]Field{
		{Name: "port", Default: "8080", Value: Int(&port, 0, 65535)},
		{Name: "timeout", Default: "30s", Value: Duration(&timeout)},
		{Name: "words", Default: "a,b", Value: Words(&words, "words")},
		{Name: "path", Value: Text(&path, "a path")},
	})
	if port != 8080 {
		t.Errorf("port: got %d, want 8080", port)
	}
	if timeout != 30*time.Second {
		t.Errorf("timeout: got %v, want 30s", timeout)
	}
	if want := []string{"a", "b"}; !reflect.DeepEqual(words, want) {
		t.Errorf("words: got %q, want %q", words, want)
	}
	if path != "before" {
		t.Errorf("a field without a default: got %q, want it left alone", path)
	}
}

func TestADefaultThatDoesNotParsePanics(t *testing.T) {
	for _, tt := range []struct {
		name  string
		field Field
		want  string
	}{
		{
			"out of range",
			Field{Name: "port", Default: "65536", Value: Int(new(int), 0, 65535)},
			`setting port: its default "65536": want a number from 0 to 65535`,
		},
		{
			"not a word of it",
			Field{Name: "mode", Default: "x", Value: OneOf(new(string), "a", "b")},
			`setting mode: its default "x": want one of a, b`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := recover(); got != tt.want {
					t.Errorf("got the panic %v, want %v", got, tt.want)
				}
			}()
			Defaults([]Field{tt.field})
		})
	}
}

func TestTableIsMarkdown(t *testing.T) {
	fields := []Field{
		{Name: "port", Default: "8080", Meaning: "the port for callers; 0 takes a free one", Value: Int(new(int), 0, 65535)},
		{Name: "fprocess", Alias: "function_process", Meaning: "the command", Value: Text(new(string), "command")},
		{Name: "sig.encoding", Default: "hex", Meaning: "hex | base64", Value: Text(new(string), "hex|base64")},
	}
	want := strings.Join([]string{
		"| name | default | value | meaning |",
		"|---|---|---|---|",
		"| `port` | `8080` | a number from 0 to 65535 | the port for callers; 0 takes a free one |",
		"| `fprocess`, `function_process` | – | command | the command |",
		`| ` + "`sig.encoding` | `hex`" + ` | hex\|base64 | hex \| base64 |`,
		"",
	}, "\n")
	for _, tt := range []struct {
		name   string
		fields []Field
		want   string
	}{
		{"fields", fields, want},
		{"none", nil, "| name | default | value | meaning |\n|---|---|---|---|\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Table(tt.fields); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}
