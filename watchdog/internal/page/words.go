package page

import (
	"strconv"
	"time"
)

const day = 24 * time.Hour

// ceil is how many units cover d.
func ceil(d, unit time.Duration) int { return int((d + unit - 1) / unit) }

// count keeps a number and its unit on one line.
func count(n int, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return strconv.Itoa(n) + "\u00a0" + unit
}

// waitWords says when a wait is over, and never too early: in 40 seconds, in 2
// minutes.
func waitWords(d time.Duration) string {
	switch {
	case d <= time.Minute:
		return "in " + count(max(1, ceil(d, time.Second)), "second")
	case d <= 2*time.Hour:
		return "in " + count(ceil(d, time.Minute), "minute")
	default:
		return "in " + count(ceil(d, time.Hour), "hour")
	}
}

// length says how long something lasts, in the largest unit that is exact.
func length(d time.Duration) string {
	switch {
	case d%day == 0:
		return count(int(d/day), "day")
	case d%time.Hour == 0:
		return count(int(d/time.Hour), "hour")
	case d%time.Minute == 0:
		return count(int(d/time.Minute), "minute")
	default:
		return count(ceil(d, time.Second), "second")
	}
}
