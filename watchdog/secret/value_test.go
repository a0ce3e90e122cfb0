package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"text/template"
)

// hidden is what must not be printed. Its length is a multiple of three, so
// that its base64 stands unchanged in that of a longer text.
const hidden = "hunter2-Correct+Horse/Battery!"

// spellings are the ways in which the packages that print could write hidden,
// in small letters.
func spellings() map[string]string {
	b := []byte(hidden)
	return map[string]string{
		"text":              strings.ToLower(hidden),
		"hex":               hex.EncodeToString(b),
		"hex with spaces":   fmt.Sprintf("% x", b),
		"base64":            strings.ToLower(base64.StdEncoding.EncodeToString(b)),
		"base64 for URLs":   strings.ToLower(base64.URLEncoding.EncodeToString(b)),
		"numbers":           strings.Trim(fmt.Sprintf("%d", b), "[]"),
		"numbers in JSON":   strings.ReplaceAll(strings.Trim(fmt.Sprintf("%d", b), "[]"), " ", ","),
		"numbers in Go":     strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte"), "{}"),
		"numbers of base 8": strings.Trim(fmt.Sprintf("%o", b), "[]"),
		"numbers of base 2": strings.Trim(fmt.Sprintf("%b", b), "[]"),
		"code points":       strings.ToLower(strings.Trim(fmt.Sprintf("%U", b), "[]")),
		"reversed":          strings.ToLower(reversed(hidden)),
	}
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// leak returns how out tells the secret, or "".
func leak(out string) string {
	out = strings.ToLower(out)
	for name, s := range spellings() {
		if strings.Contains(out, s) {
			return name
		}
	}
	return ""
}

var verbs = []string{
	"%v", "%+v", "%#v", "%s", "%+s", "%q", "%+q", "%#q", "%x", "%X", "%#x", "% x", "%d", "%b", "%o", "%O",
	"%c", "%U", "%t", "%e", "%g", "%p", "%w", "%z", "%50s", "%-50v", "%.3s", "%050d",
}

// TestLeaksAreFound holds the tests below to something: of the plain bytes and
// text each way of printing has to be found.
func TestLeaksAreFound(t *testing.T) {
	asJSON, err := json.Marshal(map[string]any{"b": []byte(hidden)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, out string }{
		{"%v of text", fmt.Sprintf("%v", struct{ s string }{hidden})},
		{"%x of text", fmt.Sprintf("%x", hidden)},
		{"%X of text", fmt.Sprintf("%X", hidden)},
		{"% x of text", fmt.Sprintf("% x", hidden)},
		{"%v of bytes", fmt.Sprintf("%v", struct{ b []byte }{[]byte(hidden)})},
		{"%#v of bytes", fmt.Sprintf("%#v", struct{ b []byte }{[]byte(hidden)})},
		{"%o of bytes", fmt.Sprintf("%o", []byte(hidden))},
		{"%b of bytes", fmt.Sprintf("%b", []byte(hidden))},
		{"%U of bytes", fmt.Sprintf("%U", []byte(hidden))},
		{"JSON of bytes", string(asJSON)},
		{"base64 of a longer text", base64.StdEncoding.EncodeToString([]byte("abc" + hidden + "\n"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if leak(tt.out) == "" {
				t.Errorf("got no leak in %q, want one", tt.out)
			}
		})
	}
	if got := leak("[redacted] 0xc000012345 {reveal:0x4f2a80}"); got != "" {
		t.Errorf("got a leak as %s, want none", got)
	}
}

type exported struct {
	Name   string
	Secret Value
}

type unexported struct {
	Name   string
	secret Value
}

type nested struct {
	Outer struct{ Inner *exported }
	inner unexported
}

type embedded struct{ Value }

type wrapper struct{ held any }

func (w wrapper) Error() string { return fmt.Sprintf("cannot use %+v", w.held) }

// holders are the places in which a Value may be when it is printed.
func holders() map[string]any {
	v := New([]byte(hidden))
	var n nested
	n.Outer.Inner = &exported{"inner", v}
	n.inner.secret = v
	return map[string]any{
		"itself":                      v,
		"pointer":                     &v,
		"pointer to pointer":          func() any { p := &v; return &p }(),
		"slice":                       []Value{v, v},
		"array":                       [2]Value{v, v},
		"slice of any":                []any{v, &v},
		"map value":                   map[string]Value{"k": v},
		"map of pointers":             map[string]*Value{"k": &v},
		"exported field":              exported{"n", v},
		"pointer to exported field":   &exported{"n", v},
		"unexported field":            unexported{"n", v},
		"pointer to unexported field": &unexported{"n", v},
		"unexported pointer":          struct{ p *Value }{&v},
		"unexported slice":            struct{ s []Value }{[]Value{v}},
		"unexported map":              struct{ m map[string]Value }{map[string]Value{"k": v}},
		"unexported any":              struct{ a any }{v},
		"nested structs":              n,
		"pointer to nested structs":   &n,
		"embedded field":              embedded{v},
		"error":                       wrapper{v},
		"error of a struct":           wrapper{unexported{"n", v}},
		"wrapped error":               fmt.Errorf("reload: %w", fmt.Errorf("method %q: %w", "m", wrapper{&n})),
		"joined errors":               errors.Join(wrapper{v}, wrapper{[]Value{v}}),
		"set":                         NewSet(map[string]Value{"k": v}),
	}
}

func TestPrintingNeverTellsTheSecret(t *testing.T) {
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			for _, verb := range verbs {
				if out := fmt.Sprintf(verb, holder); leak(out) != "" {
					t.Errorf("%s: got the secret as %s in %q, want it nowhere", verb, leak(out), out)
				}
				if err := fmt.Errorf("bad "+verb, holder); leak(err.Error()) != "" {
					t.Errorf("fmt.Errorf %s: got the secret as %s in %q, want it nowhere", verb, leak(err.Error()), err)
				}
			}
			for _, out := range []string{fmt.Sprint(holder), fmt.Sprintln("a", holder), fmt.Sprint(&holder)} {
				if leak(out) != "" {
					t.Errorf("got the secret as %s in %q, want it nowhere", leak(out), out)
				}
			}
		})
	}
}

