package clab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Place is the deployed topology as a place for scenarios: rehearse.Place. Its directors are containers, its cables are ports of the
// bridge.
type Place struct {
	*eyes
	self     string // this program, to forge adverts
	dir      string // the topology and its configurations, which are written for each scenario
	original [2]string
	scenario *script.Scenario
}

// ErrNotHere is returned for what containers of this topology cannot do.
var ErrNotHere = errors.New("not in containerlab")

// Deploy starts Docker, builds the image and deploys a copy of the example. The place ends with close.
func Deploy(ctx context.Context, o Options, self string, say func(string, ...any)) (p *Place, close func(), err error) {
	say("starting Docker")
	stop, err := startEngine(ctx)
	if err != nil {
		return nil, nil, err
	}
	p = &Place{self: self, dir: filepath.Join(o.Dir, "topology")}
	destroy := func() {
		_, _ = run(context.WithoutCancel(ctx), "containerlab", "destroy", "-t", filepath.Join(p.dir, topology), "--cleanup")
		stop()
	}
	if err := p.deploy(ctx, o, say); err != nil {
		destroy()
		return nil, nil, err
	}
	return p, destroy, nil
}

func (p *Place) deploy(ctx context.Context, o Options, say func(string, ...any)) error {
	say("building the image")
	if err := buildImage(ctx, o.Example, o.Binary, o.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{topology, "d1.toml", "d2.toml"} {
		if err := copyFile(filepath.Join(o.Example, name), filepath.Join(p.dir, name)); err != nil {
			return err
		}
	}
	for i := range p.original {
		text, err := os.ReadFile(p.config(i))
		if err != nil {
			return err
		}
		p.original[i] = string(text)
	}
	for _, args := range [][]string{{"link", "add", bridge, "type", "bridge", "mcast_snooping", "0"}, {"link", "set", bridge, "up"}} {
		if _, err := run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	say("containerlab deploy")
	if _, err := run(ctx, "containerlab", "deploy", "-t", filepath.Join(p.dir, topology)); err != nil {
		return err
	}
	if err := await(ctx, "d1"); err != nil {
		return err
	}
	var err error
	p.eyes, err = watch()
	return err
}

// config is the file that a director's container has as its configuration.
func (p *Place) config(i int) string { return filepath.Join(p.dir, fmt.Sprintf("d%d.toml", i+1)) }

// What needs a director's machine rather than its container, and what does so with the part in brackets.
var (
	labOnly   = []string{script.Starve, script.Feed, script.Disk, script.Misread, script.Claim, script.IPVS, script.Clock, script.Undying, script.Tells}
	labOption = []string{script.Pause, script.Continue, script.AddVIP, script.DeleteVIP}
)

// Can is part of rehearse.Place.
func (p *Place) Can(c script.Clause) error {
	for _, host := range c.Hosts {
		if host == "rs3" || host == "observer" {
			return fmt.Errorf("%w: the topology has no %s", ErrNotHere, host)
		}
	}
	switch {
	case c.Daemon != "" && c.Daemon != "lbha":
		return fmt.Errorf("%w: the image has no %s", ErrNotHere, c.Daemon)
	case slices.Contains(labOnly, c.Form), c.Option && slices.Contains(labOption, c.Form):
		return ErrNotHere
	case c.Form == script.Reserve || slices.Contains(c.Servers, "rs3"):
		return fmt.Errorf("%w: the topology has two real servers", ErrNotHere)
	case (c.Form == script.Stop || c.Form == script.Start) && strings.HasPrefix(c.Host(), "rs"):
		return fmt.Errorf("%w: the web server is the only process of its container; cut the server off instead", ErrNotHere)
	}
	return nil
}

// Prepare is part of rehearse.Place.
func (p *Place) Prepare(ctx context.Context, s *script.Scenario) error {
	p.scenario = s
	if err := p.heal(); err != nil {
		return err
	}
	for i, d := range s.Directors {
		text := p.text(i, d.Priority)
		for _, name := range d.Append {
			text += "\n" + s.Snippets[name]
		}
		if err := os.WriteFile(p.config(i), []byte(text), 0o644); err != nil {
			return err
		}
		if err := p.revive(ctx, fmt.Sprintf("d%d", i+1)); err != nil {
			return err
		}
	}
	return p.rest(ctx, s)
}

// text is a director's configuration of the example with another priority and interval.
func (p *Place) text(i, priority int) string {
	var b strings.Builder
	for line := range strings.Lines(p.original[i]) {
		if strings.HasPrefix(line, "priority = ") {
			line = fmt.Sprintf("priority = %d\ninterval = %q\n", priority, p.scenario.Interval)
		}
		b.WriteString(line)
	}
	return b.String()
}

// revive makes a director run with its configuration, whatever state its container is in.
func (p *Place) revive(ctx context.Context, name string) error {
	state, err := run(ctx, "docker", "inspect", "-f", "{{.State.Status}}", prefix+name)
	if err != nil {
		return err
	}
	switch strings.TrimSpace(state) {
	case "paused":
		if _, err := run(ctx, "docker", "unpause", prefix+name); err != nil {
			return err
		}
	case "running":
	default:
		return p.start(ctx, name)
	}
	_, err = run(ctx, "docker", "exec", prefix+name, "lbha", "reload")
	return err
}

// restLimit is how long the topology may take to come to rest.
const restLimit = 40 * time.Second

// rest waits until the favourite alone has the address, both tables are whole and the client is answered.
func (p *Place) rest(ctx context.Context, s *script.Scenario) error {
	why := ""
	for deadline := mono.Now().Add(restLimit); mono.Now() < deadline && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		if why = p.unrest(s.Favourite()); why == "" {
			return nil
		}
	}
	return fmt.Errorf("the topology did not come to rest within %v: %s", restLimit, why)
}

// Watch is part of rehearse.Place.
func (p *Place) Watch(ctx context.Context, length time.Duration, steps []script.Step) (*stage.Evidence, error) {
	e := &stage.Evidence{Before: p.sides(), From: mono.Now()}
	e.To = e.From.Add(length)
	for _, step := range steps {
		if !stage.SleepUntil(ctx, e.From.Add(step.At)) {
			return nil, context.Cause(ctx)
		}
		m := stage.Mark{At: mono.Now(), Name: step.Name}
		said, err := p.do(ctx, step.Clause)
		m.Done, m.Said = mono.Now(), strings.TrimSpace(said)
		if err != nil {
			m.Err = err.Error()
		}
		e.Marks = append(e.Marks, m)
		e.Last(length - step.At)
	}
	stage.SleepUntil(ctx, e.To)
	p.collect(e)
	return e, nil
}

// heal mends the network.
func (p *Place) heal() error {
	errs := []error{p.net.Mend()}
	for _, h := range p.cabled() {
		errs = append(errs, p.net.Port(h, true))
	}
	return errors.Join(errs...)
}

// cabled lists the hosts whose port of the bridge has their name: the observer's has not, and nobody breaks it.
func (p *Place) cabled() []*netlab.Host {
	return slices.DeleteFunc(p.net.Hosts(), func(h *netlab.Host) bool { return h == p.net.Observer })
}
