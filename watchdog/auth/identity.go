package auth

import (
	"context"
	"net/http"
	"strings"
	"time"

	"auth-watchdog/watchdog/internal/headers"
)

// An Identity says who sent a request and how we know.
type Identity struct {
	Subject string    // the name of the key or the user, or the method's own
	Method  string    // name of the Method that vouches for it; empty when public
	Scopes  []string  // what the credential allows
	Expires time.Time // zero: does not expire

	// SignedIn is when a person last proved who they are, zero for credentials
	// that programs send; SecondFactor whether with more than a password.
	SignedIn     time.Time
	SecondFactor bool

	// Secret and Entry name the credential that was presented, as in
	// [Credential], for those who rotate it.
	Secret, Entry string
}

// The headers that tell the function who called. The gate removes them, in
// every spelling, from what the caller sent.
const (
	SubjectHeader = "X-Auth-Subject"
	MethodHeader  = "X-Auth-Method"
	ScopesHeader  = "X-Auth-Scopes" // comma-separated; absent if there are none
)

// SetHeaders tells the function in h who called. Of nobody, as on a public
// rule, it says nothing.
func (id Identity) SetHeaders(h http.Header) {
	if id.Method == "" {
		return
	}
	values := []string{id.Subject, id.Method}
	h[SubjectHeader] = values[0:1:1]
	h[MethodHeader] = values[1:2:2]
	if len(id.Scopes) > 0 {
		h[ScopesHeader] = []string{strings.Join(id.Scopes, ",")}
	}
}

type contextKey struct{}

// A carrier is a context that carries an identity.
type carrier struct {
	context.Context
	id Identity
}

// Value implements [context.Context].
func (c *carrier) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// NewContext returns a context that carries id.
func NewContext(ctx context.Context, id Identity) context.Context { return &carrier{ctx, id} }

// FromContext returns the identity of a request that a gate has admitted. It
// is false for requests that came by a public rule, or not through a gate.
func FromContext(ctx context.Context) (Identity, bool) {
	if c, ok := ctx.Value(contextKey{}).(*carrier); ok {
		return c.id, true
	}
	return Identity{}, false
}

// identityHeaders are the headers in which proxies tell what they know of the
// caller, and which functions and their frameworks may believe: ours, those of
// other proxies, and client certificates. A name that ends in "-" stands for
// all that begin with it.
var identityHeaders = []string{
	"x-auth-",
	"remote-user", "remote-name", "remote-email", "remote-group-", "remote-groups",
	"x-remote-user", "x-remote-group", "x-remote-groups", "x-remote-extra-",
	"x-forwarded-user", "x-forwarded-email", "x-forwarded-groups",
	"x-forwarded-preferred-username", "x-forwarded-access-token",
	"x-authenticated-", "x-webauth-", "x-consumer-", "x-credential-identifier", "x-pomerium-", "x-vouch-",
	"x-goog-authenticated-user-", "x-goog-iap-jwt-assertion", "x-amzn-oidc-", "x-amzn-mtls-",
	"x-ms-client-principal", "x-ms-client-principal-", "cf-access-", "tailscale-user-",
	"client-cert", "client-cert-", "x-client-cert", "x-client-cert-",
	"x-forwarded-client-cert", "x-forwarded-tls-client-cert", "x-forwarded-tls-client-cert-",
	"ssl-client-", "x-ssl-", "x-arr-clientcert", "x-authentik-", "oidc-",
}

// overrideHeaders ask a function to take the request for another than it is.
// They are removed where the decision depended on what they override.
var (
	pathOverrideHeaders = []string{
		"x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-path",
		"x-envoy-original-path", "x-http-path-override", "script-name", "path-info", "x-script-name", "daphne-root-path",
	}
	methodOverrideHeaders = []string{"x-http-method-override", "x-http-method", "x-method-override"}
)

// IsIdentityHeader reports whether name, in whatever spelling, is a header in
// which the function is told who called, so that no method may read it.
func IsIdentityHeader(name string) bool { return ourHeaders.Has(name) }

var ourHeaders = headers.New([]string{
	strings.ToLower(SubjectHeader), strings.ToLower(MethodHeader), strings.ToLower(ScopesHeader),
})
