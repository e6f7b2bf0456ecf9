package observe

import (
	"sync/atomic"
	"time"
)

// latencyBounds are the upper bounds of the buckets of a [Histogram], a last one without a bound apart.
var latencyBounds = [...]time.Duration{
	time.Millisecond / 2, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Histogram counts latencies. One goroutine observes while others take pictures; it costs two additions.
type Histogram struct {
	counts [len(latencyBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

// Observe counts a latency.
func (h *Histogram) Observe(d time.Duration) {
	bucket := 0
	for bucket < len(latencyBounds) && d > latencyBounds[bucket] {
		bucket++
	}
	h.counts[bucket].Add(1)
	h.sum.Add(int64(d))
}

// Latencies returns a picture of the histogram.
func (h *Histogram) Latencies() Latencies {
	l := Latencies{Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		n := h.counts[i].Load()
		l.Count += n
		if n == 0 {
			continue
		}
		b := Bucket{Count: n}
		if i < len(latencyBounds) {
			b.UpTo = latencyBounds[i]
		}
		l.Buckets = append(l.Buckets, b)
	}
	return l
}

// Latencies is a picture of a [Histogram].
type Latencies struct {
	Count   uint64        `json:"count"`
	Sum     time.Duration `json:"sum_ns"`
	Buckets []Bucket      `json:"buckets,omitempty"` // those that are not empty, the quickest first
}

// Bucket is how many latencies were above the bound of the bucket before it, and not above its own.
type Bucket struct {
	UpTo  time.Duration `json:"up_to_ns,omitempty"` // 0: no bound
	Count uint64        `json:"count"`
}

// cumulative returns what Prometheus wants: for each bound in seconds, how many are not above it.
func (l Latencies) cumulative() map[float64]uint64 {
	buckets := make(map[float64]uint64, len(latencyBounds))
	next, total := 0, uint64(0)
	for _, bound := range latencyBounds {
		if next < len(l.Buckets) && l.Buckets[next].UpTo == bound {
			total += l.Buckets[next].Count
			next++
		}
		buckets[bound.Seconds()] = total
	}
	return buckets
}
