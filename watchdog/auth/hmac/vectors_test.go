package hmac

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/auth/authtest"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

// A vector is a request with what is to become of it.
type vector struct {
	name      string
	secret    string
	now       time.Time
	want      string // "admitted", "refused" or the reason
	target    string // "METHOD /path?query"; "POST /" if not said
	publicURL string
	headers   http.Header
	body      []byte
}

func (v vector) request() *http.Request {
	method, target, _ := strings.Cut(cmp.Or(v.target, "POST /"), " ")
	r := httptest.NewRequest(method, target, bytes.NewReader(v.body))
	r.Header = v.headers.Clone()
	return r
}

// readVectors reads a file of vectors: NAME/secret, NAME/now and so on, and
// the fields of a configuration if it has any.
func readVectors(t *testing.T, path string) (config map[string]string, vectors []vector) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	config = map[string]string{}
	byName := map[string]*vector{}
	var order []string
	for _, f := range a.Files {
		text := strings.TrimSuffix(string(f.Data), "\n") // txtar's own
		name, part, _ := strings.Cut(f.Name, "/")
		if name == "config" {
			for l := range strings.Lines(text) {
				key, value, _ := strings.Cut(strings.TrimRight(l, "\n"), ": ")
				config[key] = strings.Trim(value, `"`)
			}
			continue
		}
		v := byName[name]
		if v == nil {
			v = &vector{name: name, headers: http.Header{}}
			byName[name] = v
			order = append(order, name)
		}
		switch part {
		case "secret":
			v.secret = text
		case "now":
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			v.now = time.Unix(n, 0)
		case "want":
			v.want = text
		case "target":
			v.target = text
		case "public_url":
			v.publicURL = text
		case "headers":
			for l := range strings.Lines(text) {
				key, value, _ := strings.Cut(strings.TrimRight(l, "\n"), ": ")
				v.headers.Add(key, value)
			}
		case "body":
			v.body = []byte(text)
		case "body-base64": // what an editor would not leave as it is
			if v.body, err = base64.StdEncoding.DecodeString(text); err != nil {
				t.Fatal(err)
			}
		case "source":
			if text == "" {
				t.Errorf("%s: %s says nothing of where it comes from", path, name)
			}
		default:
			t.Errorf("%s: what is %q?", path, f.Name)
		}
	}
	for _, name := range order {
		vectors = append(vectors, *byName[name])
	}
	if len(vectors) == 0 {
		t.Errorf("%s has no vectors", path)
	}
	return config, vectors
}

// configure makes a Config of fields by their names, as a policy file does.
func configure(t *testing.T, fields map[string]string) Config {
	t.Helper()
	var c Config
	var ps setting.Problems
	described := c.Fields()
	setting.Defaults(described)
	for _, f := range described {
		if text, ok := fields[f.Name]; ok {
			f.Set(&ps, "", f.Name, text)
			delete(fields, f.Name)
		}
	}
	if len(ps) > 0 || len(fields) > 0 {
		t.Fatalf("got %v, and unknown fields %v", ps, fields)
	}
	return c
}

func at(t *testing.T, c Config, v vector) *Method {
	t.Helper()
	m, err := New("hook", c, secret.New([]byte(v.secret)), Options{PublicURL: v.publicURL})
	if err != nil {
		t.Fatal(err)
	}
	m.now = func() time.Time { return v.now }
	return m
}

func testVector(t *testing.T, c Config, v vector) {
	m := at(t, c, v)
	_, got := authtest.Ask(m, v.request())
	if (got == auth.Admitted) != (v.want == "admitted") || v.want != "refused" && v.want != string(got) {
		t.Fatalf("got %q, want it %s", got, v.want)
	}
	if v.want != "admitted" {
		return
	}
	scheme := m.schemeOf(t, v)
	if scheme.Alg != Token && !scheme.BodyUnsigned {
		testBody(t, m, v)
	}
	// One bit off, anywhere in the headers by which the scheme decides.
	for _, name := range scheme.headers() {
		value := v.headers.Get(name)
		for i := range value {
			damaged := v
			damaged.headers = v.headers.Clone()
			b := []byte(value)
			b[i] ^= 1
			damaged.headers.Set(name, string(b))
			_, got := authtest.Ask(m, damaged.request())
			if got == auth.Admitted && !passedOver(scheme, v.headers, name, i) {
				t.Errorf("byte %d of %s was changed, and it was admitted: %q", i, name, b)
			}
		}
	}
	testWindow(t, m, v, scheme.Time.Tolerance)
}

