package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"auth-watchdog/watchdog/auth/basic"
	"auth-watchdog/watchdog/auth/bearer"
	"auth-watchdog/watchdog/auth/hmac"
	"auth-watchdog/watchdog/internal/config"
	"auth-watchdog/watchdog/internal/setting"
)

var update = flag.Bool("update", false, "write what is said of testdata/*.bad.yml to the .want files")

// policyFiles are the texts in testdata whose names end so, by their names.
func policyFiles(tb testing.TB, suffix string) map[string][]byte {
	tb.Helper()
	paths, err := filepath.Glob("testdata/*" + suffix)
	if err != nil {
		tb.Fatal(err)
	}
	if len(paths) == 0 {
		tb.Fatalf("got no testdata/*%s, want some", suffix)
	}
	texts := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		texts[filepath.Base(path)] = text
	}
	return texts
}

func TestBadPolicies(t *testing.T) {
	for name, text := range policyFiles(t, ".bad.yml") {
		t.Run(name, func(t *testing.T) {
			_, ps := config.ParsePolicy(name, text, kinds())
			if len(ps) == 0 {
				t.Fatal("got no problem, want some")
			}
			got := ps.Error() + "\n"
			golden := filepath.Join("testdata", strings.TrimSuffix(name, ".yml")+".want")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("got other problems than %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func TestGoodPolicies(t *testing.T) {
	want := map[string]config.Policy{
		"four-rules.good.yml": {
			Methods: []config.Method{
				{Name: "ci", Type: "bearer", Section: &bearer.Config{Secret: "ci-keys", Header: "Authorization"}, Where: "four-rules.good.yml:2"},
				{Name: "github", Type: "hmac", Section: &hmac.Config{Secret: "github-webhook", Preset: "github"}, Where: "four-rules.good.yml:3"},
				{Name: "admins", Type: "basic", Section: &basic.Config{Secret: "admin-users"}, Where: "four-rules.good.yml:4"},
			},
			Rules: []config.Rule{
				{Match: "POST /hooks/github", Accept: []string{"github"}, Where: "four-rules.good.yml:6"},
				{Match: "/admin/", Accept: []string{"admins", "ci"}, Scopes: []string{"admin"}, Where: "four-rules.good.yml:7"},
				{Match: "GET /public/", Public: true, Where: "four-rules.good.yml:8"},
				{Match: "/", Accept: []string{"ci"}, Where: "four-rules.good.yml:9"},
			},
		},
		"scalars.good.yml": {
			Methods: []config.Method{
				{Name: "ci", Type: "bearer", Section: &bearer.Config{Secret: "api-key", Header: "X-Api-Key"}, Where: "scalars.good.yml:11"},
				{
					Name: "hook", Type: "hmac", Where: "scalars.good.yml:12",
					Section: &hmac.Config{Secret: "hook-key", Scheme: hmac.Scheme{
						Alg: hmac.SHA1, Signature: hmac.Signature{Headers: []string{"X-Hook"}}, Key: hmac.KeyForm{Encoding: hmac.KeyHex},
					}},
				},
			},
			Rules: []config.Rule{
				{Match: "/", Accept: []string{"ci"}, Where: "scalars.good.yml:3"},
				{Match: "/deploy", All: []string{"ci", "hook"}, Subjects: []string{"alice"}, Scopes: []string{"deploy"}, Where: "scalars.good.yml:5"},
			},
		},
		"custom-scheme.good.yml": {
			Methods: []config.Method{
				{
					Name: "shop", Type: "hmac", Where: "custom-scheme.good.yml:2",
					Section: &hmac.Config{Secret: "shop-key", Scheme: hmac.Scheme{
						Alg: hmac.SHA512,
						Signature: hmac.Signature{
							Headers: []string{"X-Shop-Signature", "X-Shop-Signature-Old"}, Split: ",", Prefix: "v1=", Encoding: hmac.Base64,
						},
						Signed:  "{id}.{time}.{body}",
						Time:    hmac.Time{Source: hmac.Source{Header: "X-Shop-Time"}, Format: hmac.UnixMS, Tolerance: 5 * time.Minute},
						ID:      hmac.Source{Header: "X-Shop-Id"},
						Key:     hmac.KeyForm{Encoding: hmac.KeyBase64, StripPrefix: "whsec_"},
						Require: map[string]string{"X-Shop-Version": "2", "X-Shop-Kind": "order, paid"},
					}},
				},
				{
					Name: "form", Type: "hmac", Where: "custom-scheme.good.yml:22",
					Section: &hmac.Config{Secret: "webhook-secret", Scheme: hmac.Scheme{
						Alg:          hmac.Ed25519,
						Signature:    hmac.Signature{JSON: "auth.sig", Encoding: hmac.Base64URL},
						Signed:       "{time}{path}",
						Time:         hmac.Time{Source: hmac.Source{JSON: "auth.at"}, Format: hmac.RFC3339, Tolerance: 30 * time.Second},
						Key:          hmac.KeyForm{Encoding: hmac.KeyPEM},
						BodyUnsigned: true,
					}},
				},
			},
			Rules: []config.Rule{
				{Match: "POST /shop/{id}", Accept: []string{"shop"}, Where: "custom-scheme.good.yml:32"},
				{Match: "POST /form", All: []string{"form"}, Subjects: []string{"form"}, Where: "custom-scheme.good.yml:33"},
			},
		},
	}
	files := policyFiles(t, ".good.yml")
	for name := range want {
		if files[name] == nil {
			t.Errorf("got no testdata/%s, want one", name)
		}
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			policy, ps := config.ParsePolicy(name, text, kinds())
			if len(ps) > 0 {
				t.Fatalf("got %v, want nothing", ps)
			}
			if diff := cmp.Diff(want[name], policy); diff != "" {
				t.Errorf("got another policy than want (-want +got):\n%s", diff)
			}
			for _, m := range policy.Methods {
				if ps := m.Section.Check(); len(ps) > 0 {
					t.Errorf("method %s: got %v, want one that its package takes", m.Name, ps)
				}
			}
		})
	}
}

// TestReadMe keeps the policy file that people copy from the README a good one.
func TestReadMe(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example := policyFiles(t, "four-rules.good.yml")["four-rules.good.yml"]
	if !strings.Contains(string(text), "```yaml\n"+string(example)+"```\n") {
		t.Errorf("got no such example in the README, want one:\n%s", example)
	}
}

// FuzzParsePolicy holds what no text may break: it is accepted whole or
// refused with a reason.
func FuzzParsePolicy(f *testing.F) {
	for _, suffix := range []string{".good.yml", ".bad.yml"} {
		for _, text := range policyFiles(f, suffix) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		const file = "auth.yml"
		policy, ps := config.ParsePolicy(file, text, kinds())
		if len(ps) > 0 {
			for _, p := range ps {
				if !strings.HasPrefix(p.Where, file) || p.Err == nil || p.Err.Error() == "" {
					t.Errorf("got %+v, want a place and a reason", p)
				}
			}
			return
		}
		known := map[string]bool{}
		for _, m := range policy.Methods {
			if known[m.Name] || !setting.ValidName(m.Name) || m.Name == "none" {
				t.Errorf("got the method %q, want a name of its own", m.Name)
			}
			known[m.Name] = true
			if kinds()[m.Type] == nil || m.Section == nil || m.Where == "" {
				t.Errorf("got %+v, want a method of a known type with its place", m)
			}
		}
		if len(policy.Rules) == 0 {
			t.Error("got no rule, want one")
		}
		for _, r := range policy.Rules {
			if r.Match == "" || r.Where == "" {
				t.Errorf("got %+v, want a match and a place", r)
			}
			for _, names := range [][]string{r.Accept, r.All} {
				for _, name := range names {
					if !known[name] {
						t.Errorf("got the method %q in a rule, want one of %v", name, policy.Methods)
					}
				}
			}
		}
	})
}
