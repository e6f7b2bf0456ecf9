package interop

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
)

// Span is a time in which one host advertised without a gap, and did not resign.
type Span struct {
	Host string    `json:"host"`
	From mono.Time `json:"from"` // first advertisement
	To   mono.Time `json:"to"`   // last one
}

// Spans finds who was master when. A host that is silent for more than two and a half intervals, or says priority 0, is master no more.
func Spans(adverts []observe.Heard, interval time.Duration) (list []Span) {
	silence := interval * 5 / 2
	last := map[string]int{} // host → index of its open span
	for _, a := range adverts {
		i, open := last[a.Host]
		if open && a.At.Sub(list[i].To) > silence {
			open = false
		}
		switch {
		case a.Priority == 0:
			delete(last, a.Host)
		case open:
			list[i].To = a.At
		default:
			last[a.Host] = len(list)
			list = append(list, Span{Host: a.Host, From: a.At, To: a.At})
		}
	}
	slices.SortFunc(list, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	return list
}

// Deed is something that was done to the pair.
type Deed struct {
	At   mono.Time `json:"at"`
	What string    `json:"what"`
}

// mostEntries is how long a line of render may become.
const mostEntries = 40

// render writes spans and deeds in a line, in seconds since the begin: "lbha 0.41–1.32, kill 1.33, keepalived 1.69–2.90". names translates
// hosts.
func render(spans []Span, deeds []Deed, begin mono.Time, names map[string]string) string {
	type entry struct {
		at   mono.Time
		text string
	}
	var entries []entry
	seconds := func(t mono.Time) string { return fmt.Sprintf("%.2f", t.Sub(begin).Seconds()) }
	for _, s := range spans {
		entries = append(entries, entry{s.From, names[s.Host] + " " + seconds(s.From) + "–" + seconds(s.To)})
	}
	for _, d := range deeds {
		entries = append(entries, entry{d.At, "[" + d.What + " " + seconds(d.At) + "]"})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	var texts []string
	for _, e := range entries {
		texts = append(texts, e.text)
	}
	if more := len(texts) - mostEntries; more > 0 {
		texts = append(texts[:mostEntries], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, " ")
}

// silence is the longest time in [from, to] in which nobody was heard to be master.
func silence(adverts []observe.Heard, from, to mono.Time) (longest time.Duration) {
	last := mono.Time(0)
	for _, a := range adverts {
		if a.Priority == 0 || a.At < from || a.At > to {
			continue
		}
		if last != 0 {
			longest = max(longest, a.At.Sub(last))
		}
		last = a.At
	}
	return longest
}

// lastBefore returns a host's last advertisement with a priority in [from, to], or 0.
func lastBefore(adverts []observe.Heard, host string, from, to mono.Time) (last mono.Time) {
	for _, a := range adverts {
		if a.Host == host && a.Priority != 0 && a.At >= from && a.At <= to {
			last = a.At
		}
	}
	return last
}

// firstAfter returns a host's first advertisement after a moment that keep accepts, or 0.
func firstAfter(adverts []observe.Heard, host string, after mono.Time, keep func(priority uint8) bool) mono.Time {
	for _, a := range adverts {
		if a.Host == host && a.At > after && keep(a.Priority) {
			return a.At
		}
	}
	return 0
}

func resigns(priority uint8) bool  { return priority == 0 }
func isMaster(priority uint8) bool { return priority != 0 }

// sourceOf returns the address that a host advertises from.
func sourceOf(adverts []observe.Heard, host string) (source netip.Addr) {
	for _, a := range adverts {
		if a.Host == host && a.Priority != 0 {
			source = a.Source
		}
	}
	return source
}
