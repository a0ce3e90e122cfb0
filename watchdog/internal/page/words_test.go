package page

import (
	"testing"
	"time"
)

func TestWaitWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "in 1\u00a0second", 0: "in 1\u00a0second", time.Millisecond: "in 1\u00a0second", 1001 * time.Millisecond: "in 2\u00a0seconds",
		40 * time.Second: "in 40\u00a0seconds", time.Minute: "in 60\u00a0seconds", 61 * time.Second: "in 2\u00a0minutes", 15 * time.Minute: "in 15\u00a0minutes",
		2 * time.Hour: "in 120\u00a0minutes", 2*time.Hour + 1: "in 3\u00a0hours",
	} {
		if got := waitWords(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * day: "30\u00a0days", day: "1\u00a0day", 36 * time.Hour: "36\u00a0hours", 90 * time.Minute: "90\u00a0minutes", time.Hour: "1\u00a0hour", 1500 * time.Millisecond: "2\u00a0seconds",
	} {
		if got := length(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
