//go:build linux

package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/rehearse"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/script"
)

// scenariosOverLabSSH plays files on a pair of the lab as on a real one.
func scenariosOverLabSSH(ctx context.Context, world sandbox.Kind, files []scenarioFile, list []*script.Scenario) (*rehearse.Report, error) {
	return overLabSSH(ctx, world, "scenarios-ssh", files, list)
}

// overLabSSH has a job played in a world with such a pair.
func overLabSSH(ctx context.Context, world sandbox.Kind, job string, files []scenarioFile, list []*script.Scenario) (*rehearse.Report, error) {
	arg := scenarioArg{Files: files}
	v := visit{world: world, job: job, deadline: scenariosDeadline(list), choose: sandbox.ChooseNetwork}
	return play[rehearse.Report](ctx, v, func(work string) (any, error) {
		arg.Binary = filepath.Join(work, "bin", "lbha")
		packages := []sandbox.Package{{Brings: "ip", Name: "iproute2"}, {Brings: "ssh", Name: "openssh-client"}, {Brings: "/usr/sbin/sshd", Name: "openssh-server"}}
		if err := sandbox.Install(ctx, say, packages...); err != nil {
			return nil, err
		}
		return &arg, build(ctx, "./cmd/lbha", arg.Binary)
	})
}

// The scenarios of the part "ssh": one that is harmless, and one that takes --yes-really.
const (
	harmlessScenario = "harmless"
	harmfulScenario  = "restart"
)

// runLabSSH plays on a pair of the lab, by ssh alone, what a real pair must be safe with.
func runLabSSH(ctx context.Context, world sandbox.Kind) (*rehearse.Report, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, name := range []string{harmlessScenario, harmfulScenario} {
		paths = append(paths, filepath.Join(root, "integration", "scenarios", name+".scenario"))
	}
	files, list, err := readScenarios(paths, [2]drive.Kind{})
	if err != nil {
		return nil, err
	}
	return overLabSSH(ctx, world, "ssh", files, list)
}

// playLabSSH is the inside of that.
func playLabSSH(ctx context.Context, in *sandbox.Inside, arg scenarioArg) (*rehearse.Report, error) {
	begin := time.Now()
	place, err := rehearse.NewLabSSH(arg.Binary)
	if err != nil {
		return nil, err
	}
	report, err := playAll(ctx, place, "lab-ssh", arg.Files[:1], sandbox.Say)
	if err != nil {
		return nil, err
	}
	for _, f := range arg.Files {
		s, err := script.Parse(f.Name, f.Text)
		if err != nil {
			return nil, err
		}
		report.Results = append(report.Results, place.Refusal(ctx, s))
	}
	place.Really = true
	really, err := playAll(ctx, place, "lab-ssh", arg.Files[1:], sandbox.Say)
	if err != nil {
		return nil, err
	}
	report.Results, report.Took = append(report.Results, really.Results...), time.Since(begin)
	return report, nil
}

// playScenariosOverLabSSH is the inside of scenarios on a pair of the lab that is reached by ssh.
func playScenariosOverLabSSH(ctx context.Context, in *sandbox.Inside, arg scenarioArg) (*rehearse.Report, error) {
	place, err := rehearse.NewLabSSH(arg.Binary)
	if err != nil {
		return nil, err
	}
	return playAll(ctx, place, "lab-ssh", arg.Files, sandbox.Say)
}

// scenariosOverSSH plays files on a real pair.
func scenariosOverSSH(ctx context.Context, o scenarioOptions, files []scenarioFile, list []*script.Scenario) (*rehearse.Report, error) {
	if len(o.ssh) != 2 || o.ssh["d1"] == "" || o.ssh["d2"] == "" {
		return nil, errors.New("--in ssh needs --hosts d1=HOST,d2=HOST")
	}
	pair := &rehearse.SSH{Remote: rehearse.Remote{Hosts: [2]string{o.ssh["d1"], o.ssh["d2"]}, Command: o.command, Sudo: o.sudo, Really: o.really, Say: say}}
	for _, s := range list {
		for _, line := range pair.Announce(s) {
			say("%s", line)
		}
	}
	report, err := playAll(ctx, pair, "ssh", files, say)
	if err == nil {
		report.PlayedIn(o.ssh["d1"]+", "+o.ssh["d2"], "theirs")
	}
	return report, err
}
