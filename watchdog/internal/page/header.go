package page

import "net/http"

// SetHeaders sets what every answer under /_/auth/ has, redirects and refusals
// too. secure says that the browser came over https.
func SetHeaders(h http.Header, secure bool) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	// Not no-referrer: with it browsers send "Origin: null" along with our own
	// forms, which is how the forms of other sites look.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	// RFC 6797 §7.2: never over plain http.
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
