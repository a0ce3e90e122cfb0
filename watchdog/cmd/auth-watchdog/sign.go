package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"auth-watchdog/watchdog/auth/hmac"
	"auth-watchdog/watchdog/internal/setting"
	"auth-watchdog/watchdog/secret"
)

var signCommand = command{
	name: "sign", args: "[--preset P] --secret FILE [--at TIME] [--url U] [--method M] [--curl | --http] FILE|-",
	meaning: "write the headers that a sender of webhooks would send with a body",
	example: `  auth-watchdog sign --preset stripe --secret .secrets/webhook-secret \
    --url http://127.0.0.1:8080/ --curl event.json

  For a sender with a key pair, the file of --secret holds a private key in PEM.`,
	run: sign,
}

func sign(p *program, fs *flag.FlagSet, args []string) error {
	preset := fs.String("preset", "", "the sender; without one, what faas-cli invoke --sign sends")
	secretFile := fs.String("secret", "", "the file with the key, in the form that the function's secret has")
	at := fs.String("at", "", "when the request is signed: 2027-01-31T12:00:00Z or seconds since 1970; now if not set")
	address := fs.String("url", "", "the URL that the sender calls")
	method := fs.String("method", http.MethodPost, "the HTTP method")
	contentType := fs.String("type", "", "the Content-Type; told from the body if not set")
	asCurl := fs.Bool("curl", false, "write a command that sends the request")
	asHTTP := fs.Bool("http", false, "write the whole request, as explain reads it")
	words, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	schemes := []hmac.Scheme{hmac.Default}
	if *preset != "" {
		sender, ok := hmac.Presets()[*preset]
		if !ok {
			return misused("sign: --preset=%q: %w", *preset, setting.Unknown("sender", *preset, slices.Sorted(maps.Keys(hmac.Presets()))))
		}
		schemes = sender.Schemes
	}
	if *secretFile == "" {
		return misused("sign: want --secret FILE; auth-watchdog sign --help shows how")
	}
	file, err := secret.ReadFile(*secretFile)
	if err != nil {
		return misused("sign: --secret: %w", err)
	}
	when, err := parseMoment(fs.Name(), *at)
	if err != nil {
		return err
	}
	body, err := p.read(fs.Name(), words)
	if err != nil {
		return err
	}
	target := *address
	if target == "" {
		target = "http://127.0.0.1:8080/"
	}
	r, err := http.NewRequest(*method, target, nil) //nolint:noctx // it is sent to nobody
	if err != nil || r.URL.Host == "" {
		return misused("sign: --url=%q: want a URL such as https://gw.example.com/function/hook", *address)
	}
	r.Header.Set("Content-Type", typeOf(body))
	if *contentType != "" {
		r.Header.Set("Content-Type", *contentType)
	}
	o := hmac.SignOptions{At: when}
	if *address != "" {
		o.PublicURL = r.URL.Scheme + "://" + r.URL.Host
	} else if slices.ContainsFunc(schemes, hmac.Scheme.SignsURL) {
		return misused("sign: %s signs the URL: want --url with the one that was typed there", *preset)
	}
	signed, err := hmac.Sign(schemes, r, body, file, o)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	switch {
	case *asCurl:
		fmt.Fprintln(p.stdout, curl(r, signed))
	case *asHTTP:
		fmt.Fprintf(p.stdout, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s", r.Method, r.URL.RequestURI(), r.URL.Host, head(r, "\r\n"), len(signed), signed)
	default:
		fmt.Fprint(p.stdout, head(r, "\n"))
		if !bytes.Equal(signed, body) {
			fmt.Fprintf(p.stdout, "\n%s\n", signed)
		}
		if u, err := url.Parse(target); err == nil && u.RawQuery != r.URL.RawQuery {
			fmt.Fprintf(p.stderr, "the URL is to be %s\n", r.URL)
		}
	}
	return nil
}

// typeOf tells what a body is.
func typeOf(body []byte) string {
	if json.Valid(body) {
		return "application/json"
	}
	if v, err := url.ParseQuery(string(body)); err == nil && len(v) > 0 && bytes.ContainsRune(body, '=') {
		return "application/x-www-form-urlencoded"
	}
	return "application/octet-stream"
}

// head is the headers of a request, a line each.
func head(r *http.Request, end string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%s: %s%s", name, r.Header.Get(name), end)
	}
	return b.String()
}

// curl is the command that sends a request.
func curl(r *http.Request, body []byte) string {
	parts := []string{"curl -i"}
	if r.Method != http.MethodPost {
		parts = append(parts, "-X "+quote(r.Method))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		parts = append(parts, "-H "+quote(name+": "+r.Header.Get(name)))
	}
	return strings.Join(append(parts, "--data-raw "+quote(string(body)), quote(r.URL.String())), " \\\n  ")
}

// quote makes one word of a text for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
