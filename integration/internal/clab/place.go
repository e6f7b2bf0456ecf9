package clab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/harm"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Options are what a deployment needs.
type Options struct {
	Example string `json:"example"` // directory with the topology
	Binary  string `json:"binary"`  // of lbha
	Dir     string `json:"dir"`     // for the image, and a copy of the topology
}

const (
	bridge   = "lan"
	topology = "lbha.clab.yml"
	prefix   = "clab-lbha-"
)

// Place is the deployed topology as a place for scenarios: rehearse.Place. Its directors are containers, its cables are ports of the
// bridge.
type Place struct {
	*eyes
	harm       harm.Site
	dir        string // the topology and its configurations, which are written for each scenario
	containers map[string]*container
	original   [2]string
	settings   [2]settings // in force
	scenario   *script.Scenario
}

// ErrNotHere is returned for what containers of this topology cannot do.
var ErrNotHere = errors.New("not in containerlab")

// Serves is part of rehearse.Place.
func (p *Place) Serves() bool { return false }

// Deploy starts Docker, builds the image and deploys a copy of the example. The place ends with close.
func Deploy(ctx context.Context, o Options, self string, say func(string, ...any)) (p *Place, close func(), err error) {
	say("starting Docker")
	stop, err := startEngine(ctx)
	if err != nil {
		return nil, nil, err
	}
	p = &Place{dir: filepath.Join(o.Dir, "topology")}
	destroy := func() {
		if p.eyes != nil {
			p.close()
		}
		_, _ = run(context.WithoutCancel(ctx), "containerlab", "destroy", "-t", filepath.Join(p.dir, topology), "--cleanup")
		stop()
	}
	if err := p.deploy(ctx, o, self, say); err != nil {
		destroy()
		return nil, nil, err
	}
	return p, destroy, nil
}

func (p *Place) deploy(ctx context.Context, o Options, self string, say func(string, ...any)) error {
	say("building the image")
	if err := buildImage(ctx, o.Example, o.Binary, o.Dir); err != nil {
		return err
	}
	if err := p.copy(o.Example); err != nil {
		return err
	}
	for _, args := range [][]string{{"link", "add", bridge, "type", "bridge", "mcast_snooping", "0"}, {"link", "set", bridge, "up"}} {
		if _, err := run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	versions, err := versions(ctx)
	if err != nil {
		return err
	}
	say("%s: deploy", versions)
	begin := time.Now()
	if _, err := run(ctx, "containerlab", "deploy", "-t", filepath.Join(p.dir, topology)); err != nil {
		return err
	}
	say("deployed in %v", time.Since(begin).Round(100*time.Millisecond))
	if p.containers, err = inspect(ctx); err != nil {
		return err
	}
	for _, name := range []string{"rs1", "rs2", "rs3"} {
		if err := p.containers[name].web(ctx, false); err != nil {
			return err
		}
	}
	if p.eyes, err = watch(self, p.dir); err != nil {
		return err
	}
	p.harm = harm.Site{Net: p.net, Self: self, Processes: p.processes}
	return nil
}

// copy copies what is deployed.
func (p *Place) copy(example string) error {
	text, err := os.ReadFile(filepath.Join(example, topology))
	if err != nil {
		return err
	}
	for i := range p.original {
		config, err := os.ReadFile(filepath.Join(example, fmt.Sprintf("d%d", i+1), "lbha.toml"))
		if err != nil {
			return err
		}
		p.original[i] = string(config)
		if err := os.MkdirAll(filepath.Dir(p.config(i)), 0o755); err != nil {
			return err
		}
		if err := p.write(i, p.original[i]); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(p.dir, topology), text, 0o644)
}

// config is the file that a director's container has as its configuration.
func (p *Place) config(i int) string {
	return filepath.Join(p.dir, fmt.Sprintf("d%d", i+1), "lbha.toml")
}

// Can is part of rehearse.Place.
func (p *Place) Can(c script.Clause) error {
	switch {
	case c.Daemon != "" && c.Daemon != "lbha":
		return fmt.Errorf("%w: the image has no %s", ErrNotHere, c.Daemon)
	case c.Form == script.Kill && c.Part == string(drive.Supervisor):
		return fmt.Errorf("%w: a container, with its addresses and its table, goes with its first process; kill all of it", ErrNotHere)
	case c.Form == script.SetSchedule && c.Name != "rr":
		return fmt.Errorf("%w: the example's services are rr", ErrNotHere)
	case c.Form == script.Disk:
		return fmt.Errorf("%w: all containers and Docker itself share a file system", ErrNotHere)
	}
	return nil
}

// Prepare is part of rehearse.Place.
func (p *Place) Prepare(ctx context.Context, s *script.Scenario) error {
	p.scenario = s
	if err := errors.Join(p.harm.Undo(), p.harm.Heal()); err != nil {
		return err
	}
	for _, c := range p.containers {
		if c.stopped {
			if err := c.web(ctx, true); err != nil {
				return err
			}
		}
	}
	for i, d := range s.Directors {
		p.settings[i] = settings{priority: d.Priority, interval: s.Interval, servers: []string{"rs1", "rs2"}}
		for _, name := range d.Append {
			p.settings[i].append += "\n" + s.Snippets[name]
		}
		if err := p.write(i, p.text(i, p.settings[i])); err != nil {
			return err
		}
		if err := p.revive(ctx, fmt.Sprintf("d%d", i+1)); err != nil {
			return err
		}
	}
	return p.rest(ctx, s)
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

// unrest says what is not yet as it should be.
func (p *Place) unrest(favourite string) string {
	sides := p.sides()
	for i, s := range p.settings {
		name := fmt.Sprintf("d%d", i+1)
		if n := len(sides[name].Processes); n != 3 {
			return fmt.Sprintf("%s has %d of 3 processes", name, n)
		}
		if sides[name].Holds != (name == favourite) {
			return fmt.Sprintf("%s has the address: %v", name, sides[name].Holds)
		}
		if diff := s.missing(sides[name].Table); len(diff) > 0 {
			return fmt.Sprintf("%s: table: %s", name, strings.Join(diff, "; "))
		}
	}
	return p.unheard(favourite, p.scenario.Interval)
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
	e.After = p.sides()
	p.collect(e)
	e.Logs = map[string]string{}
	for name, after := range e.After {
		e.Logs[name] = p.containers[name].said(e.Before[name].LogSize, after.LogSize)
	}
	return e, nil
}

// sides is what both directors have now.
func (p *Place) sides() map[string]stage.Side {
	sides := map[string]stage.Side{}
	for _, name := range []string{"d1", "d2"} {
		side := p.side(name)
		side.Processes, side.LogSize = p.processes(name), p.containers[name].logSize()
		sides[name] = side
	}
	return sides
}
