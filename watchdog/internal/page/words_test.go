package page

import (
	"testing"
	"time"
)

func TestWaitWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "in 1 second", 0: "in 1 second", time.Millisecond: "in 1 second", 1001 * time.Millisecond: "in 2 seconds",
		40 * time.Second: "in 40 seconds", time.Minute: "in 60 seconds", 61 * time.Second: "in 2 minutes", 15 * time.Minute: "in 15 minutes",
		2 * time.Hour: "in 120 minutes", 2*time.Hour + 1: "in 3 hours",
	} {
		if got := waitWords(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * day: "30 days", day: "1 day", 36 * time.Hour: "36 hours", 90 * time.Minute: "90 minutes", time.Hour: "1 hour", 1500 * time.Millisecond: "2 seconds",
	} {
		if got := length(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
