package main

import (
	"math/bits"
	"time"
)

// subBuckets is how many buckets each power of two has: a latency is off by
// less than a sixty-fourth.
const (
	subBits    = 6
	subBuckets = 1 << subBits
)

// A histogram counts latencies.
type histogram struct {
	buckets [(64 - subBits + 1) * subBuckets]int
	total   int
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(uint64(max(d, 0)))]++ //nolint:gosec // not negative
	h.total++
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.total += o.total
}

// percentile returns the latency within which p percent of the answers came.
func (h *histogram) percentile(p float64) time.Duration {
	rank := int(p/100*float64(h.total) + 0.5)
	seen := 0
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen >= rank {
			return lowest(i)
		}
	}
	return 0
}

// bucketOf returns the bucket of a number. Numbers below subBuckets have one
// each; from there on every power of two has subBuckets of them.
func bucketOf(n uint64) int {
	shift := max(bits.Len64(n)-subBits-1, 0)
	return shift<<subBits + int(n>>shift) //nolint:gosec // below 2*subBuckets
}

// lowest returns the smallest number of a bucket.
func lowest(bucket int) time.Duration {
	shift := max(bucket>>subBits-1, 0)
	return time.Duration(bucket-shift<<subBits) << shift
}