// testBody changes the body: none but the one that was signed is admitted.
func testBody(t *testing.T, m *Method, v vector) {
	for i := range v.body {
		damaged := v
		damaged.body = bytes.Clone(v.body)
		damaged.body[i] ^= 1
		if _, got := authtest.Ask(m, damaged.request()); got == auth.Admitted {
			t.Errorf("byte %d of the body was changed, and it was admitted", i)
		}
	}
	for _, extra := range [][]byte{append(bytes.Clone(v.body), '\n'), append([]byte(" "), v.body...), nil} {
		damaged := v
		damaged.body = extra
		if _, got := authtest.Ask(m, damaged.request()); got == auth.Admitted && !bytes.Equal(extra, v.body) {
			t.Errorf("admitted with the body %q", extra)
		}
	}
}

// schemeOf returns the scheme by which a request is judged.
func (m *Method) schemeOf(t *testing.T, v vector) Scheme {
	t.Helper()
	rd, err := m.judge(auth.NewRequest(v.request(), auth.NewBuffers(1<<20, 2<<20)))
	if err != nil {
		t.Fatal(err)
	}
	return rd.scheme.Scheme
}

// passedOver reports whether the byte at i of a header is part of what need not
// be there: one more signature, or an item of another kind.
func passedOver(s Scheme, headers http.Header, name string, i int) bool {
	isSignature, signed := false, 0
	for _, h := range s.Signature.Headers {
		isSignature = isSignature || http.CanonicalHeaderKey(h) == name
		signed += len(headers.Values(h))
	}
	if !isSignature || signed > 1 || s.Signature.Split == "" {
		return isSignature && signed > 1
	}
	value := headers.Get(name)
	items, needed := strings.Count(value, s.Signature.Split)+1, 1
	if s.Time.SigPrefix != "" {
		needed++
		start := strings.LastIndex(value[:i], s.Signature.Split) + 1
		if strings.HasPrefix(strings.TrimLeft(value[start:], " "), s.Time.SigPrefix) {
			return false
		}
	}
	return items > needed
}

// testWindow moves the clock: the bound holds in the past and in the future.
// The vectors are signed within a second of their time.
func testWindow(t *testing.T, m *Method, v vector, tolerance time.Duration) {
	for _, tt := range []struct {
		by   time.Duration
		want bool
	}{
		{tolerance - 2*time.Second, true},
		{-tolerance + 2*time.Second, true},
		{tolerance + 2*time.Second, tolerance == 0},
		{-tolerance - 2*time.Second, tolerance == 0},
		{10 * 365 * 24 * time.Hour, tolerance == 0},
		{-10 * 365 * 24 * time.Hour, tolerance == 0},
	} {
		m.now = func() time.Time { return v.now.Add(tt.by) }
		_, got := authtest.Ask(m, v.request())
		if (got == auth.Admitted) != tt.want || !tt.want && got != auth.Stale {
			t.Errorf("with the clock moved by %v: got %q, want admitted: %v", tt.by, got, tt.want)
		}
	}
	m.now = func() time.Time { return v.now }
}

func TestPresetVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		seen[name] = true
		config := Config{Preset: name}
		if name == "default" {
			config.Preset = ""
		} else if _, ok := Presets()[name]; !ok {
			t.Errorf("%s is for no preset", path)
			continue
		}
		_, vectors := readVectors(t, path)
		for _, v := range vectors {
			t.Run(name+"/"+v.name, func(t *testing.T) { testVector(t, config, v) })
		}
	}
	for name, p := range Presets() {
		if !seen[name] {
			t.Errorf("preset %s has no testdata/%s.txtar", name, name)
		}
		if p.Sender == "" || p.Source == "" || p.Secret == "" || len(p.Schemes) == 0 {
			t.Errorf("preset %s: wants sender, source, secret and schemes", name)
		}
		for i, s := range p.Schemes {
			if err := s.Check(); err != nil {
				t.Errorf("preset %s, scheme %d: %v", name, i+1, err)
			}
		}
	}
}

// TestSchemeVectors has senders as a user would write them: what a policy file
// can say is enough.
func TestSchemeVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/schemes/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files and %v", len(files), err)
	}
	for _, path := range files {
		fields, vectors := readVectors(t, path)
		config := configure(t, fields)
		for _, v := range vectors {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+v.name, func(t *testing.T) { testVector(t, config, v) })
		}
	}
}
