package watchdog

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/config"
)

// readCertificate makes the certificate of its secrets; nil if there is to be
// none, or if they have not been read.
func readCertificate(c config.TLS, secrets source) (*tls.Certificate, error) {
	if !c.IsOn() {
		return nil, nil
	}
	set := secrets(c.Secrets())
	if set == nil {
		return nil, nil
	}
	pair, err := tls.X509KeyPair(set.Value(c.CertSecret).Reveal(), set.Value(c.KeySecret).Reveal())
	if err != nil {
		return nil, fmt.Errorf("secrets %q and %q: %w: want a certificate with those between it and the root, and its private key without a passphrase, in PEM; "+
			"make them with: faas-cli secret create %s --from-file=fullchain.pem, and faas-cli secret create %s --from-file=privkey.pem",
			c.CertSecret, c.KeySecret, errors.New(strings.TrimPrefix(err.Error(), "tls: ")), c.CertSecret, c.KeySecret)
	}
	return &pair, nil
}

// certificateNames are the names by which callers may call who has it.
func certificateNames(leaf *x509.Certificate) []string {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// certificateWarnings says what callers will hold against a certificate.
func certificateWarnings(c config.TLS, pair *tls.Certificate) []string {
	if pair == nil {
		return nil
	}
	var list []string
	add := func(format string, args ...any) {
		list = append(list, fmt.Sprintf("certificate in secret %q: ", c.CertSecret)+fmt.Sprintf(format, args...))
	}
	leaf := pair.Leaf
	switch now, until := time.Now(), leaf.NotAfter.UTC().Format(time.RFC3339); {
	case now.Before(leaf.NotBefore):
		add("is not good before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		add("has expired on %s", until)
	case time.Until(leaf.NotAfter) < soon:
		add("expires on %s", until)
	}
	if len(certificateNames(leaf)) == 0 {
		add("names no host and no address (subjectAltName), so callers refuse it")
	}
	return list
}

// describeCertificate is what a [Report] says of it. pair is nil if it was not
// read.
func describeCertificate(c config.TLS, pair *tls.Certificate) string {
	where := fmt.Sprintf("secrets %q and %q", c.CertSecret, c.KeySecret)
	if pair == nil {
		return where + ", not read"
	}
	names := strings.Join(certificateNames(pair.Leaf), ", ")
	if names == "" {
		names = "no names"
	}
	return fmt.Sprintf("%s, until %s, in %s", names, pair.Leaf.NotAfter.UTC().Format(time.RFC3339), where)
}

// tlsConfig is that of the port for callers; nil if it speaks plain HTTP.
// Whichever certificate is in force when a caller connects is the one that it
// gets.
func (w *Watchdog) tlsConfig() *tls.Config {
	if !w.config.TLS.IsOn() {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return w.certificate.Load(), nil
		},
	}
}

// errNoServer is said to those who have no server of ours.
var errNoServer = errors.New("tls_cert_secret: is for the watchdog's own server: leave it unset, and have the server of this handler speak TLS")
