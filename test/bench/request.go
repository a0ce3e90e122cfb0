package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"auth-watchdog/watchdog"
)

// Credentials of the measurement alone: the programs that know them listen on
// loopback for as long as it takes.
const (
	key      = "awk_0123456789abcdefghijklmnopqrstuvwxyz"
	user     = "alice"
	password = "correct horse battery staple"
	hmacKey  = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// signedBody is how many bytes a request has that is signed.
const signedBody = 1 << 10

// writeSecrets writes a secret for each method.
func writeSecrets(folder string) error {
	digest := sha256.Sum256([]byte(key))
	people, err := watchdog.NewTryOut(watchdog.Settings{"auth": "login", "mode": "static"})
	if err != nil {
		return err
	}
	users, _, errUsers := people.NewSecret("users", user, time.Time{})
	keys, _, errKeys := people.NewSecret("session-keys", user, time.Time{})
	if err := errors.Join(errUsers, errKeys); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"users":               users,
		"session-keys":        keys,
		"api-key":             "bench sha256:" + hex.EncodeToString(digest[:]),
		"basic-auth-user":     user,
		"basic-auth-password": password,
		"webhook-secret":      hmacKey,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// signedIn is the header of somebody who has signed in to a watchdog with these
// settings.
func signedIn(s settings, address string) (header [2]string, err error) {
	people, err := watchdog.NewTryOut(watchdog.Settings{
		"auth": s["auth"], "mode": "static", "secret_mount_path": s["secret_mount_path"], "public_url": s["public_url"],
	})
	if err != nil {
		return header, err
	}
	examples, err := people.Examples("http://"+address, func(string) string { return "" })
	if err != nil {
		return header, err
	}
	return [2]string{"Cookie", examples[0].Request.Header.Get("Cookie")}, nil
}

// A request is what is sent over and over.
type request struct {
	method string
	header [2]string // one, if its name is not empty
	body   string
}

// requestFor returns a request with the credential of a method.
func requestFor(auth string) request {
	switch auth {
	case "bearer":
		return request{method: "GET", header: [2]string{"Authorization", "Bearer " + key}}
	case "basic":
		pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		return request{method: "GET", header: [2]string{"Authorization", "Basic " + pair}}
	case "hmac":
		body := strings.Repeat("a", signedBody)
		mac := hmac.New(sha256.New, []byte(hmacKey))
		mac.Write([]byte(body))
		return request{
			method: "POST", body: body,
			header: [2]string{"X-Hub-Signature-256", "sha256=" + hex.EncodeToString(mac.Sum(nil))},
		}
	default:
		return request{method: "GET"}
	}
}

// bytes are those that go over the wire.
func (r request) bytes(address string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s / HTTP/1.1\r\nHost: %s\r\n", r.method, address)
	if r.header[0] != "" {
		fmt.Fprintf(&b, "%s: %s\r\n", r.header[0], r.header[1])
	}
	if r.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n" + r.body)
	return []byte(b.String())
}
