package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/harm"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Lab is the network of the drill, in a world of its own. It can do all that the language can say.
type Lab struct {
	stage    *stage.Stage
	binary   string
	scenario *script.Scenario
	pair     stage.Pair // what is on the stage
	alone    bool       // nobody else runs on this kernel
	say      func(string, ...any)
	harm     *harm.Site
}

// NewLab sets the stage. On a kernel where it is alone, scenarios may do what concerns everything that runs on it.
func NewLab(self, binary string, alone bool, say func(string, ...any)) (*Lab, error) {
	s, err := stage.Set(self, say)
	if err != nil {
		return nil, err
	}
	l := &Lab{stage: s, binary: binary, alone: alone, say: say}
	l.harm = &harm.Site{Net: s.Net, Self: self, Processes: l.processes, Disk: stage.DiskOf}
	return l, nil
}

// Planned is the lab before it is there, to ask what it can play.
func Planned(alone bool) *Lab { return &Lab{alone: alone} }

// ErrShared is returned for what concerns everything that runs on a kernel, where that is not the lab's alone.
var ErrShared = errors.New("others run on this kernel, too: play it with --world uml")

// Can is part of [Place].
func (l *Lab) Can(c script.Clause) error {
	if !l.alone && (c.Form == script.IPVS || c.Form == script.Clock) {
		return ErrShared
	}
	return nil
}

// Prepare is part of [Place].
func (l *Lab) Prepare(ctx context.Context, s *script.Scenario) error {
	l.scenario = s
	pair := stage.Pair{Director: drive.Kind(s.Directors[0].Daemon), Peer: drive.Kind(s.Directors[1].Daemon), Binary: l.binary, Interval: s.Interval}
	if s.Scheduler != nil {
		pair.Scheduler = s.Scheduler.Name
	}
	for i, d := range s.Directors {
		pair.Priorities[i] = d.Priority
		for _, name := range d.Append {
			pair.Append[i] += "\n" + s.Snippets[name]
		}
	}
	if err := l.harm.Undo(); err != nil {
		return err
	}
	// What can stay stays: that is how it is where a pair works for years.
	if l.pair == pair {
		err := l.intact(ctx)
		if err == nil {
			return nil
		}
		l.say("      the pair is started anew: %v", err)
	}
	if err := l.stage.Use(pair); err != nil {
		return err
	}
	l.pair = pair
	if err := l.stage.Start(); err != nil {
		return err
	}
	return l.stage.Rest(ctx, stage.RestLimit)
}

// Serves is part of [Place].
func (l *Lab) Serves() bool { return false }

// intact gives the pair of the scenario before its own configuration again. An error says why it cannot stay.
func (l *Lab) intact(ctx context.Context) error {
	n := l.stage.Net
	for i, d := range l.stage.Directors() {
		kind := []drive.Kind{l.pair.Director, l.pair.Peer}[i]
		if d.Kind != kind || !d.Running() {
			return fmt.Errorf("%s does not run", d.Host.Name)
		}
		settings := stage.SettingsOf(n, d.Host.Name, l.pair.Priorities[i], l.pair.Interval)
		settings.Append, settings.Scheduler = l.pair.Append[i], l.pair.Scheduler
		if err := d.Configure(settings); err != nil {
			return err
		}
		if _, err := d.Reload(); err != nil {
			return err
		}
	}
	if err := l.harm.Heal(); err != nil {
		return err
	}
	for i := range n.Real {
		// One that runs is left alone.
		if err := l.stage.EnsureWeb(i); err != nil {
			return err
		}
	}
	return l.stage.Rest(ctx, stage.RestLimit)
}

// Usage is what every process of the pair uses now.
func (l *Lab) Usage() (list []Usage) {
	for _, d := range l.stage.Directors() {
		goroutines := map[drive.Part]int{}
		if s, err := d.Status(); err == nil { // not every daemon has some
			goroutines = map[drive.Part]int{drive.Elector: s.Elector.Goroutines, drive.Services: s.Goroutines}
		}
		for part, pid := range d.Processes() {
			if u, ok := usageOf(pid); ok {
				u.Process, u.Goroutines = d.Host.Name+" "+string(part), float64(goroutines[part])
				list = append(list, u)
			}
		}
	}
	return list
}

