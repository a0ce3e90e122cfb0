package hmac

// A Preset is how a known sender signs.
type Preset struct {
	Sender string // who it is
	Source string // where it says so, in Markdown
	Secret string // what goes in the secret

	// Schemes are tried in their order; the first whose signature is present
	// decides.
	Schemes []Scheme

	Example Example // of what it sends, to try a function with; optional
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
