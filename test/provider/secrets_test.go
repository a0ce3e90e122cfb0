package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	s := serve(t)
	s.want("GET", "/system/secrets", "", 200, "[]")
	s.want("PUT", "/system/secrets", `{"name":"key","value":"x"}`, 404, `there is no secret "key": create it first`)
	s.want("POST", "/system/secrets", `{"name":"key","value":"first"}`, 201, "")
	s.want("POST", "/system/secrets", `{"name":"key","value":"other"}`, 409, `there is a secret "key" already`)
	file := filepath.Join(s.secrets.folder, "key")
	// What a container has mounted.
	mounted, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer mounted.Close()
	s.want("PUT", "/system/secrets", `{"name":"key","value":"two"}`, 202, "")
	text := make([]byte, 10)
	if n, _ := mounted.ReadAt(text, 0); string(text[:n]) != "two" {
		t.Errorf("what is mounted has %q, want the update", text[:n])
	}
	s.want("GET", "/system/secrets?namespace=openfaas-fn", "", 200, `[{"name":"key","namespace":"openfaas-fn"}]`)
	s.want("DELETE", "/system/secrets", `{"name":"key"}`, 202, "")
	s.want("DELETE", "/system/secrets", `{"name":"key"}`, 404, `there is no secret "key": create it first`)
	s.want("POST", "/system/secrets", `{"name":"key","namespace":"other"}`, 400, `namespace "other": there is openfaas-fn only`)
	s.want("POST", "/system/secrets", `no`, 400, "the body is no secret in JSON: invalid character 'o' in literal null (expecting 'u')")
}

func TestSecretValues(t *testing.T) {
	for name, c := range map[string]struct{ fields, want string }{
		"value":               {`"value":"a b\n"`, "a b\n"},
		"raw value":           {`"rawValue":"AAEK"`, "\x00\x01\n"},
		"raw value preferred": {`"value":"x","rawValue":"AAEK"`, "\x00\x01\n"},
		"nothing":             {`"value":""`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.want("POST", "/system/secrets", `{"name":"key",`+c.fields+`}`, 201, "")
			file := filepath.Join(s.secrets.folder, "key")
			if got, err := os.ReadFile(file); err != nil || string(got) != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
			for path, want := range map[string]os.FileMode{file: 0o644, s.secrets.folder: 0o755} {
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: got mode %v, %v, want %v", path, info.Mode().Perm(), err, want)
				}
			}
		})
	}
}

func TestSecretNames(t *testing.T) {
	store, err := newSecretStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "api-key", "a.b-c.d0", strings.Repeat("a", 253)} {
		if _, err := store.file(name); err != nil {
			t.Errorf("%q: got error %v, want none", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../a", "a/b", "a..b", "-a", "a-", "A", "a_b", "a\n", strings.Repeat("a", 254)} {
		if _, err := store.file(name); err == nil {
			t.Errorf("%q: got no error", name)
		}
	}
}
