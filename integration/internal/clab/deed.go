package clab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netns"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// do does one thing.
func (p *Place) do(ctx context.Context, c script.Clause) (said string, err error) {
	switch c.Form {
	case script.Heal:
		return "", p.heal()
	case script.Cut, script.Loss, script.Delay, script.Link:
		return "", p.impair(c)
	case script.Flood:
		o := p.net.Observer
		return o.Output(p.self, stage.PartyCommand, "forge", strconv.Itoa(c.Number), c.Time.String(), o.MAC.String())
	}
	name := c.Host()
	docker := func(args ...string) (string, error) { return run(ctx, "docker", args...) }
	inside := func(args ...string) (string, error) {
		return docker(append([]string{"exec", prefix + name}, args...)...)
	}
	h, err := p.net.Host(name)
	if err != nil {
		return "", err
	}
	switch c.Form {
	case script.Kill:
		if c.Part != "" {
			return "", p.killPart(ctx, name, drive.Part(c.Part))
		}
		return docker("kill", prefix+name)
	case script.Stop:
		return docker("kill", "--signal", "TERM", prefix+name)
	case script.Start:
		return "", p.start(ctx, name)
	case script.Pause:
		return docker("pause", prefix+name)
	case script.Continue:
		return docker("unpause", prefix+name)
	case script.Reload, script.Reprior:
		if err := p.rewrite(c); err != nil {
			return "", err
		}
		return inside("lbha", "reload")
	case script.Failover:
		return inside("lbha", "failover")
	case script.Lift:
		return inside("lbha", "failover", "--lift")
	case script.Status:
		return inside("lbha", "status")
	case script.DeleteVIP:
		return "", h.DeleteAddress(netlab.VIP) // at once: docker exec takes longer than the address is gone
	case script.AddVIP:
		return "", h.AddAddress(nic, netlab.VIP.String()+"/32")
	case script.ClearTable:
		return h.Output("ipvsadm", "-C")
	}
	return "", fmt.Errorf("%w: %s", ErrNotHere, c.Form)
}

// rewrite writes the configuration that a reload shall apply. It is bound into the container: the file stays the same one.
func (p *Place) rewrite(c script.Clause) error {
	i := int(c.Host()[1] - '1')
	text, err := os.ReadFile(p.config(i))
	if err != nil {
		return err
	}
	next := string(text)
	if c.Form == script.Reprior {
		next = p.text(i, c.Number)
	}
	if c.Option {
		next = p.text(i, p.scenario.Directors[i].Priority) + "\n" + p.scenario.Snippets[c.Name]
	}
	return os.WriteFile(p.config(i), []byte(next), 0o644)
}

// impair breaks the network.
func (p *Place) impair(c script.Clause) error {
	to := p.cabled()
	if len(c.Hosts) > 0 {
		h, err := p.net.Host(c.Host())
		if err != nil {
			return err
		}
		to = []*netlab.Host{h}
	}
	switch c.Form {
	case script.Link:
		return p.net.Port(to[0], c.Up)
	case script.Cut:
		other, err := p.net.Host(c.Hosts[1])
		if err != nil {
			return err
		}
		if err := p.net.Deafen(other, to[0]); err != nil || c.Option {
			return err
		}
		return p.net.Deafen(to[0], other)
	}
	for _, h := range to {
		var err error
		if c.Form == script.Loss {
			err = p.net.Lose(h, c.Percent)
		} else {
			err = p.net.Slow(h, c.Time)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pid is the first process of a container, as this world numbers it.
func pid(ctx context.Context, name string) (int, error) {
	out, err := run(ctx, "docker", "inspect", "-f", "{{.State.Pid}}", prefix+name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

func (p *Place) killPart(ctx context.Context, name string, part drive.Part) error {
	first, err := pid(ctx, name)
	if err != nil {
		return err
	}
	parts := drive.Children(first)
	parts[drive.Supervisor] = first
	if parts[part] == 0 {
		return fmt.Errorf("%s has no running %s", name, part)
	}
	return syscall.Kill(parts[part], syscall.SIGKILL)
}

// endLimit is how long a container that was told to stop may take.
const endLimit = 15 * time.Second

// start starts a container that has ended. Its network went with it, and containerlab makes it only once: the cable is made anew.
func (p *Place) start(ctx context.Context, name string) error {
	waiting, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	if _, err := run(waiting, "docker", "wait", prefix+name); err != nil {
		return err
	}
	// The old namespace may live as long as somebody looks at it.
	_ = exec.CommandContext(ctx, "ip", "link", "del", name).Run()
	if _, err := run(ctx, "docker", "start", prefix+name); err != nil {
		return err
	}
	first, err := pid(ctx, name)
	if err != nil {
		return err
	}
	h, err := p.net.Host(name)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"ip", "link", "add", name, "type", "veth", "peer", "name", nic, "address", h.MAC.String(), "netns", strconv.Itoa(first)},
		{"ip", "link", "set", name, "master", bridge, "up"},
		{"docker", "exec", prefix + name, "ip", "address", "add", h.Addr.String() + "/24", "dev", nic},
		{"docker", "exec", prefix + name, "ip", "link", "set", nic, "up"},
	} {
		if _, err := run(ctx, args[0], args[1:]...); err != nil {
			return err
		}
	}
	ns, err := netns.GetFromPid(first)
	if err != nil {
		return err
	}
	return p.see(h, ns)
}
