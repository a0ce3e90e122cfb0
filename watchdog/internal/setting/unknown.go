package setting

import (
	"fmt"
	"slices"
)

// Unknown says that there is no such name among names of a kind, and which one
// may have been meant.
func Unknown(kind, name string, names []string) error {
	best, distance := "", len(name)/2+1
	for _, n := range slices.Sorted(slices.Values(names)) {
		if d := editDistance(name, n); d < distance {
			best, distance = n, d
		}
	}
	if best == "" {
		return fmt.Errorf("there is no such %s", kind)
	}
	return fmt.Errorf("there is no such %s; did you mean %s?", kind, best)
}

// editDistance is how many letters have to be changed to get from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
