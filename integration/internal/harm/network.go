package harm

import (
	"errors"

	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/script"
)

// Heal mends the network: no cut, no loss, no delay, every link up.
func (s *Site) Heal() error {
	errs := []error{s.Net.Mend()}
	for _, h := range s.Net.Hosts() {
		errs = append(errs, s.Net.Port(h, true))
	}
	return errors.Join(errs...)
}

// network impairs the network.
func (s *Site) network(c script.Clause) error {
	n := s.Net
	to := n.Hosts()
	if len(c.Hosts) > 0 {
		h, err := n.Host(c.Host())
		if err != nil {
			return err
		}
		to = []*netlab.Host{h}
	}
	switch c.Form {
	case script.Link:
		return n.Port(to[0], c.Up)
	case script.Cut:
		other, err := n.Host(c.Hosts[1])
		if err != nil {
			return err
		}
		if err := n.Deafen(other, to[0]); err != nil || c.Option {
			return err
		}
		return n.Deafen(to[0], other)
	}
	for _, h := range to {
		impair := func() error { return n.Lose(h, c.Percent) }
		if c.Form == script.Delay {
			impair = func() error { return n.Slow(h, c.Time) }
		}
		if err := impair(); err != nil {
			return err
		}
	}
	return nil
}
