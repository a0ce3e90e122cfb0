package secret

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// asNobody runs f as a user who may not read everything.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked, so that the thread ends here
		const nobody = 65534
		if err := syscall.Setfsuid(nobody); err != nil {
			done <- err
			return
		}
		f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
