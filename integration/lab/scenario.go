//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/drill"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/rehearse"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/spf13/pflag"
)

// scenarioOptions is how scenarios are played and what becomes of the results.
type scenarioOptions struct {
	place    string // lab, containerlab, ssh
	possible bool   // leave out what the place cannot play
	pictures string // directory for timelines; empty: none
	junit    string // file for JUnit; empty: none
	language bool
	measured string            // file for what another daemon did; empty: none
	daemons  [2]drive.Kind     // of d1 and d2, whatever the files say; empty: as they say
	ssh      map[string]string // d1, d2: the hosts for ssh
	command  string            // ssh
	sudo     bool
	really   bool
}

func (o *scenarioOptions) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.place, "in", "lab", "`place` to play scenario files in: lab, containerlab, ssh, lab-ssh (the lab's pair, reached by ssh)")
	flags.BoolVar(&o.possible, "possible", false, "skip the files that the place cannot play, and say why, rather than play none")
	flags.StringVar(&o.pictures, "svg", "", "draw a timeline of each scenario into this `directory`")
	flags.StringVar(&o.junit, "junit", "", "write the results to this `file` for a build server")
	flags.StringToStringVar(&o.ssh, "hosts", nil, "with --in ssh: the `d1=HOST,d2=HOST` of a real pair")
	flags.StringVar(&o.command, "ssh", rehearse.SSHCommand, "with --in ssh: the `command` that reaches a host")
	flags.BoolVar(&o.sudo, "sudo", false, "with --in ssh: run what is run there by sudo, which must not ask for a password")
	flags.BoolVar(&o.really, "yes-really", false, "with --in ssh: allow stop, start, kill, and a reload that changes something")
	flags.StringVar(&o.measured, "measured", "", "note in this `file` what the daemons did, as the page of faults tells it of keepalived")
	flags.BoolVar(&o.language, "language", false, "print every sentence of the language of scenarios")
}

// builtIn refuses what the built-in drill does not have.
func (o scenarioOptions) builtIn() error {
	if o.place != "lab" || o.pictures != "" || o.junit != "" {
		return errors.New("--in, --svg and --junit are for scenario files; name some, such as integration/scenarios/*.scenario")
	}
	return nil
}

// printLanguage lists the sentences of the language.
func printLanguage(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, kind := range []struct {
		kind  script.Kind
		begin string
	}{{script.Setting, ""}, {script.Deed, "at TIME "}, {script.Demand, "expect "}} {
		for _, f := range script.Forms() {
			if f.Kind == kind.kind {
				fmt.Fprintf(w, "%s%s\t%s\n", kind.begin, f.Text, f.Help)
			}
		}
	}
	w.Flush()
}

// scenarioArg is what crosses into the world.
type scenarioArg struct {
	Files  []scenarioFile `json:"files"`
	Binary string         `json:"binary"`
}

// scenarioFile is the text of a scenario.
type scenarioFile struct{ Name, Text string }

