package clab

import (
	"context"
	"fmt"

	"github.com/lbha/lbha/integration/internal/harm"
	"github.com/lbha/lbha/integration/internal/script"
)

// do does one thing: by docker what concerns a container, and as in the lab what concerns the hosts and their network.
func (p *Place) do(ctx context.Context, c script.Clause) (said string, err error) {
	if said, done, err := p.harm.Do(c); done {
		return said, err
	}
	name := c.Host()
	docker := func(args ...string) (string, error) { return run(ctx, "docker", append(args, prefix+name)...) }
	lbha := func(args ...string) (string, error) {
		return p.containers[name].run(ctx, append([]string{"lbha"}, args...)...)
	}
	switch c.Form {
	case script.Kill:
		return docker("kill")
	case script.Stop, script.Start:
		if name[0] == 'r' {
			return "", p.containers[name].web(ctx, c.Form == script.Start)
		}
		if c.Form == script.Stop {
			return docker("kill", "--signal", "TERM")
		}
		return "", p.start(ctx, name)
	case script.Pause:
		return docker("pause")
	case script.Continue:
		return docker("unpause")
	case script.Reload, script.Reprior, script.Reserve, script.Misread:
		return p.reload(c, lbha)
	case script.Failover:
		return lbha("failover")
	case script.Lift:
		return lbha("failover", "--lift")
	case script.Status:
		return lbha("status")
	}
	return "", fmt.Errorf("%w: %s", ErrNotHere, c.Form)
}

// reload writes a director's configuration and has it applied.
func (p *Place) reload(c script.Clause, lbha func(...string) (string, error)) (string, error) {
	i := int(c.Host()[1] - '1')
	next := p.settings[i]
	switch c.Form {
	case script.Reprior:
		next.priority = c.Number
	case script.Reserve:
		next.servers = c.Servers
	}
	text := p.text(i, next)
	if c.Form == script.Reload && c.Option {
		text += "\n" + p.scenario.Snippets[c.Name]
	}
	err := p.write(i, text)
	if c.Form == script.Misread {
		err = harm.Wreck(p.config(i), text, c.Name)
	}
	if err != nil {
		return "", err
	}
	said, err := lbha("reload")
	if err == nil {
		p.settings[i] = next
	}
	return said, err
}
