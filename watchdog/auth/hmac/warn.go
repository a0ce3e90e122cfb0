package hmac

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// shortest is the length in bytes under which a shared key draws a warning.
const shortest = 16

// warn says what is weak about the configuration, each thing once.
func (m *Method) warn() {
	said := map[string]bool{}
	add := func(format string, args ...any) {
		if w := fmt.Sprintf(format, args...); !said[w] {
			said[w] = true
			m.warnings = append(m.warnings, w)
		}
	}
	for i := range m.schemes {
		s := &m.schemes[i]
		if len(s.keys) == 0 {
			continue
		}
		if s.BodyUnsigned {
			add("the body is not signed: who has seen one request can send any other")
		}
		if s.Alg == SHA1 {
			add("signatures are HMAC-SHA1: nobody has forged one yet, but a sender that offers SHA-256 should be asked for it")
		}
		if s.message.has("form") {
			add("a form is signed without what stands between its names and values: who has seen one request can move letters from one to the other, and out of the URL")
		}
		keep := m.keep(s)
		switch {
		case s.Alg == Token:
			add("requests are not signed, the secret itself is sent: who has seen one request can send any other")
		case s.Time.isZero() && keep == 0:
			add("no time is signed and replay is off: who has seen a request can send it again for ever; replay=24h remembers those of a day")
		case s.Time.isZero():
			add("no time is signed: who has seen a request can send it again after %s, or after a restart", keep)
		case keep == 0 && s.Time.Tolerance == 0:
			add("the time of signing is not judged and replay is off: who has seen a request can send it again for ever")
		case keep == 0:
			add("replay is off: who has seen a request can send it again within %s", 2*s.Time.Tolerance)
		}
	}
	h := m.handshake
	missing := map[string]bool{
		"verify_token": m.config.VerifyToken == "", "topics": len(m.config.Topics) == 0,
		"origins": len(m.config.Origins) == 0, "handshake_file": m.config.HandshakeFile == "",
	}
	if h.needs != "" && missing[h.needs] && h.needs != "handshake_file" {
		add("the sender's handshake (%s) is not answered: set %s", h.meaning, h.needs)
	}
	if m.config.HandshakeFile != "" && m.now().Before(m.config.HandshakeUntil) {
		add("whoever calls first until %s brings the secret", m.config.HandshakeUntil.Format(time.RFC3339))
	}
}

// warnKey says what is weak about a key in a line of the secret.
func (m *Method) warnKey(s *keyed, l line, key []byte) {
	form := Presets()[m.config.Preset].KeyLength
	takesPublic := slices.ContainsFunc(m.schemes, func(s keyed) bool { return s.Key.NeedsPrefix })
	switch {
	case s.Alg.isAsymmetric():
	case takesPublic && !bytes.HasPrefix(l.text.Reveal(), []byte(s.Key.StripPrefix)):
		m.warnings = append(m.warnings, fmt.Sprintf("secret %q, line %d: does not begin with %s: if it is a public key, everybody who knows it can sign; write whpk_ before it",
			m.config.Secret, l.number, s.Key.StripPrefix))
	case len(key) < shortest:
		m.warnings = append(m.warnings, fmt.Sprintf("secret %q, line %d: is shorter than %d bytes and can be guessed", m.config.Secret, l.number, shortest))
	case len(l.text.Reveal()) < form:
		m.warnings = append(m.warnings, fmt.Sprintf("secret %q, line %d: is shorter than the %d characters of %s's own keys: is it whole?",
			m.config.Secret, l.number, form, Presets()[m.config.Preset].Sender))
	}
}
