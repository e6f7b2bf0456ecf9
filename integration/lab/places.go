//go:build linux

package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"

	"github.com/lbha/lbha/integration/internal/clab"
	"github.com/lbha/lbha/integration/internal/rehearse"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/script"
)

// scenariosOverLabSSH plays files on a pair of the lab as on a real one.
func scenariosOverLabSSH(ctx context.Context, world sandbox.Kind, files []scenarioFile, list []*script.Scenario) (*rehearse.Report, error) {
	var errs []error
	for _, s := range list {
		errs = append(errs, rehearse.Possible(new(rehearse.SSH), s)...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	arg := scenarioArg{Files: files}
	v := visit{world: world, job: "scenarios-ssh", deadline: scenariosDeadline(list), choose: sandbox.ChooseNetwork}
	return play[rehearse.Report](ctx, v, func(work string) (any, error) {
		arg.Binary = filepath.Join(work, "bin", "lbha")
		packages := []sandbox.Package{{Brings: "ip", Name: "iproute2"}, {Brings: "ssh", Name: "openssh-client"}, {Brings: "/usr/sbin/sshd", Name: "openssh-server"}}
		if err := sandbox.Install(ctx, say, packages...); err != nil {
			return nil, err
		}
		return &arg, build(ctx, "./cmd/lbha", arg.Binary)
	})
}

// playScenariosOverLabSSH is the inside of that.
func playScenariosOverLabSSH(ctx context.Context, in *sandbox.Inside, arg scenarioArg) (*rehearse.Report, error) {
	place, err := rehearse.NewLabSSH(arg.Binary)
	if err != nil {
		return nil, err
	}
	return playAll(ctx, place, "lab-ssh", arg.Files, sandbox.Say)
}

// scenarioContainers is what crosses into a world with Docker.
type scenarioContainers struct {
	clab.Options
	Files []scenarioFile `json:"files"`
}

// scenariosInContainers plays files in the topology of examples/containerlab. What cannot be done there is told before anything is started.
func scenariosInContainers(ctx context.Context, files []scenarioFile, list []*script.Scenario) (*rehearse.Report, error) {
	if _, err := exec.LookPath("containerlab"); err != nil {
		return nil, errNoContainerlab
	}
	var errs []error
	for _, s := range list {
		errs = append(errs, rehearse.Possible(new(clab.Place), s)...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	arg := scenarioContainers{Files: files}
	v := visit{world: sandbox.UserMode, job: "scenarios-cl", deadline: clabDeadline + scenariosDeadline(list), memory: clabMemory}
	return play[rehearse.Report](ctx, v, func(work string) (any, error) {
		var err error
		arg.Options, err = prepareContainers(ctx, work)
		return arg, err
	})
}

// playScenariosInContainers is the inside of that.
func playScenariosInContainers(ctx context.Context, in *sandbox.Inside, arg scenarioContainers) (*rehearse.Report, error) {
	place, end, err := clab.Deploy(ctx, arg.Options, in.Self(), sandbox.Say)
	if err != nil {
		return nil, err
	}
	defer end()
	return playAll(ctx, place, "containerlab", arg.Files, sandbox.Say)
}

// scenariosOverSSH plays files on a real pair.
func scenariosOverSSH(ctx context.Context, o scenarioOptions, files []scenarioFile, list []*script.Scenario) (*rehearse.Report, error) {
	if len(o.ssh) != 2 || o.ssh["d1"] == "" || o.ssh["d2"] == "" {
		return nil, errors.New("--in ssh needs --hosts d1=HOST,d2=HOST")
	}
	pair := &rehearse.SSH{Remote: rehearse.Remote{Hosts: [2]string{o.ssh["d1"], o.ssh["d2"]}, Command: o.command, Really: o.really}}
	var errs []error
	for _, s := range list {
		errs = append(errs, rehearse.Possible(pair, s)...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	report, err := playAll(ctx, pair, "ssh", files, say)
	if err == nil {
		report.PlayedIn(o.ssh["d1"]+", "+o.ssh["d2"], "theirs")
	}
	return report, err
}
