package auth

import (
	"fmt"
	"slices"
)

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
	Name  string `json:"name"` // of a closed set: small letters and _
	Value string `json:"value"`
}

// Add adds a fact.
func (e *Explanation) Add(name, value string) { e.Facts = append(e.Facts, Fact{name, value}) }

// Likely adds a cause, once.
func (e *Explanation) Likely(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(e.Causes, text) {
		e.Causes = append(e.Causes, text)
	}
}