func TestPrintingSaysRedacted(t *testing.T) {
	v := New([]byte(hidden))
	for _, tt := range []struct {
		name   string
		holder any
		times  int
	}{
		{"value", v, 1},
		{"zero value", Value{}, 1},
		{"pointer", &v, 1},
		{"slice", []Value{v, v}, 2},
		{"map value", map[string]Value{"k": v}, 1},
		{"exported field", exported{"n", v}, 1},
		{"pointer to exported field", &exported{"n", v}, 1},
		{"embedded field", embedded{v}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, verb := range verbs {
				if verb == "%p" || verb == "%w" {
					continue // fmt does not ask a Formatter for these
				}
				out := fmt.Sprintf(verb, tt.holder)
				if got := strings.Count(out, redacted); got != tt.times {
					t.Errorf("%s: got %q, want %s %d times", verb, out, redacted, tt.times)
				}
			}
		})
	}
}

func TestPrintingAValueAloneIsExactlyRedacted(t *testing.T) {
	address := regexp.MustCompile(`^%!([pw])\(secret\.Value=\{(reveal:)?0x[0-9a-f]+\}\)$`)
	v := New([]byte(hidden))
	for _, verb := range verbs {
		t.Run(verb, func(t *testing.T) {
			out := fmt.Sprintf(verb, v)
			if verb == "%p" || verb == "%w" {
				if !address.MatchString(out) {
					t.Errorf("got %q, want an address and no more", out)
				}
				return
			}
			if out != redacted {
				t.Errorf("got %q, want %q", out, redacted)
			}
		})
	}
	for name, out := range map[string]string{
		"Sprint": fmt.Sprint(v), "String": v.String(), "Sprintln": strings.TrimSuffix(fmt.Sprintln(v), "\n"),
		"LogValue": v.LogValue().String(),
	} {
		t.Run(name, func(t *testing.T) {
			if out != redacted {
				t.Errorf("got %q, want %q", out, redacted)
			}
		})
	}
}

