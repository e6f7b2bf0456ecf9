package checkbench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
)

// What is wanted.
const (
	costRatio   = 1.0      // of the processor time of a check, by keepalived's
	memoryBound = 64 << 10 // kB with 10,000 servers, of all processes; what they share counts once
	// delayBound is by how much later, at p99, a probe may be with silent servers among them: the starts of so long a span
	// are gathered.
	delayBound  = 20 * time.Millisecond
	detectBound = 50 * time.Millisecond // after the ideal, at p99
)

// Sample is one run of one daemon.
type Sample struct {
	Checks    int                `json:"checks"`    // that arrived
	Processor time.Duration      `json:"processor"` // of all processes meanwhile
	Resident  int                `json:"resident"`  // kB, the sum of all processes; what they share counts for each
	Share     int                `json:"share"`     // kB, the sum of all processes; what they share counts once
	Shares    map[drive.Part]int `json:"shares"`    // of which each process has so much
	MaxLag    time.Duration      `json:"max_lag,omitempty"`
	Lateness  []time.Duration    `json:"lateness"` // of each probe after the first of its server, in order
}

// cost is the processor time of a check, in microseconds.
func (s Sample) cost() float64 {
	return float64(s.Processor) / float64(s.Checks) / float64(time.Microsecond)
}

func (s Sample) String() string {
	text := fmt.Sprintf("%d checks at %.0f µs; late by %v; %.1f MiB resident, %.1f MiB by share", s.Checks, s.cost(), quantiles(s.Lateness), mib(s.Resident), mib(s.Share))
	for n, part := range slices.Sorted(maps.Keys(s.Shares)) {
		text += fmt.Sprintf("%s %s %.1f", [...]string{":", ","}[min(n, 1)], part, mib(s.Shares[part]))
	}
	if s.MaxLag > 0 {
		text += fmt.Sprintf("; its own worst lag since its start %v", s.MaxLag.Round(100*time.Microsecond))
	}
	return text
}

func mib(kB int) float64 { return float64(kB) / 1024 }

