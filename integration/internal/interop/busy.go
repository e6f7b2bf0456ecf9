package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/suite"
	"github.com/lbha/lbha/integration/internal/witness"
	"golang.org/x/sys/unix"
)

// busyInterval is the shortest that version 3 has.
const busyInterval = 10 * time.Millisecond

// Load is what somebody else does to the machine.
type Load string

// The loads.
const (
	// Compute keeps every processor busy with twice as many processes as there are processors, of ordinary priority.
	Compute Load = "compute"
	// Churn makes and removes network namespaces with links between them, as container hosts do: the kernel's lock for all configuration
	// of networks is held most of the time.
	Churn Load = "churn"
)

// Busy is what a pair at 10 ms did beside a load.
type Busy struct {
	Kind        drive.Kind    `json:"kind"`
	Load        Load          `json:"load"`
	RealTime    bool          `json:"real_time"` // of both; lbha says it, keepalived is configured so
	Length      time.Duration `json:"length"`
	Processors  int           `json:"processors"`
	Adverts     int           `json:"adverts"` // of the master, on the wire
	Gap         time.Duration `json:"gap"`     // longest time between two of them
	P999        time.Duration `json:"p999"`
	Takeovers   int           `json:"takeovers"`   // times that the backup advertised
	Excused     int           `json:"excused"`     // of them, while the machine itself stood still
	Stall       time.Duration `json:"stall"`       // longest time in which it did
	Transitions uint64        `json:"transitions"` // that both count themselves; lbha only
	Late        uint64        `json:"late"`        // adverts that the master knows to have sent late; lbha only
	MaxLate     time.Duration `json:"max_late"`
	Story       string        `json:"story"`
	Logs        []string      `json:"logs,omitempty"` // of a pair that failed
}

// OK reports whether there was no false failover. Nothing is promised without real time, nor beside [Churn]: that is shown.
func (b *Busy) OK() bool {
	if !b.judged() {
		return true
	}
	// Each takeover is at most four transitions: two there, two back.
	return b.Takeovers == b.Excused && b.Transitions <= uint64(4*b.Excused) && b.Adverts > int(b.Length/busyInterval)*9/10
}

func (b *Busy) verdict() string {
	if !b.judged() {
		return "not judged"
	}
	return suite.Verdict(b.OK())
}

func (b *Busy) judged() bool { return b.RealTime && b.Load == Compute }

// Print says what was seen, and what it takes.
func (b *Busy) Print(out io.Writer) {
	fmt.Fprintf(out, "%s at %v for %v beside %s on %d processors: %d takeovers on the wire, %d adverts, longest gap %s ms, p99.9 %s ms: %s\n",
		b.Kind, busyInterval, b.Length, b.Load, b.Processors, b.Takeovers, b.Adverts, ms(b.Gap), ms(b.P999), b.verdict())
	if b.Takeovers > 0 {
		fmt.Fprintf(out, "  who was master when, in seconds: %s\n", b.Story)
	}
	for _, log := range b.Logs {
		fmt.Fprintln(out, log)
	}
	if b.Kind == drive.LBHA {
		fmt.Fprintf(out, "  both together count %d transitions; the master counts %d late adverts, the latest by %s ms; real-time class: %v\n",
			b.Transitions, b.Late, ms(b.MaxLate), b.RealTime)
	}
	if b.Stall > 0 {
		fmt.Fprintf(out, "  the machine itself stood still for up to %s ms, which excuses %d takeovers: a thread above the daemons was as late\n", ms(b.Stall), b.Excused)
	}
	if !b.RealTime {
		fmt.Fprintln(out, "  not judged: the real-time class was not given. It takes CAP_SYS_NICE (and CAP_IPC_LOCK for locked memory), or LimitRTPRIO=50.")
	}
}

// PlayBusy runs a pair of one daemon at 10 ms for a time beside a load.
func PlayBusy(ctx context.Context, kind drive.Kind, binary string, load Load, length time.Duration) (*Busy, error) {
	p, err := startTwins(ctx, "busy", kind, binary, busyInterval)
	if err != nil {
		return nil, err
	}
	defer p.end()
	b := &Busy{Kind: kind, Load: load, RealTime: true, Length: length, Processors: runtime.NumCPU()}
	before, err := b.ask(p.directors)
	if err != nil {
		return nil, err
	}
	w := witness.Start()
	defer w.Stop()
	begin := mono.Now()
	work := spin
	if load == Churn {
		work = churn
	}
	if err := work(ctx, length); err != nil {
		return nil, err
	}
	heard := p.tap.Adverts.Between(begin, mono.Now())
	after, err := b.ask(p.directors)
	if err != nil {
		return nil, err
	}
	b.Transitions, b.Late, b.MaxLate = after.transitions-before.transitions, after.late-before.late, after.maxLate
	b.judge(heard, p.D1.Name, w.Longest)
	b.Stall = w.Longest(begin, mono.Now())
	b.Story = render(Spans(heard, busyInterval), nil, begin, map[string]string{p.D1.Name: "master", p.D2.Name: "backup"})
	for _, d := range p.directors {
		if !b.OK() {
			b.Logs = append(b.Logs, fmt.Sprintf("%s on %s said at last:\n%s", d.Kind, d.Host.Name, tail(d)))
		}
	}
	return b, nil
}

// judge fills in what the wire shows. stood tells for how long the machine stood still in a time.
func (b *Busy) judge(heard []observe.Heard, master string, stood func(from, to mono.Time) time.Duration) {
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
		if s.Host == master {
			continue
		}
		b.Takeovers++
		// Two intervals are lost when a master stands still for longer than that; the backup waits for three and its skew.
		if stood(s.From.Add(-5*busyInterval), s.From) >= 2*busyInterval {
			b.Excused++
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

// settled waits until the first director alone has advertised for some intervals.
func settled(ctx context.Context, tap *observe.Tap, n *netlab.Network, interval time.Duration) error {
	window := max(time.Second, 3*interval)
	deadline := mono.Now().Add(startLimit + 4*interval)
	for mono.Now() < deadline && ctx.Err() == nil {
		time.Sleep(window / 10)
		now := mono.Now()
		own, others := 0, 0
		for _, a := range tap.Adverts.Between(now.Add(-window), now) {
			if a.Host == n.D1.Name {
				own++
			} else {
				others++
			}
		}
		if own >= int(window/interval)*8/10 && others == 0 {
			return nil
		}
	}
	return fmt.Errorf("no single master within %v", startLimit+4*interval)
}

// spin runs processes that compute, for a time. They are sessions of their own with the ordinary priority: the world's is the highest,
// and what starves beside that is the kernel itself.
func spin(ctx context.Context, length time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var running []*exec.Cmd
	for range 2 * runtime.NumCPU() {
		cmd := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("start a busy process: %w", err)
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, cmd.Process.Pid, 0); err != nil {
			return fmt.Errorf("give a busy process the ordinary priority: %w", err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		_ = cmd.Wait() // it is killed when its time is over
	}
	return nil
}

// churn makes and removes networks, for a time.
func churn(ctx context.Context, length time.Duration) error {
	for end := mono.Now().Add(length); mono.Now() < end && ctx.Err() == nil; {
		n, err := netlab.Pair("churn", true)
		if err != nil {
			return err
		}
		n.Close()
	}
	return nil
}
