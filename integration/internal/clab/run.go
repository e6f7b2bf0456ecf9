package clab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/suite"
)

// Options are what a run needs.
type Options struct {
	Example string `json:"example"` // directory with the topology
	Binary  string `json:"binary"`  // of lbha
	Dir     string `json:"dir"`     // for the image
}

// Deed is one thing that was done to the topology.
type Deed struct {
	Name     string        `json:"name"`
	Gap      time.Duration `json:"gap"`   // longest time without an answer
	Limit    time.Duration `json:"limit"` // what it may be
	Masters  string        `json:"masters"`
	Expected string        `json:"expected"`
}

// OK reports whether clients lost no more than they may, and the right director is master.
func (d *Deed) OK() bool { return d.Gap <= d.Limit && d.Masters == d.Expected }

// Report is the outcome of a run.
type Report struct {
	suite.Where
	Versions string        `json:"versions"`
	Deployed time.Duration `json:"deployed"` // how long it took
	Deeds    []*Deed       `json:"deeds"`
}

// Count returns how many deeds went well, and how many did not.
func (r *Report) Count() (passed, failed int) {
	return suite.Count(r.Deeds, (*Deed).OK)
}

// Outcomes says of each deed whether it went well.
func (r *Report) Outcomes() map[string]bool {
	return suite.Outcomes(r.Deeds, func(d *Deed) (string, bool) { return d.Name, d.OK() })
}

// OK reports whether all went well, and anything was done.
func (r *Report) OK() bool {
	passed, failed := r.Count()
	return failed == 0 && passed > 0
}

// Print writes one line for each deed.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "examples/containerlab; %s; kernel %s (%s); deployed in %v\n\n", r.Versions, r.Kernel, r.World, r.Deployed.Round(100*time.Millisecond))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "done\tclient's longest gap\tat most\tmaster\t")
	for _, d := range r.Deeds {
		result := "ok"
		if !d.OK() {
			result = "FAILED, " + d.Expected + " expected"
		}
		fmt.Fprintf(w, "%s\t%v\t%v\t%s\t%s\n", d.Name, d.Gap, d.Limit, d.Masters, result)
	}
	w.Flush()
	passed, failed := r.Count()
	fmt.Fprintf(out, "\ncontainerlab: %d passed, %d failed\n", passed, failed)
}

const (
	bridge   = "lan"
	topology = "lbha.clab.yml"
	prefix   = "clab-lbha-"
	// masterDown is of the backup: priority 100 at an interval of 1 s.
	masterDown = 3*time.Second + 156*time.Second/256
	// slack is for a slow world: process starts, ARP, and the client's own 500 ms of patience with a lost packet.
	slack = 1500 * time.Millisecond
)

// Run deploys the example and breaks it.
func Run(ctx context.Context, o Options, say func(string, ...any)) (*Report, error) {
	say("starting Docker")
	stop, err := startEngine(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	say("building the image")
	if err := buildImage(ctx, o.Example, o.Binary, o.Dir); err != nil {
		return nil, err
	}
	r := new(Report)
	docker, err := run(ctx, "docker", "info", "--format", "{{.ServerVersion}}")
	if err != nil {
		return nil, err
	}
	lab, err := run(ctx, "containerlab", "version", "--short")
	if err != nil {
		return nil, err
	}
	r.Versions = "containerlab " + strings.TrimSpace(lab) + ", Docker " + strings.TrimSpace(docker)
	for _, args := range [][]string{{"link", "add", bridge, "type", "bridge", "mcast_snooping", "0"}, {"link", "set", bridge, "up"}} {
		if _, err := run(ctx, "ip", args...); err != nil {
			return nil, err
		}
	}
	say("containerlab deploy")
	began := time.Now()
	if _, err := run(ctx, "containerlab", "deploy", "-t", o.Example+"/"+topology); err != nil {
		return nil, err
	}
	defer run(context.WithoutCancel(ctx), "containerlab", "destroy", "-t", o.Example+"/"+topology, "--cleanup")
	r.Deployed = time.Since(began)
	if err := await(ctx, "d1"); err != nil {
		return nil, err
	}
	c, err := startClient(prefix + "client")
	if err != nil {
		return nil, err
	}
	defer c.close()
	time.Sleep(3 * time.Second) // the servers pass their checks
	return r, r.play(ctx, c, say)
}

// play does one thing after the other; each begins with d1 as master, and the last ends it.
func (r *Report) play(ctx context.Context, c *client, say func(string, ...any)) error {
	docker := func(args ...string) func() error {
		return func() error { _, err := run(ctx, "docker", args...); return err }
	}
	cable := func(state string) func() error {
		return func() error { _, err := run(ctx, "ip", "link", "set", "d1", state); return err }
	}
	for _, step := range []struct {
		name  string
		do    func() error
		then  string // who is master afterwards
		limit time.Duration
		undo  func() error
	}{
		{"nothing", func() error { return nil }, "d1", slack / 2, nil},
		{"lbha failover", docker("exec", prefix+"d1", "lbha", "failover"), "d2", slack / 2, docker("exec", prefix+"d1", "lbha", "failover", "--lift")},
		{"the cable of d1 is pulled", cable("down"), "d2", masterDown + slack, cable("up")},
		{"docker pause d1", docker("pause", prefix+"d1"), "d2", masterDown + slack, docker("unpause", prefix+"d1")},
		{"docker kill d1", docker("kill", prefix+"d1"), "d2", masterDown + slack, nil},
	} {
		say("%s", step.name)
		d := &Deed{Name: step.name, Limit: step.limit, Expected: step.then}
		r.Deeds = append(r.Deeds, d)
		from := time.Now()
		if err := step.do(); err != nil {
			return err
		}
		if err := await(ctx, step.then); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		time.Sleep(2 * time.Second)
		d.Gap, d.Masters = c.gap(from, time.Now()), masters(ctx)
		if step.undo == nil {
			continue
		}
		if err := step.undo(); err != nil {
			return err
		}
		if err := await(ctx, "d1"); err != nil {
			return fmt.Errorf("after %s: %w", step.name, err)
		}
		time.Sleep(2 * time.Second)
	}
	return nil
}

// masters names the directors that say that they are master. A container that is paused or dead says nothing.
func masters(ctx context.Context) string {
	var names []string
	for _, name := range []string{"d1", "d2"} {
		state, err := run(ctx, "docker", "inspect", "-f", "{{.State.Status}}", prefix+name)
		if err != nil || strings.TrimSpace(state) != "running" {
			continue
		}
		out, err := run(ctx, "docker", "exec", prefix+name, "lbha", "status", "--json")
		if err != nil {
			continue
		}
		var s struct {
			Instances []struct {
				State string `json:"state"`
			} `json:"instances"`
		}
		if json.Unmarshal([]byte(out), &s) == nil && len(s.Instances) == 1 && s.Instances[0].State == "master" {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// await waits until one director, and only it, is master.
func await(ctx context.Context, name string) error {
	const limit = 30 * time.Second
	now := ""
	for deadline := time.Now().Add(limit); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		if now = masters(ctx); now == name {
			return nil
		}
	}
	return fmt.Errorf("%s is not the only master within %v: %q", name, limit, now)
}