func TestEncodersNeverTellTheSecret(t *testing.T) {
	encoders := map[string]func(any) (string, error){
		"JSON": func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"JSON with indent": func(v any) (string, error) {
			b, err := json.MarshalIndent(v, "", "\t")
			return string(b), err
		},
		"XML": func(v any) (string, error) { b, err := xml.Marshal(v); return string(b), err },
		"slog text": func(v any) (string, error) {
			return logged(v, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }), nil
		},
		"slog JSON": func(v any) (string, error) {
			return logged(v, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }), nil
		},
		"template": func(v any) (string, error) {
			var b bytes.Buffer
			err := template.Must(template.New("").Parse("{{.}} {{printf `%s %x %#v` . . .}} {{print .}} {{js .}} {{html .}}")).Execute(&b, v)
			return b.String(), err
		},
	}
	for name, encode := range encoders {
		for place, holder := range holders() {
			t.Run(name+"/"+place, func(t *testing.T) {
				out, err := encode(holder)
				if leak(out) != "" {
					t.Errorf("got the secret as %s in %q, want it nowhere", leak(out), out)
				}
				if err != nil && leak(err.Error()) != "" {
					t.Errorf("got the secret as %s in the error %q, want it nowhere", leak(err.Error()), err)
				}
			})
		}
	}
}

// logged returns what a logger writes that is given v in every way there is.
func logged(v any, handler func(io.Writer) slog.Handler) string {
	var b bytes.Buffer
	log := slog.New(handler(&b))
	log.Info("alone", "v", v)
	log.Info("group", slog.Group("g", slog.Any("v", v)))
	log.With("v", v).WithGroup("g").Info("with")
	return b.String()
}

func TestEncodersSayRedacted(t *testing.T) {
	v := New([]byte(hidden))
	type attribute struct {
		XMLName xml.Name `xml:"k"`
		Secret  Value    `xml:"s,attr"`
		Text    Value    `xml:"t"`
	}
	asJSON := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	asXML := func(v any) string {
		b, err := xml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	// The time differs from run to run.
	noTime := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	var text, lines bytes.Buffer
	slog.New(slog.NewTextHandler(&text, noTime)).Info("m", "v", v, "p", &v)
	slog.New(slog.NewJSONHandler(&lines, noTime)).Info("m", "v", v, "in", exported{"n", v})
	for _, tt := range []struct{ name, got, want string }{
		{"JSON", asJSON(v), `"[redacted]"`},
		{"JSON of the zero value", asJSON(Value{}), `"[redacted]"`},
		{"JSON of a pointer", asJSON(&v), `"[redacted]"`},
		{"JSON of a field", asJSON(exported{"n", v}), `{"Name":"n","Secret":"[redacted]"}`},
		{"JSON of an unexported field", asJSON(unexported{"n", v}), `{"Name":"n"}`},
		{"JSON of a slice and a map", asJSON([]any{[]Value{v}, map[string]Value{"k": v}}), `[["[redacted]"],{"k":"[redacted]"}]`},
		{"XML", asXML(v), `<Value>[redacted]</Value>`},
		{"XML of an attribute", asXML(attribute{Secret: v, Text: v}), `<k s="[redacted]"><t>[redacted]</t></k>`},
		{"XML of a slice", asXML([]Value{v, v}), `<Value>[redacted]</Value><Value>[redacted]</Value>`},
		{"slog text", text.String(), "level=INFO msg=m v=[redacted] p=[redacted]\n"},
		{"slog JSON", lines.String(), `{"level":"INFO","msg":"m","v":"[redacted]","in":{"Name":"n","Secret":"[redacted]"}}` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %q, want %q", tt.got, tt.want)
			}
		})
	}
}

