//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// lacking says why there is no engine; what to do about it stands there too.
var lacking string

// work is a folder for what all tests share.
var work string

// atEnd ends what all tests share.
var atEnd []func()

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	images, err := baseImages()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if !inBox() {
		if reason := foreignEngine(ctx, images); reason != "" {
			fmt.Printf("not the engine at %s: %s\n", engineHost(), reason)
			code, err := runInBox(ctx)
			if err == nil {
				return code
			}
			lacking = err.Error()
			return m.Run()
		}
		return runWith(m)
	}
	stop, err := startBox(ctx)
	if err != nil {
		lacking = err.Error()
		return m.Run()
	}
	defer stop()
	for image, err := range makeImages(ctx, images) {
		fmt.Fprintf(os.Stderr, "no image %s: %v\n", image, err)
	}
	return runWith(m)
}

// runWith runs the tests with the engine that there is now.
func runWith(m *testing.M) int {
	var err error
	if work, err = os.MkdirTemp("", "auth-watchdog-e2e-*"); err == nil {
		// The engine's bind mounts have other users.
		err = os.Chmod(work, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		for _, end := range atEnd {
			end()
		}
		os.RemoveAll(work)
	}()
	return m.Run()
}

// needEngine skips a test where there is none, which ./test/run lists, and
// fails it in CI.
func needEngine(t *testing.T) {
	t.Helper()
	notHere(t, lacking)
}

func notHere(t *testing.T, reason string) {
	t.Helper()
	switch {
	case reason == "":
	case os.Getenv("CI") == "true":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// eventually waits for what an engine does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("in a minute there was not: %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
