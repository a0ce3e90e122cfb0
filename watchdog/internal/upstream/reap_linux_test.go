package upstream

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestReap leaves an orphan, which is ours as it would be process 1's.
func TestReap(t *testing.T) {
	const subreaper = 36 // PR_SET_CHILD_SUBREAPER
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, subreaper, 1, 0); errno != 0 {
		t.Fatal(errno)
	}
	defer func() { _, _, _ = syscall.Syscall(syscall.SYS_PRCTL, subreaper, 0, 0) }()
	if err := exec.Command("sh", "-c", "true & exit 0").Run(); err != nil {
		t.Fatal(err)
	}
	for len(zombies(os.Getpid())) == 0 {
		time.Sleep(time.Millisecond) // nothing tells when the orphan has ended
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		reap(ctx, 5*time.Millisecond)
	}()
	for len(zombies(os.Getpid())) > 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
}
