//go:build !linux

package secret

import (
	"os"
	"testing"
)

// asNobody runs f as a user who may not read everything.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() == 0 {
		t.Skip("root reads every file")
	}
	f()
}
