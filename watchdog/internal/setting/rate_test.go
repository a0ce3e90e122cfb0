package setting

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	for text, want := range map[string]struct {
		Rate
		every time.Duration
		text  string
	}{
		"1/s":                      {Rate{1, time.Second, 1}, time.Second, "1/s burst 1"},
		"10/m":                     {Rate{10, time.Minute, 10}, 6 * time.Second, "10/m burst 10"},
		"10/m burst 5":             {Rate{10, time.Minute, 5}, 6 * time.Second, "10/m burst 5"},
		"3/h burst 20":             {Rate{3, time.Hour, 20}, 20 * time.Minute, "3/h burst 20"},
		"1000000/s":                {Rate{1_000_000, time.Second, 1_000_000}, time.Microsecond, "1000000/s burst 1000000"},
		"1/h burst 1000000":        {Rate{1, time.Hour, 1_000_000}, time.Hour, "1/h burst 1000000"},
		"":                         {},
		"10":                       {},
		"0/s":                      {},
		"-1/s":                     {},
		"+1/s":                     {},
		"01/s":                     {},
		"1.5/s":                    {},
		"10/d":                     {},
		"10/min":                   {},
		"10/S":                     {},
		"10 / m":                   {},
		" 10/m":                    {},
		"10/m ":                    {},
		"10/m\n":                   {},
		"10/m burst":               {},
		"10/m burst 0":             {},
		"10/m burst -5":            {},
		"10/m  burst 5":            {},
		"10/m burst 5 burst 6":     {},
		"10/m, burst 5":            {},
		"1000001/s":                {},
		"1/s burst 1000001":        {},
		"99999999999999999999/s":   {},
		"1/s burst 99999999999999": {},
		"10/m burst ٥":             {},
	} {
		t.Run(text, func(t *testing.T) {
			var got Rate
			err := RateOf(&got).Set(text)
			if want.text == "" {
				if err == nil || err.Error() != "want a rate such as 10/s, 10/m or 10/h, or 10/m burst 5, with numbers from 1 to 1000000" || !got.IsZero() {
					t.Errorf("got %+v and %v, want the form", got, err)
				}
				return
			}
			if err != nil || got != want.Rate || got.Every() != want.every || got.String() != want.text || got.IsZero() {
				t.Errorf("got %+v, every %v, %q and %v, want %+v", got, got.Every(), got.String(), err, want)
			}
		})
	}
}