// quantiles of an ordered list, for people: p50 / p99 / max.
func quantiles(ordered []time.Duration) string {
	return fmt.Sprintf("%.1f / %.1f / %.1f ms (p50 / p99 / max)", ms(quantile(ordered, 0.5)), ms(quantile(ordered, 0.99)), ms(quantile(ordered, 1)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile of an ordered list: the least value that so great a part of them does not exceed.
func quantile(ordered []time.Duration, q float64) time.Duration {
	if len(ordered) == 0 {
		return 0
	}
	n := int(float64(len(ordered))*q+0.999999) - 1
	return ordered[min(max(n, 0), len(ordered)-1)]
}

// Row is a load, and what it took each daemon.
type Row struct {
	Load       Load     `json:"load"`
	LBHA       []Sample `json:"lbha"`
	Keepalived []Sample `json:"keepalived"`
}

func (r *Row) add(kind drive.Kind, s Sample) {
	if kind == drive.LBHA {
		r.LBHA = append(r.LBHA, s)
	} else {
		r.Keepalived = append(r.Keepalived, s)
	}
}

// cost is that of all runs together, in microseconds. A user-mode kernel charges whole ticks to whoever runs when they
// come. A daemon that works in step with them, as one does that gathers its probes, is charged all or nothing in a run,
// by the phase in which it was started: of the same load 11 to 177 µs were seen, while the real processor worked the
// same. A sum over phases is right, and a median is not.
func cost(samples []Sample) float64 {
	var all Sample
	for _, s := range samples {
		all.Processor += s.Processor
		all.Checks += s.Checks
	}
	if all.Checks == 0 {
		return 0
	}
	return all.cost()
}

// ratio is that of the costs.
func (r *Row) ratio() float64 {
	theirs := cost(r.Keepalived)
	if theirs == 0 {
		return 0
	}
	return cost(r.LBHA) / theirs
}

// lateness is that of the probes of all runs.
func lateness(samples []Sample) (all []time.Duration) {
	for _, s := range samples {
		all = append(all, s.Lateness...)
	}
	slices.Sort(all)
	return all
}

// values of a figure, in order.
func values(samples []Sample, figure func(Sample) float64) (list []float64) {
	for _, s := range samples {
		list = append(list, figure(s))
	}
	slices.Sort(list)
	return list
}

// median of an even number is the mean of the middle two.
func median(samples []Sample, figure func(Sample) float64) float64 {
	v := values(samples, figure)
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Report is what was found.
type Report struct {
	Rows       []Row           `json:"rows"`
	Kills      int             `json:"kills"`
	LBHA       []time.Duration `json:"lbha_detection"` // by how much later than ideal each dead server was out of the table, in order
	Keepalived []time.Duration `json:"keepalived_detection"`
}

func (r *Report) detected(kind drive.Kind, late []time.Duration) {
	at := &r.LBHA
	if kind == drive.Keepalived {
		at = &r.Keepalived
	}
	*at = append(*at, late...)
	slices.Sort(*at)
}

// Missed says what is not as wanted.
func (r *Report) Missed() (missed []string) {
	var plain *Row
	for i := range r.Rows {
		row := &r.Rows[i]
		if ratio := row.ratio(); row.Load.Silent == 0 && (ratio == 0 || ratio > costRatio) {
			missed = append(missed, fmt.Sprintf("%v: a check costs %.2f of keepalived's", row.Load, ratio))
		}
		if m := median(row.LBHA, func(s Sample) float64 { return float64(s.Share) }); row.Load.Servers >= 10000 && m > memoryBound {
			missed = append(missed, fmt.Sprintf("%v: %.1f MiB", row.Load, m/1024))
		}
		if row.Load.Silent == 0 && row.Load.Type == "tcp" && plain == nil {
			plain = row
		}
		if row.Load.Silent > 0 && plain != nil {
			with, without := quantile(lateness(row.LBHA), 0.99), quantile(lateness(plain.LBHA), 0.99)
			if with > without+delayBound {
				missed = append(missed, fmt.Sprintf("%v: other probes are late by %.1f ms at p99, without them by %.1f ms", row.Load, ms(with), ms(without)))
			}
		}
	}
	if p99 := quantile(r.LBHA, 0.99); r.Kills > 0 && (len(r.LBHA) < r.Kills || p99 > detectBound) {
		missed = append(missed, fmt.Sprintf("dead servers are out %.1f ms later than ideal at p99", ms(p99)))
	}
	return missed
}

// OK reports whether all is as wanted.
func (r *Report) OK() bool { return len(r.Rows) > 0 && len(r.Missed()) == 0 }

// Print writes a table of the loads, a line about detection, and what is not as wanted.
func (r *Report) Print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  load\tdaemon\truns\tµs of processor a check (min–max)\tratio\tprobes late, ms p50/p99/max\tMiB of all processes (resident)")
	for i := range r.Rows {
		row := &r.Rows[i]
		for _, side := range []struct {
			kind    drive.Kind
			samples []Sample
			ratio   string
		}{{drive.LBHA, row.LBHA, fmt.Sprintf("%.2f", row.ratio())}, {drive.Keepalived, row.Keepalived, ""}} {
			costs, late := values(side.samples, Sample.cost), lateness(side.samples)
			if len(costs) == 0 {
				continue
			}
			fmt.Fprintf(w, "  %v\t%s\t%d\t%.0f (%.0f–%.0f)\t%s\t%.1f / %.1f / %.1f\t%.1f (%.1f)\n", row.Load, side.kind, len(side.samples),
				cost(side.samples), costs[0], costs[len(costs)-1], side.ratio,
				ms(quantile(late, 0.5)), ms(quantile(late, 0.99)), ms(quantile(late, 1)),
				median(side.samples, func(s Sample) float64 { return mib(s.Share) }), median(side.samples, func(s Sample) float64 { return mib(s.Resident) }))
		}
	}
	w.Flush()
	for _, side := range []struct {
		kind drive.Kind
		late []time.Duration
	}{{drive.LBHA, r.LBHA}, {drive.Keepalived, r.Keepalived}} {
		if len(side.late) > 0 {
			fmt.Fprintf(out, "  %s: %d servers killed, each out of the table later than ideal by %s\n", side.kind, len(side.late), quantiles(side.late))
		}
	}
	verdict := "ok"
	if missed := r.Missed(); len(missed) > 0 {
		verdict = "FAILED: " + strings.Join(missed, "; ")
	}
	fmt.Fprintf(out, "  wanted: ≤ %.1f of keepalived's processor time a check; ≤ %d MiB with 10,000 servers, what processes share counted once; no probe later for silent servers; dead servers out within %v of the ideal at p99: %s\n",
		costRatio, memoryBound>>10, detectBound, verdict)
}
