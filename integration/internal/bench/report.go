package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
)

// Sample is one run.
type Sample struct {
	Phase       float64       `json:"phase"` // of the interval after an advert, at which it happened
	Gap         time.Duration `json:"gap"`   // longest time without an answer, UDP at 1 kHz
	Lost        int           `json:"lost"`  // datagrams
	Connections int           `json:"connections"`
	Stall       time.Duration `json:"stall"`                 // longest time in which the client itself stood still
	FromAdvert  time.Duration `json:"from_advert,omitempty"` // crash: from the last advert to the first answer
}

// Series is one event at one interval, with the samples of both daemons.
type Series struct {
	Event      string        `json:"event"`
	Interval   time.Duration `json:"interval"`
	Want       float64       `json:"want"` // the ratio of medians, at most
	LBHA       []Sample      `json:"lbha"`
	Keepalived []Sample      `json:"keepalived"`
}

func (s *Series) add(kind drive.Kind, sample Sample) {
	if kind == drive.LBHA {
		s.LBHA = append(s.LBHA, sample)
	} else {
		s.Keepalived = append(s.Keepalived, sample)
	}
}

// Report is what a bench found.
type Report struct {
	Kernel string   `json:"kernel"`
	World  string   `json:"world"`
	Series []Series `json:"series"`
}

// Figure is one quantity of a series: median, least and greatest.
type Figure struct{ Median, Min, Max time.Duration }

// figure takes a quantity out of samples. The median of an even number is the mean of the middle two.
func figure(samples []Sample, quantity func(Sample) time.Duration) Figure {
	if len(samples) == 0 {
		return Figure{}
	}
	var values []time.Duration
	for _, s := range samples {
		values = append(values, quantity(s))
	}
	slices.Sort(values)
	n := len(values)
	return Figure{Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1]}
}

func gap(s Sample) time.Duration { return s.Gap }

// Ratio is lbha's median gap by keepalived's.
func (s *Series) Ratio() float64 {
	a, b := figure(s.LBHA, gap), figure(s.Keepalived, gap)
	if b.Median == 0 {
		return 0
	}
	return float64(a.Median) / float64(b.Median)
}

// OK reports whether the ratio is as wanted.
func (s *Series) OK() bool { return len(s.LBHA) > 0 && len(s.Keepalived) > 0 && s.Ratio() <= s.Want }

// OK reports whether every ratio is as wanted.
func (r *Report) OK() bool {
	for i := range r.Series {
		if !r.Series[i].OK() {
			return false
		}
	}
	return true
}

func (s *Series) line() string {
	return fmt.Sprintf("ratio of medians %.3f (want ≤ %.2f): %s", s.Ratio(), s.Want, verdict(s.OK()))
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAILED"
}

// Print writes the table.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "client outage in ms, UDP at 1 kHz; kernel %s (%s)\n\n", r.Kernel, r.World)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "event\tinterval\truns\tlbha median (min–max)\tkeepalived median (min–max)\tratio\twant\tverdict")
	for i := range r.Series {
		s := &r.Series[i]
		fmt.Fprintf(w, "%s\t%v\t%d\t%v\t%v\t%.3f\t≤ %.2f\t%s\n", s.Event, s.Interval, len(s.LBHA),
			figure(s.LBHA, gap), figure(s.Keepalived, gap), s.Ratio(), s.Want, verdict(s.OK()))
	}
	w.Flush()
	fmt.Fprintln(out, "\ncrash: every process of the master killed and its cable out; stop: SIGTERM. From the last advert to the first answer:")
	for i := range r.Series {
		s := &r.Series[i]
		if s.Event != crash.name {
			continue
		}
		from := func(s Sample) time.Duration { return s.FromAdvert }
		fmt.Fprintf(out, "  at %v: lbha %v, keepalived %v\n", s.Interval, figure(s.LBHA, from), figure(s.Keepalived, from))
	}
}

func (f Figure) String() string {
	return fmt.Sprintf("%s (%s–%s)", ms(f.Median), ms(f.Min), ms(f.Max))
}

// ms renders a duration as a number of milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
