package test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	nextKey     = "awk_CANARY-next-key-0123456789abcd"
	nextPass    = "CANARY-next-password-of-alice"
	nextWebhook = "CANARY-next-webhook-key-01234567"
)

// ways are those in which providers change a secret.
var ways = map[string]func(t *testing.T, path, text string){
	// faasd rewrites the file that is mounted.
	"in place": func(t *testing.T, path, text string) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, half := range []string{text[:len(text)/2], text[len(text)/2:]} {
			if _, err := f.WriteString(half); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // somebody may look in between
		}
	},
	"by rename": func(t *testing.T, path, text string) {
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	},
	// Kubernetes swaps the link ..data between two folders.
	"by ..data": func(t *testing.T, path, text string) {
		folder, name := filepath.Dir(path), filepath.Base(path)
		if err := os.MkdirAll(filepath.Join(folder, "..next"), 0o700); err != nil {
			t.Fatal(err)
		}
		others, err := os.ReadDir(filepath.Join(folder, "..data"))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range others {
			content := []byte(text)
			if o.Name() != name {
				if content, err = os.ReadFile(filepath.Join(folder, "..data", o.Name())); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(folder, "..next", o.Name()), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("..next", filepath.Join(folder, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")); err != nil {
			t.Fatal(err)
		}
	},
}

// TestRotation changes each secret under the running program in each way in
// which providers do it, and wants the new credential to be good and the old
// one not to be.
func TestRotation(t *testing.T) {
	type method struct {
		env      map[string]string
		file     string
		old, new string // texts of the file
		with     func(next bool) call
	}
	body := "a body"
	methods := map[string]method{
		"bearer": {
			map[string]string{"auth": "bearer"},
			"api-key", "ci " + ciKey + "\n", "ci " + nextKey + "\n",
			func(next bool) call {
				key := map[bool]string{false: ciKey, true: nextKey}[next]
				return call{path: "/", headers: []string{"Authorization: Bearer " + key}}
			},
		},
		"basic": {
			map[string]string{"auth": "basic", "auth_basic_secret": "users"},
			"users", "alice:" + argon(userPass, 64), "alice:" + argon(nextPass, 64),
			func(next bool) call {
				pass := map[bool]string{false: userPass, true: nextPass}[next]
				return call{path: "/", headers: []string{basicAuth("alice", pass)}}
			},
		},
		"pair": {
			map[string]string{"auth": "basic"},
			"basic-auth-password", userPass + "\n", nextPass + "\n",
			func(next bool) call {
				pass := map[bool]string{false: userPass, true: nextPass}[next]
				return call{path: "/", headers: []string{basicAuth("alice", pass)}}
			},
		},
		"hmac": {
			map[string]string{"auth": "hmac", "auth_hmac_preset": "github"},
			"webhook-secret", webhookKey + "\n", nextWebhook + "\n",
			func(next bool) call {
				key := map[bool]string{false: webhookKey, true: nextWebhook}[next]
				return call{method: "POST", path: "/", body: strings.NewReader(body), headers: []string{signature(key, body)}}
			},
		},
	}
	for name, m := range methods {
		for way, change := range ways {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				s := setup{env: m.env, secrets: map[string]string{m.file: m.old}}
				if name == "pair" {
					s.secrets["basic-auth-user"] = "alice"
				}
				s.links = way == "by ..data"
				d := start(t, s)
				d.keep(m.new)
				d.admitted("the old one", m.with(false))
				d.refused("the new one", m.with(true), 401)
				change(t, filepath.Join(d.folder, m.file), m.new)
				eventually(t, "the new one", func() bool { return d.do(m.with(true)).status == 200 })
				d.refused("the old one afterwards", m.with(false), 401)
			})
		}
	}
}

// TestCertificateRotation changes the certificate in each of these ways. Where
// its two secrets change one after the other, the old one stays until both have.
func TestCertificateRotation(t *testing.T) {
	for way, change := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := oneKey()
			s.https, s.links = true, way == "by ..data"
			d := start(t, s)
			host := func() string {
				c, err := tls.Dial("tcp", d.addr, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				return c.ConnectionState().PeerCertificates[0].DNSNames[0]
			}
			if got := host(); got != "f.example" {
				t.Fatalf("got the certificate of %s", got)
			}
			cert, key := certificate(t, "next.example")
			if way == "by ..data" { // both at once, in one swap
				if err := os.WriteFile(filepath.Join(d.folder, "..data", "tls-key"), []byte(key), 0o600); err != nil {
					t.Fatal(err)
				}
				change(t, filepath.Join(d.folder, "tls-cert"), cert)
			} else {
				change(t, filepath.Join(d.folder, "tls-cert"), cert)
				eventually(t, "a pair that does not match", func() bool {
					return strings.Contains(d.scrape(), `auth_secret_reloads_total{result="error"} 1`)
				})
				if got := host(); got != "f.example" {
					t.Errorf("got the certificate of %s before its key is there", got)
				}
				change(t, filepath.Join(d.folder, "tls-key"), key)
			}
			eventually(t, "the other certificate", func() bool { return host() == "next.example" })
			d.admitted("a request", call{path: "/", headers: []string{bearer}})
			d.log.wait(t, `msg="another certificate is in force" names=next.example,127.0.0.1`, d.ended)
		})
	}
}

// TestExpiry has a key end while the program runs.
func TestExpiry(t *testing.T) {
	s := oneKey()
	s.secrets["api-key"] = "ci " + ciKey + " expires=" + time.Now().Add(2*time.Second).UTC().Format(time.RFC3339) + "\n"
	d := start(t, s)
	c := call{path: "/", headers: []string{bearer}}
	if d.do(c).status == 200 { // it may be over already on a slow machine
		eventually(t, "the end of the key", func() bool { return d.do(c).status == 401 })
	}
	a := d.do(c)
	if got := a.header.Get("WWW-Authenticate"); a.status != 401 || got != `Bearer realm="fn", error="invalid_token"` {
		t.Errorf("got %d with %s", a.status, got)
	}
}