// readScenarios reads and parses files; all that is wrong in any of them is one error. Their directors get other daemons if some are named.
func readScenarios(paths []string, daemons [2]drive.Kind) (files []scenarioFile, list []*script.Scenario, err error) {
	var errs []error
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && (drill.Options{Only: []string{path}}).Check() == nil {
			err = fmt.Errorf("%w; the built-in scenario of that name is played by --only %s", err, path)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s, err := script.Parse(path, string(text))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if daemons[0] != "" {
			s.Use(string(daemons[0]), string(daemons[1]))
			text = []byte(s.String())
			// Not every daemon offers every step.
			if s, err = script.Parse(path, string(text)); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		files, list = append(files, scenarioFile{path, string(text)}), append(list, s)
	}
	return files, list, errors.Join(errs...)
}

// runScenarios plays files in a place and writes what was asked for.
func runScenarios(ctx context.Context, world sandbox.Kind, o scenarioOptions, paths []string) (*rehearse.Report, error) {
	files, list, err := readScenarios(paths, o.daemons)
	if err != nil {
		return nil, err
	}
	place, err := o.planned(ctx, world, list)
	if err != nil {
		return nil, err
	}
	files, list, skipped, err := o.divide(place, files, list)
	if err != nil {
		return nil, err
	}
	var report *rehearse.Report
	switch o.place {
	case "lab":
		report, err = scenariosInLab(ctx, world, files, list)
	case "lab-ssh":
		report, err = scenariosOverLabSSH(ctx, world, files, list)
	case "containerlab":
		report, err = scenariosInContainers(ctx, files, list)
	case "ssh":
		report, err = scenariosOverSSH(ctx, o, files, list)
	}
	if err != nil {
		return nil, err
	}
	report.Skipped = skipped
	return report, o.write(report)
}

// unlikeDrill are the scenarios of the repository that the drill has nothing like.
var unlikeDrill = []string{"migration", "mixed", "mixed-frr", "one-way", "partition"}

// runScenarioFiles plays files of the repository in the lab: every one, or those that the drill has nothing like.
func runScenarioFiles(ctx context.Context, world sandbox.Kind, all bool) (*rehearse.Report, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(root, "integration", "scenarios", "*.scenario"))
	if err != nil {
		return nil, err
	}
	if !all {
		paths = slices.DeleteFunc(paths, func(path string) bool {
			return !slices.Contains(unlikeDrill, strings.TrimSuffix(filepath.Base(path), ".scenario"))
		})
	}
	return runScenarios(ctx, world, scenarioOptions{place: "lab", possible: true}, paths)
}

// write writes pictures and JUnit.
func (o scenarioOptions) write(r *rehearse.Report) error {
	if o.pictures != "" {
		if err := os.MkdirAll(o.pictures, 0o755); err != nil {
			return err
		}
	}
	for _, result := range r.Results {
		picture := result.Picture
		result.Picture = "" // not in the JSON: it has a file of its own
		if o.pictures == "" || picture == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(o.pictures, result.Name+".svg"), []byte(picture), 0o644); err != nil {
			return err
		}
	}
	if o.junit == "" {
		return nil
	}
	text, err := r.JUnit()
	if err != nil {
		return err
	}
	return os.WriteFile(o.junit, text, 0o644)
}

// scenariosDeadline bounds a world in which scenarios are played: each may be played several times, with a quiet run each.
func scenariosDeadline(list []*script.Scenario) time.Duration {
	limit := 5 * time.Minute
	for _, s := range list {
		limit += 6 * (2*s.Length + 30*time.Second)
	}
	return limit
}

func scenariosInLab(ctx context.Context, world sandbox.Kind, files []scenarioFile, list []*script.Scenario) (*rehearse.Report, error) {
	kinds := []drive.Kind{drive.LBHA}
	for _, s := range list {
		for _, name := range s.Daemons() {
			kinds = append(kinds, drive.Kind(name))
		}
	}
	arg := scenarioArg{Files: files}
	return play[rehearse.Report](ctx, visit{world: world, job: "scenarios", deadline: scenariosDeadline(list)}, func(work string) (any, error) {
		err := prepareDirectors(ctx, work, &arg.Binary, kinds...)
		return arg, err
	})
}

// playScenarios is the inside of scenarios in the lab.
func playScenarios(ctx context.Context, in *sandbox.Inside, arg scenarioArg) (*rehearse.Report, error) {
	lab, err := rehearse.NewLab(in.Self(), arg.Binary, in.Kind == sandbox.UserMode, sandbox.Say)
	if err != nil {
		return nil, err
	}
	return playAll(ctx, lab, "lab", arg.Files, sandbox.Say)
}

// playAll plays files one after the other.
func playAll(ctx context.Context, place rehearse.Place, name string, files []scenarioFile, say func(string, ...any)) (*rehearse.Report, error) {
	begin := time.Now()
	r := &rehearse.Report{Place: name}
	for i, f := range files {
		s, err := script.Parse(f.Name, f.Text)
		if err != nil {
			return nil, err
		}
		say("[%d/%d] %s: %s (%v)", i+1, len(files), s.Name, s.Title, s.Length)
		result := rehearse.Play(ctx, place, s, say)
		r.Results = append(r.Results, result)
		say("      %s", result.Line())
		if ctx.Err() != nil {
			break // whoever interrupts means the rest, too
		}
	}
	r.Took = time.Since(begin)
	return r, nil
}
