// Package clientip finds out who is at the other end, given how many proxies
// in front are trusted, and keeps the function from believing more than that.
package clientip

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"auth-watchdog/watchdog/internal/headers"
)

// Trust says what is known of the proxies in front.
type Trust struct {
	// Hops is how many of them add to X-Forwarded-For. With 0, no header is
	// believed.
	Hops int

	// Scheme and Host of the URL that callers use, if they are known.
	Scheme, Host string

	// TLS says that callers reach us by nothing else. A request does not always
	// tell: with ":scheme: http" over HTTP/2 its field TLS is nil.
	TLS bool
}

// Of returns the address of r's caller. It is the invalid Addr if that can't
// be told.
func (t Trust) Of(r *http.Request) netip.Addr {
	if entries := t.forwardedFor(r.Header); len(entries) > 0 {
		return parse(entries[0])
	}
	return parse(r.RemoteAddr)
}

// Key returns what stands for a caller's address when callers are counted. A
// caller has a whole /64 of IPv6 at will.
func Key(a netip.Addr) string {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.Unmap().String()
}

// forwardedFor returns what the trusted proxies have added to X-Forwarded-For:
// its last entries, over all lines, one for each hop; none if there are fewer.
// It looks at no more than these, for the rest is the caller's and of any
// length.
func (t Trust) forwardedFor(h http.Header) []string {
	entries := make([]string, t.Hops)
	missing := t.Hops
	for _, line := range slices.Backward(h["X-Forwarded-For"]) {
		for more := true; more && missing > 0; {
			i := strings.LastIndexByte(line, ',')
			missing--
			entries[missing] = strings.TrimSpace(line[i+1:])
			if more = i >= 0; more {
				line = line[:i]
			}
		}
	}
	if missing > 0 {
		return nil
	}
	return entries
}

// parse reads an address with or without a port, as OpenFaaS writes it.
func parse(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// claims are the headers in which proxies say where a request comes from.
var claims = headers.New([]string{
	"forwarded", "x-forwarded-", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for",
	"true-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "fastly-client-ip", "fly-client-ip", "x-envoy-external-address",
})

// Sanitize makes the headers of r, whose caller's address is what Of has found,
// say no more of its origin than is known: if no proxy is trusted, what we see
// ourselves; otherwise what the trusted ones have added to X-Forwarded-For, and
// what they say beside it.
func (t Trust) Sanitize(r *http.Request, address netip.Addr) {
	delete(r.Header, "Host") // HTTP/2 lets one stand beside :authority, which is r.Host
	if t.Hops == 0 {
		claims.Remove(r.Header, nil)
		host, scheme := r.Host, "http"
		if t.TLS || r.TLS != nil {
			scheme = "https"
		}
		if t.Host != "" {
			host, scheme = t.Host, t.Scheme
		}
		values := []string{host, scheme, ""}
		r.Header["X-Forwarded-Host"] = values[0:1:1]
		r.Header["X-Forwarded-Proto"] = values[1:2:2]
		if address.IsValid() {
			values[2] = address.String()
			r.Header["X-Forwarded-For"] = values[2:3:3]
		}
		return
	}
	entries := t.forwardedFor(r.Header)
	claims.Remove(r.Header, trusted)
	switch {
	case len(entries) > 0:
		r.Header["X-Forwarded-For"] = []string{strings.Join(entries, ", ")}
	case address.IsValid():
		r.Header["X-Forwarded-For"] = []string{address.String()}
	}
	if r.Header["X-Real-Ip"] != nil {
		delete(r.Header, "X-Real-Ip")
		if address.IsValid() {
			r.Header["X-Real-Ip"] = []string{address.String()}
		}
	}
}

// trusted are the headers that a proxy in front sets beside X-Forwarded-For.
var trusted = map[string]bool{
	"X-Forwarded-Host": true, "X-Forwarded-Proto": true, "X-Forwarded-Port": true, "X-Forwarded-Prefix": true,
	"X-Real-Ip": true,
}
