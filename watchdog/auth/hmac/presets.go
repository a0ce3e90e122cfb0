package hmac

// A Preset is how a known sender signs.
type Preset struct {
	Sender string // who it is
	Source string // where it says so, in Markdown
	Secret string // what goes in the secret

	// Schemes are tried in their order; the first whose signature is present
	// decides.
	Schemes []Scheme

	Handshake string // a kind of handshake; none if empty

	// KeyLength is how long the sender's own keys are, as they stand in the
	// secret, at least; 0 if whoever sets up the webhook chooses them.
	KeyLength int

	// Vector is a request with its signature: one that the sender has published,
	// if there is one that is short. Schemes with RSA need one, from wherever.
	Vector Vector

	Example Example // of what it sends, to try a function with; optional
}

// Needs are the settings without which the preset is not all it can be, in
// Markdown: public_url, that of its handshake, and replay where no time is
// signed.
func (p Preset) Needs() []string {
	var list []string
	first := p.Schemes[0]
	if first.SignsURL() {
		list = append(list, "`public_url`")
	}
	if name := handshakes[p.Handshake].needs; name != "" {
		list = append(list, "`auth_hmac_"+name+"`")
	}
	if first.Alg != Token && first.Time.isZero() {
		list = append(list, "`auth_hmac_replay=24h`")
	}
	return list
}

// An Example is a request that a sender sends.
type Example struct {
	Header map[string]string
	Body   string
}

// Default is the scheme of a method without a preset: what
// faas-cli invoke --sign X-Hub-Signature-256 --key KEY sends, and GitHub too.
var Default = Scheme{
	Alg:       SHA256,
	Signature: Signature{Headers: []string{"X-Hub-Signature-256"}, Prefix: "sha256="},
}