func TestEqualHoldsExactBytesOnly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		mine, b []byte
		want    bool
	}{
		{"same", []byte("key"), []byte("key"), true},
		{"same, binary", []byte{0, 255, 0}, []byte{0, 255, 0}, true},
		{"white space only", []byte(" "), []byte(" "), true},
		{"other", []byte("key"), []byte("kez"), false},
		{"other case", []byte("key"), []byte("Key"), false},
		{"longer", []byte("key"), []byte("key\n"), false},
		{"a prefix", []byte("key"), []byte("ke"), false},
		{"ends in NUL", []byte("key"), []byte("key\x00"), false},
		{"empty is not equal to empty", nil, []byte{}, false},
		{"empty is not equal to nil", nil, nil, false},
		{"empty is not equal to a text", nil, []byte("key"), false},
		{"a text is not equal to empty", []byte("key"), []byte{}, false},
		{"a text is not equal to nil", []byte("key"), nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := New(tt.mine).Equal(tt.b); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestNewOfNothingIsZero(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    Value
		want bool
	}{
		{"zero value", Value{}, true},
		{"nil", New(nil), true},
		{"empty", New([]byte{}), true},
		{"one byte", New([]byte{0}), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.v.IsZero(); got != tt.want {
				t.Errorf("IsZero: got %t, want %t", got, tt.want)
			}
			if got := len(tt.v.Reveal()) == 0; got != tt.want {
				t.Errorf("Reveal is empty: got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestNewKeepsACopy(t *testing.T) {
	b := []byte("key")
	v := New(b)
	clear(b)
	if got := string(v.Reveal()); got != "key" {
		t.Errorf("got %q, want %q", got, "key")
	}
}

type numbered struct {
	n    int
	text string
}

func TestLinesHaveNumbersAndNoEndings(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []numbered
	}{
		{"nothing", "", nil},
		{"one line", "a", []numbered{{1, "a"}}},
		{"one line with an ending", "a\n", []numbered{{1, "a"}}},
		{"last line without an ending", "a\nb", []numbered{{1, "a"}, {2, "b"}}},
		{"CRLF", "a\r\nb\r\nc", []numbered{{1, "a"}, {2, "b"}, {3, "c"}}},
		{"both endings", "a\r\nb\nc\r\n", []numbered{{1, "a"}, {2, "b"}, {3, "c"}}},
		{"blank lines count and are left out", "\na\n\n\nb\n", []numbered{{2, "a"}, {5, "b"}}},
		{"blank lines with CRLF", "\r\na\r\n\r\nb", []numbered{{2, "a"}, {4, "b"}}},
		{"only blank lines", "\n\r\n\n", nil},
		{"white space is part of a line", " a\t\n \nb ", []numbered{{1, " a\t"}, {3, "b "}}},
		{"comments count and are left out", "# a\nb\n \t#c\nd # e", []numbered{{2, "b"}, {4, "d # e"}}},
		{"CR within a line", "a\rb\n", []numbered{{1, "a\rb"}}},
		{"one CR belongs to the ending", "a\r\r\nb", []numbered{{1, "a\r"}, {2, "b"}}},
		{"binary", "\x00\xff\nb", []numbered{{1, "\x00\xff"}, {2, "b"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []numbered
			for n, line := range New([]byte(tt.text)).Lines() {
				got = append(got, numbered{n, string(line.Reveal())})
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestLinesEndWhereTheReaderStops(t *testing.T) {
	var got []int
	for n := range New([]byte("a\nb\nc\n")).Lines() {
		got = append(got, n)
		if n == 2 {
			break
		}
	}
	if want := []int{1, 2}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %d, want %d", got, want)
	}
}

func TestValidNameIsADNSSubdomain(t *testing.T) {
	long := strings.Repeat("a", 253)
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"a", true},
		{"0", true},
		{"api-key", true},
		{"api--key", true},
		{"basic-auth-user", true},
		{"users.v2", true},
		{"a.b-c.d0", true},
		{"123.456", true},
		{strings.Repeat("a", 64), true}, // Kubernetes bounds the whole and not the label
		{long, true},
		{long[:251] + ".a", true},
		{"", false},
		{long + "a", false},
		{"API-key", false},
		{"api_key", false},
		{"api key", false},
		{" api-key", false},
		{"api-key\n", false},
		{"-a", false},
		{"a-", false},
		{"-", false},
		{".", false},
		{"..", false},
		{"..data", false},
		{".a", false},
		{"a.", false},
		{"a..b", false},
		{"a.-b", false},
		{"a-.b", false},
		{"a/b", false},
		{"../a", false},
		{`a\b`, false},
		{"a\x00", false},
		{"schlüssel", false},
		{"ａ", false},
		{"a=b", false},
		{"a:b", false},
		{"a@b", false},
		{"a`b", false},
		{"a{b", false},
	} {
		t.Run(fmt.Sprintf("%.20q of %d", tt.name, len(tt.name)), func(t *testing.T) {
			if got := ValidName(tt.name); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
