package setting

import "auth-watchdog/watchdog/secret"

// A Presentation is what it takes to write a request as a caller does.
type Presentation struct {
	// Show returns what stands for a secret that callers send as it is.
	Show func(name string) string

	// Value returns a secret, for signing with it.
	Value func(name string) secret.Value

	// Function is the function's name.
	Function string

	// PublicURL is the URL that callers use, empty if it is not known.
	PublicURL string
}
