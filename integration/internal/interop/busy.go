package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
)

// busyInterval is the shortest that version 3 has.
const busyInterval = 10 * time.Millisecond

// Busy is what a pair at 10 ms did while every processor was kept busy by somebody else.
type Busy struct {
	Kind        drive.Kind    `json:"kind"`
	RealTime    bool          `json:"real_time"` // of both; lbha says it, keepalived is configured so
	Length      time.Duration `json:"length"`
	Spinners    int           `json:"spinners"` // processes that did nothing but compute
	Processors  int           `json:"processors"`
	Adverts     int           `json:"adverts"` // of the master, on the wire
	Gap         time.Duration `json:"gap"`     // longest time between two of them
	P999        time.Duration `json:"p999"`
	Takeovers   int           `json:"takeovers"`   // times that the backup advertised
	Transitions uint64        `json:"transitions"` // that both count themselves; lbha only
	Late        uint64        `json:"late"`        // adverts that the master knows to have sent late; lbha only
	MaxLate     time.Duration `json:"max_late"`
}

// OK reports whether there was no false failover. Without real time nothing is promised.
func (b *Busy) OK() bool {
	return !b.RealTime || b.Takeovers == 0 && b.Transitions == 0 && b.Adverts > int(b.Length/busyInterval)*9/10
}

// Print says what was seen, and what it takes.
func (b *Busy) Print(out io.Writer) {
	fmt.Fprintf(out, "%s at %v for %v beside %d busy processes on %d processors: %d takeovers on the wire, %d adverts, longest gap %s ms, p99.9 %s ms: %s\n",
		b.Kind, busyInterval, b.Length, b.Spinners, b.Processors, b.Takeovers, b.Adverts, ms(b.Gap), ms(b.P999), verdict(b.OK()))
	if b.Kind == drive.LBHA {
		fmt.Fprintf(out, "  both together count %d transitions; the master counts %d late adverts, the latest by %s ms; real-time class: %v\n",
			b.Transitions, b.Late, ms(b.MaxLate), b.RealTime)
	}
	if !b.RealTime {
		fmt.Fprintln(out, "  not judged: the real-time class was not given. It takes CAP_SYS_NICE (and CAP_IPC_LOCK for locked memory), or LimitRTPRIO=50.")
	}
}

// PlayBusy runs a pair of one daemon at 10 ms for a time while twice as many processes as there are processors compute.
func PlayBusy(ctx context.Context, kind drive.Kind, binary string, length time.Duration) (*Busy, error) {
	n, err := netlab.Pair("busy", false)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	tap, err := observe.Listen(n)
	if err != nil {
		return nil, err
	}
	defer tap.Close()
	cell := Cell{First: kind, Second: kind, Version: 3}
	var directors []*drive.Director
	for _, side := range []struct {
		host     *netlab.Host
		priority int
	}{{n.D1, priorityFirst}, {n.D2, prioritySecond}} {
		router := cell.timing(side.priority)
		router.Interval = busyInterval
		d, err := drive.New(kind, side.host, binary, drive.Settings{Name: side.host.Name, Routers: []drive.Router{router}})
		if err != nil {
			return nil, err
		}
		defer d.Kill()
		if err := d.Start(); err != nil {
			return nil, err
		}
		directors = append(directors, d)
	}
	if err := settled(ctx, tap, n); err != nil {
		return nil, err
	}
	b := &Busy{Kind: kind, RealTime: true, Length: length, Processors: runtime.NumCPU(), Spinners: 2 * runtime.NumCPU()}
	before, err := b.ask(directors)
	if err != nil {
		return nil, err
	}
	begin := mono.Now()
	if err := spin(ctx, b.Spinners, length); err != nil {
		return nil, err
	}
	heard := tap.Adverts.Between(begin, mono.Now())
	after, err := b.ask(directors)
	if err != nil {
		return nil, err
	}
	b.Transitions, b.Late, b.MaxLate = after.transitions-before.transitions, after.late-before.late, after.maxLate
	b.judge(heard, n.D1.Name)
	return b, nil
}

// judge fills in what the wire shows.
func (b *Busy) judge(heard []observe.Heard, master string) {
	var gaps []time.Duration
	last := mono.Time(0)
	for _, a := range heard {
		if a.Host != master || a.Priority == 0 {
			continue
		}
		if last != 0 {
			gaps = append(gaps, a.At.Sub(last))
		}
		last = a.At
		b.Adverts++
	}
	for _, s := range Spans(heard, busyInterval) {
		if s.Host != master {
			b.Takeovers++
		}
	}
	if len(gaps) > 0 {
		slices.Sort(gaps)
		b.Gap, b.P999 = gaps[len(gaps)-1], gaps[len(gaps)*999/1000]
	}
}

type counts struct {
	transitions, late uint64
	maxLate           time.Duration
}

// ask sums up what both directors count, if they do.
func (b *Busy) ask(directors []*drive.Director) (c counts, err error) {
	for i, d := range directors {
		status, err := d.Status()
		if errors.Is(err, drive.ErrNotOffered) {
			return counts{}, nil
		}
		if err != nil {
			return counts{}, err
		}
		if len(status.Instances) != 1 {
			return counts{}, fmt.Errorf("%s has %d instances, not one", d.Host.Name, len(status.Instances))
		}
		b.RealTime = b.RealTime && status.Elector.RealTime
		c.transitions += status.Instances[0].Transitions
		if i == 0 {
			c.late, c.maxLate = status.Instances[0].Late, status.Instances[0].MaxLate
		}
	}
	return c, nil
}

// settled waits until the first director alone has advertised for a second.
func settled(ctx context.Context, tap *observe.Tap, n *netlab.Network) error {
	deadline := mono.Now().Add(startLimit)
	for mono.Now() < deadline && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
		now := mono.Now()
		own, others := 0, 0
		for _, a := range tap.Adverts.Between(now.Add(-time.Second), now) {
			if a.Host == n.D1.Name {
				own++
			} else {
				others++
			}
		}
		if own >= 80 && others == 0 {
			return nil
		}
	}
	return fmt.Errorf("no single master within %v", startLimit)
}

// spin runs processes that compute, for a time.
func spin(ctx context.Context, processes int, length time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var running []*exec.Cmd
	for range processes {
		cmd := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("start a busy process: %w", err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		_ = cmd.Wait() // it is killed when its time is over
	}
	return nil
}
