package main

import (
	"fmt"
	"slices"
)

// median returns the middle one of some numbers, or of two in the middle the
// mean.
func median[T int64 | float64](all []T) T {
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread writes the median of ratios, and between which they lie.
func spread(ratios []float64) string {
	if len(ratios) < 2 {
		return fmt.Sprintf("%.2f", median(ratios))
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}
