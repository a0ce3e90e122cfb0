package auth

// An Explainer is a [Method] that can say how it judges a request, for people
// who wonder why theirs is refused. It is asked offline only: what it says
// would help whoever guesses at a credential.
type Explainer interface {
	// Explain judges r as Authenticate would. It never says a secret, nor what
	// would have been right in place of what is wrong.
	Explain(r *Request) Explanation
}

// An Explanation is how a method came to its word.
type Explanation struct {
	Facts  []Fact   // what was looked for and found, in that order
	Causes []string // what is likely wrong and what to do about it, likeliest first
}

// A Fact is one thing that was found out about a request.
type Fact struct {
	Name  string // of a closed set: small letters and _
	Value string
}

// Add adds a fact.
func (e *Explanation) Add(name, value string) { e.Facts = append(e.Facts, Fact{name, value}) }
