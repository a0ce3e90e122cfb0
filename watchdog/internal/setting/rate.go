package setting

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// A Rate is how often something may happen: Count times in each Per, evenly, and
// Burst times at once after a pause. The zero value is no bound.
type Rate struct {
	Count int
	Per   time.Duration
	Burst int
}

// IsZero reports whether there is no bound.
func (r Rate) IsZero() bool { return r.Count == 0 }

// Every is how long it takes until it may happen once more.
func (r Rate) Every() time.Duration { return r.Per / time.Duration(r.Count) }

// String is the rate as it is written, with its burst.
func (r Rate) String() string {
	for unit, per := range rateUnits {
		if per == r.Per {
			return fmt.Sprintf("%d/%s burst %d", r.Count, unit, r.Burst)
		}
	}
	return ""
}

var rateUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// mostAtOnce is the largest number of a rate.
const mostAtOnce = 1_000_000

// RateOf is a rate, "10/m" or "10/m burst 5". Without a burst it is the count:
// what may come in a whole second, minute or hour may come at its beginning.
func RateOf(p *Rate) Value {
	want := fmt.Sprintf("a rate such as 10/s, 10/m or 10/h, or 10/m burst 5, with numbers from 1 to %d", mostAtOnce)
	return value[Rate]{p, want, func(s string) (Rate, bool) {
		parts := regexp.MustCompile(`^([1-9][0-9]*)/([smh])(?: burst ([1-9][0-9]*))?$`).FindStringSubmatch(s)
		if parts == nil {
			return Rate{}, false
		}
		if parts[3] == "" {
			parts[3] = parts[1]
		}
		count, errCount := strconv.Atoi(parts[1])
		burst, errBurst := strconv.Atoi(parts[3])
		ok := errCount == nil && errBurst == nil && count <= mostAtOnce && burst <= mostAtOnce
		return Rate{count, rateUnits[parts[2]], burst}, ok
	}}
}
