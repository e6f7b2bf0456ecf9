package lvs

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/kernel"
)

const firstTrialPort = 8001

// trialAddr is a virtual address of the trials: all of 10.10.0.0/16 belongs to d1.
func trialAddr(number, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 10, byte(number), byte(n + 1)})
}

// trialSource is a client's address: all of 10.8.1.0/24 is behind the client.
func trialSource(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 8, 1, byte(n + 1)}) }

// schedulers plays the trials on d1 with the product's own way into the kernel, by NAT.
func (s *session) schedulers(ctx context.Context) error {
	d := s.net.d[0]
	if err := d.ip(
		"address add "+gateway4.String()+"/32 dev "+inside,
		"route add local 10.10.0.0/16 dev lo",
		fmt.Sprintf("route add 10.8.1.0/24 via %s", s.net.client.at(outside, false)),
	); err != nil {
		return err
	}
	if err := s.net.client.ip("route add local 10.8.1.0/24 dev lo", fmt.Sprintf("route add 10.10.0.0/16 via %s", d.at(outside, false))); err != nil {
		return err
	}
	// The third server is a second address of the second.
	if err := s.net.real[1].ip("address add 10.9.0.5/24 dev " + inside); err != nil {
		return err
	}
	if err := s.mark(); err != nil {
		return err
	}
	k := kernel.New(kernel.Options{Namespace: filepath.Join("/run/netns", d.Name)})
	defer k.Close()
	for i, t := range trials {
		draws, changed, err := s.play(ctx, k, i+1, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.scheduler, err)
		}
		ok, said := t.judge(draws, changed)
		s.find(fmt.Sprintf("%-5s %s", t.scheduler, t.property), ok && len(draws) == perTrial, "%s; %s", tally(draws, len(t.weights)), said)
	}
	if err := d.ip("address del "+gateway4.String()+"/32 dev "+inside, "route del local 10.10.0.0/16 dev lo"); err != nil {
		return err
	}
	return s.net.real[1].ip("address del 10.9.0.5/24 dev " + inside)
}

// mark gives the packets of each trial with several addresses its number as firewall mark.
func (s *session) mark() error {
	commands := []string{"qdisc add dev " + outside + " ingress"}
	for i, t := range trials {
		if t.targets > 0 {
			commands = append(commands, fmt.Sprintf("filter add dev %s ingress protocol ip u32 match ip dst 10.10.%d.0/24 action skbedit mark %d", outside, i+1, i+1))
		}
	}
	for _, c := range commands {
		if _, err := s.net.d[0].Output("tc", strings.Fields(c)...); err != nil {
			return fmt.Errorf("tc %s: %w", c, err)
		}
	}
	return nil
}

// play makes a trial's connections and returns where they went, and how many were made before the edit.
func (s *session) play(ctx context.Context, k ipvs.Kernel, number int, t trial) (draws []draw, changed int, err error) {
	service, port := ipvs.NewKey(ipvs.TCP, netip.AddrPortFrom(trialAddr(number, 0), uint16(firstTrialPort+number))), uint16(firstTrialPort+number)
	if t.targets > 0 {
		service, port = ipvs.MarkKey(uint32(number), ipvs.IPv4), numberPort
	}
	if err := want(ctx, k, t.table(service, t.weights)); err != nil {
		return nil, 0, err
	}
	d := new(drawer)
	some := func(from, to int) func() error {
		return func() error {
			for i := from; i < to && ctx.Err() == nil; i++ {
				d.draw(trialSource(i%max(1, t.sources)), trialAddr(number, i%max(1, t.targets)), port, t.hold)
			}
			return nil
		}
	}
	changed = perTrial
	if t.edit != nil {
		changed = perTrial / 2
	}
	if err := s.net.client.Do(some(0, changed)); err != nil {
		return nil, 0, err
	}
	if t.edit != nil {
		if err := want(ctx, k, t.table(service, t.edit)); err != nil {
			return nil, 0, err
		}
		if err := s.net.client.Do(some(changed, perTrial)); err != nil {
			return nil, 0, err
		}
	}
	d.close()
	return d.draws, changed, want(ctx, k, ipvs.Table{})
}

// table is the trial's, with the servers that have a weight in the list.
func (t trial) table(key ipvs.Key, weights []int) ipvs.Table {
	pool := ipvs.Pool{Service: ipvs.Service{Key: key, Scheduler: t.scheduler}}
	for i, w := range weights {
		port := uint16(numberPort)
		if key.Mark() != 0 {
			port = 0 // that which the client asked for
		}
		pool.Servers = append(pool.Servers, ipvs.Server{
			Addr: netip.AddrPortFrom(place(inside, false, byte(3+i)), port), Forward: ipvs.NAT, Weight: ipvs.Weight(w),
		})
	}
	return ipvs.NewTable(pool)
}

// want makes the kernel's table equal to one.
func want(ctx context.Context, k ipvs.Kernel, table ipvs.Table) error {
	snap, err := k.List(ctx)
	if err != nil {
		return err
	}
	return k.Apply(ctx, ipvs.Diff(table, snap.Table))
}