// Watch is part of [Place].
func (l *Lab) Watch(ctx context.Context, length time.Duration, steps []script.Step) (*stage.Evidence, error) {
	var list []stage.Step
	for _, step := range steps {
		list = append(list, stage.At(step.At, step.Name, func(*stage.Stage) (string, error) { return l.do(step.Clause) }))
	}
	return l.stage.Watch(ctx, length, list), nil
}

// endLimit is how long a director that was asked to end may take before it is started again.
const endLimit = 10 * time.Second

// do does one thing.
func (l *Lab) do(c script.Clause) (said string, err error) {
	if said, done, err := l.harm.Do(c); done {
		return said, err
	}
	if c.Form == script.Stop || c.Form == script.Start {
		if i := slices.Index([]string{"rs1", "rs2", "rs3"}, c.Host()); i >= 0 {
			if c.Form == script.Stop {
				return "", l.stage.StopWeb(i)
			}
			return "", l.stage.StartWeb(i)
		}
	}
	return l.director(c)
}

// side is a director by its name.
func (l *Lab) side(host string) *drive.Director {
	if host == "d2" {
		return l.stage.D2
	}
	return l.stage.D1
}

// processes are the parts of a director's daemon that run; none before there is a pair.
func (l *Lab) processes(host string) map[drive.Part]int {
	if d := l.side(host); d != nil {
		return d.Processes()
	}
	return nil
}

// director does something to one of the pair.
func (l *Lab) director(c script.Clause) (said string, err error) {
	d := l.side(c.Host())
	switch c.Form {
	case script.Kill:
		return "", d.SignalAll(syscall.SIGKILL)
	case script.Stop:
		return "", d.Stop()
	case script.Start:
		return "", l.start(d, drive.Kind(c.Daemon))
	case script.Pause:
		return "", d.SignalAll(syscall.SIGSTOP)
	case script.Continue:
		return "", d.SignalAll(syscall.SIGCONT)
	case script.Reload, script.Reprior, script.Reserve, script.Misread:
		return l.reload(d, c)
	case script.Failover:
		return d.Ask("failover")
	case script.Lift:
		return d.Ask("failover", "--lift")
	case script.Status:
		_, err := d.Status()
		return "", err
	}
	return "", fmt.Errorf("the lab does not know %q", c.Form)
}

// start starts a director when its daemon has ended, with another daemon if one is named.
func (l *Lab) start(d *drive.Director, kind drive.Kind) error {
	if err := d.Wait(endLimit); err != nil {
		return err
	}
	if kind == "" || kind == d.Kind {
		return d.Start()
	}
	if err := d.Retire(); err != nil {
		return err
	}
	other, err := drive.New(kind, d.Host, l.binary, d.Settings)
	if err != nil {
		return err
	}
	if d == l.stage.D1 {
		l.stage.D1 = other
	} else {
		l.stage.D2 = other
	}
	return other.Start()
}

// reload writes a director's configuration and has it applied.
func (l *Lab) reload(d *drive.Director, c script.Clause) (string, error) {
	settings := d.Settings
	switch c.Form {
	case script.Reprior:
		settings.Priority = c.Number
	case script.Reserve:
		settings.Servers = nil
		for _, name := range c.Servers {
			h, err := l.stage.Net.Host(name)
			if err != nil {
				return "", err
			}
			settings.Servers = append(settings.Servers, h.Addr)
		}
	}
	text := d.Text(settings)
	if c.Option {
		text += "\n" + l.scenario.Snippets[c.Name]
	}
	err := d.ConfigureText(text)
	if c.Form == script.Misread {
		err = harm.Wreck(d.ConfigPath(), d.Text(d.Settings), c.Name)
	}
	if err != nil {
		return "", err
	}
	said, err := d.Reload()
	if err == nil {
		d.Settings = settings
	}
	return strings.TrimSpace(said), err
}
