package healthcheck

import "container/heap"

// A queue orders jobs by their time; the earliest is first. A job is in one
// queue at most, and knows its place in it.
type queue []*job

func (q *queue) add(j *job) {
	j.queue = q
	heap.Push((*byTime)(q), j)
}

func (q *queue) remove(j *job) {
	heap.Remove((*byTime)(q), j.place)
	j.queue = nil
}

// byTime makes a queue a [heap.Interface].
type byTime []*job

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(i, k int) bool { return h[i].at.Before(h[k].at) }

func (h byTime) Swap(i, k int) {
	h[i], h[k] = h[k], h[i]
	h[i].place, h[k].place = i, k
}

func (h *byTime) Push(x any) {
	j := x.(*job)
	j.place = len(*h)
	*h = append(*h, j)
}

func (h *byTime) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return j
}
