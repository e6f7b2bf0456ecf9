package scale

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/suite"
)

// Options is what the caller may choose. It crosses into the world as JSON.
type Options struct {
	Runs   int    `json:"runs"` // of each daemon
	Binary string `json:"binary"`
	Alone  bool   `json:"alone"` // without keepalived
}

// Sizes of the run beside keepalived, and of the one of lbha alone.
var (
	beside = Size{Services: 1000, Each: 10, Check: 10 * time.Second}
	alone  = Size{Services: 5000, Each: 10}
)

// What is wanted of the reload that adds a server: of SIGHUP, to be compared with keepalived's, which knows no other way, and of the command
// as well, which keepalived has not.
const (
	reloadRatio = 0.05
	reloadBound = time.Second
)

// Report is what was found.
type Report struct {
	suite.Where
	Beside     Size     `json:"beside"`
	LBHA       []Sample `json:"lbha"`
	Keepalived []Sample `json:"keepalived"`
	Alone      Size     `json:"alone"`
	Huge       Sample   `json:"huge"`
}

// Run measures both daemons in turn, and then lbha alone with more servers than keepalived is asked to carry.
func Run(ctx context.Context, o Options, say func(string, ...any)) (*Report, error) {
	b, err := build(o.Binary, say)
	if err != nil {
		return nil, err
	}
	r := &Report{Beside: beside, Alone: alone}
	kinds := []drive.Kind{drive.LBHA, drive.Keepalived}
	if o.Alone {
		kinds = kinds[:1]
	}
	say("%v: %d runs each, in turn", beside, o.Runs)
	for range o.Runs {
		for _, kind := range kinds {
			s, err := b.measure(ctx, kind, beside, kind == drive.LBHA)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kind, err)
			}
			say("  %-10s %v", kind, s)
			if kind == drive.LBHA {
				r.LBHA = append(r.LBHA, s)
			} else {
				r.Keepalived = append(r.Keepalived, s)
			}
		}
	}
	say("%v: lbha", alone)
	if r.Huge, err = b.measure(ctx, drive.LBHA, alone, true); err != nil {
		return nil, fmt.Errorf("%v: %w", alone, err)
	}
	say("  %-10s %v", drive.LBHA, r.Huge)
	return r, nil
}

func (s Sample) String() string {
	text := fmt.Sprintf("full after %s; SIGHUP: server in after %s, processor %s, no check for %s, %d servers removed; %.1f MB, then %.1f MB",
		seconds(s.Full), seconds(s.Reload), seconds(s.Processor), seconds(s.Unchecked), s.Lost, float64(s.Memory)/1024, float64(s.After)/1024)
	if s.Command > 0 {
		text += fmt.Sprintf("; `lbha reload` took %s, verification included", seconds(s.Command))
	}
	if s.Repair > 0 {
		text += fmt.Sprintf("; repaired after %s, of which %s to write", seconds(s.Repair), seconds(s.Fill))
	}
	return text
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// median of a figure of several runs; of an even number the greater of the middle two.
func median(samples []Sample, figure func(Sample) float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	var values []float64
	for _, s := range samples {
		values = append(values, figure(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func reload(s Sample) float64  { return s.Reload.Seconds() }
func command(s Sample) float64 { return s.Command.Seconds() }

// OK reports whether the reload is as quick as wanted, and whether nothing was removed by it.
func (r *Report) OK() bool {
	for _, s := range append(slices.Clone(r.LBHA), r.Huge) {
		if s.Lost > 0 || s.Repair == 0 || s.Command == 0 {
			return false
		}
	}
	ours, theirs := median(r.LBHA, reload), median(r.Keepalived, reload)
	return len(r.LBHA) > 0 && max(ours, median(r.LBHA, command)) < reloadBound.Seconds() && (len(r.Keepalived) == 0 || ours <= reloadRatio*theirs)
}

// Print writes the figures of both daemons, and those of lbha alone.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "%v; kernel %s (%s), medians of %d and %d runs\n", r.Beside, r.Kernel, r.World, len(r.LBHA), len(r.Keepalived))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  \tlbha\tkeepalived\tratio")
	for _, row := range []struct {
		name   string
		figure func(Sample) float64
	}{
		{"start to a full table, s", func(s Sample) float64 { return s.Full.Seconds() }},
		{"SIGHUP to the added server in the table, s", reload},
		{"`lbha reload`, with verification, s", command},
		{"its cost, s of processor", func(s Sample) float64 { return s.Processor.Seconds() }},
		{"longest time without any check, s", func(s Sample) float64 { return s.Unchecked.Seconds() }},
		{"servers that it removed", func(s Sample) float64 { return float64(s.Lost) }},
		{"memory at rest, MB", func(s Sample) float64 { return float64(s.Memory) / 1024 }},
		{"memory after the reload, MB", func(s Sample) float64 { return float64(s.After) / 1024 }},
		{"table cleared to whole again, s", func(s Sample) float64 { return s.Repair.Seconds() }},
	} {
		ours, theirs := median(r.LBHA, row.figure), median(r.Keepalived, row.figure)
		ratio := ""
		if theirs > 0 {
			ratio = fmt.Sprintf("%.3f", ours/theirs)
		}
		fmt.Fprintf(w, "  %s\t%.2f\t%.2f\t%s\n", row.name, ours, theirs, ratio)
	}
	w.Flush()
	fmt.Fprintf(out, "%v, lbha alone: %v\n", r.Alone, r.Huge)
	fmt.Fprintf(out, "%s: from SIGHUP to the new server in the table at most %.2f of keepalived's time, from the same to the same; that, and `lbha reload` with its verification, within %v; nothing may be removed; a cleared table must come back\n",
		suite.Verdict(r.OK()), reloadRatio, reloadBound)
}
