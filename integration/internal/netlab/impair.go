package netlab

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// impairment is what the switch does to packets on their way to a host.
type impairment struct {
	loss  float64 // percent
	delay time.Duration
	deaf  []string // MAC addresses whose packets do not come through
	slow  bool     // a queue of netem is there
}

// Deafen lets no packet of one host reach another, and says nothing to either: the switch drops them. The other direction stays.
// To do it twice is to do it once.
func (n *Network) Deafen(h, from *Host) error {
	i := n.impair(h)
	if slices.Contains(i.deaf, from.MAC.String()) {
		return nil
	}
	if len(i.deaf) == 0 {
		if err := n.tc("qdisc", "add", "dev", h.port, "clsact"); err != nil {
			return err
		}
	}
	i.deaf = append(i.deaf, from.MAC.String())
	return n.tc("filter", "add", "dev", h.port, "egress", "protocol", "all", "prio", "1", "flower", "src_mac", from.MAC.String(), "action", "drop")
}

// Lose drops a share of the packets to a host, in percent.
func (n *Network) Lose(h *Host, percent float64) error {
	i := n.impair(h)
	i.loss = percent
	return n.netem(h, i)
}

// Slow delays the packets to a host.
func (n *Network) Slow(h *Host, by time.Duration) error {
	i := n.impair(h)
	i.delay = by
	return n.netem(h, i)
}

func (n *Network) netem(h *Host, i *impairment) error {
	i.slow = true
	return n.tc("qdisc", "replace", "dev", h.port, "root", "netem", "limit", "100000",
		"delay", strconv.FormatInt(i.delay.Microseconds(), 10)+"us", "loss", strconv.FormatFloat(i.loss, 'f', -1, 64)+"%")
}

// Mend takes every impairment back. Ports that are down stay down.
func (n *Network) Mend() error {
	for port, i := range n.impaired {
		if len(i.deaf) > 0 {
			if err := n.tc("qdisc", "del", "dev", port, "clsact"); err != nil {
				return err
			}
		}
		if i.slow {
			if err := n.tc("qdisc", "del", "dev", port, "root"); err != nil {
				return err
			}
		}
		delete(n.impaired, port)
	}
	return nil
}

func (n *Network) impair(h *Host) *impairment {
	if n.impaired == nil {
		n.impaired = map[string]*impairment{}
	}
	if n.impaired[h.port] == nil {
		n.impaired[h.port] = new(impairment)
	}
	return n.impaired[h.port]
}

func (n *Network) tc(args ...string) error {
	if _, err := n.Switch.Output("tc", args...); err != nil {
		return fmt.Errorf("tc %v: %w", args, err)
	}
	return nil
}

// Hosts lists all that are on the segment.
func (n *Network) Hosts() (list []*Host) {
	for _, h := range []*Host{n.D1, n.D2, n.Real[0], n.Real[1], n.Real[2], n.Client, n.Observer} {
		if h != nil {
			list = append(list, h)
		}
	}
	return list
}

// Host finds a host by its name.
func (n *Network) Host(name string) (*Host, error) {
	for _, h := range n.Hosts() {
		if h.Name == name {
			return h, nil
		}
	}
	return nil, fmt.Errorf("there is no host %s", name)
}
