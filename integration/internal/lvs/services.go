package lvs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/ipvs"
)

// services plays every kind of virtual service on d1, with the directors' own configuration: each is in it from here to the end of the part. What
// takes its time, servers that drain, does so while the tunnels are looked at.
func (s *session) services(ctx context.Context) error {
	if err := s.prepareKinds(); err != nil {
		return err
	}
	if err := s.rest(ctx); err != nil {
		return err
	}
	d := drainage{s: s}
	config := limitConfig
	for _, k := range kinds {
		config += k.config()
	}
	if err := s.reconfigure(settings{more: config + d.config()}); err != nil {
		return err
	}
	for _, k := range kinds {
		if k.asks[0].protocol == unix.IPPROTO_SCTP && !hasSCTP() {
			s.say("  not shown: %s: this kernel has no SCTP (module sctp)", k.name)
			continue
		}
		draws, fds := s.inquire(k.asks)
		shutAll(fds)
		ok, measured := k.judge(k.asks, draws)
		s.find(k.name, ok, "%s", measured)
	}
	s.limits()
	if err := d.begin(ctx); err != nil {
		return err
	}
	// The kernel takes servers of the other family only without synchronisation.
	if err := s.reconfigure(settings{more: config + d.config() + tunnelConfig(), unsynced: true}); err != nil {
		return err
	}
	if err := s.wire(); err != nil {
		return err
	}
	if err := d.end(ctx); err != nil {
		return err
	}
	s.relieved()
	// What drains of the tunnels stands in the way of synchronisation until it is gone.
	if err := s.reconfigure(settings{unsynced: true}); err != nil {
		return err
	}
	if err := s.alone(ctx); err != nil {
		return err
	}
	if err := s.reconfigure(settings{}); err != nil {
		return err
	}
	return s.rest(ctx)
}

// prepareKinds gives d1 the virtual addresses, the client its own, and the real servers what answers there.
func (s *session) prepareKinds() error {
	d, c := s.net.d[0], s.net.client
	back := func(six bool) (routes []string) {
		for _, network := range []byte{1, 2} {
			p := netip.PrefixFrom(customer(six, network, 0), map[bool]int{false: 24, true: 64}[six])
			routes = append(routes, fmt.Sprintf("route replace %v via %v", p, c.at(outside, six)))
		}
		return routes
	}
	local := func(routes []string) (list []string) {
		for _, r := range routes {
			list = append(list, "route replace local "+strings.Fields(r)[2]+" dev lo")
		}
		return list
	}
	if err := d.ip(slices.Concat([]string{
		"route replace local 10.10.0.0/16 dev lo", "route replace local 10.11.0.0/16 dev lo",
		"-6 route replace local fd10::/64 dev lo", "-6 route replace local fd11::/64 dev lo",
	}, back(false), back(true))...); err != nil {
		return err
	}
	if err := c.ip(slices.Concat(local(back(false)), local(back(true)), []string{
		fmt.Sprintf("route replace 10.10.0.0/16 via %v", d.at(outside, false)), fmt.Sprintf("-6 route replace fd10::/64 via %v", d.at(outside, true)),
		fmt.Sprintf("route replace 10.11.0.0/16 via %v", d.at(inside, false)), fmt.Sprintf("-6 route replace fd11::/64 via %v", d.at(inside, true)),
	})...); err != nil {
		return err
	}
	if err := s.markKinds(); err != nil {
		return err
	}
	for i, rs := range s.net.real {
		if err := s.net.prepare(rs, "--vip", onePacket.Addr().String(), "--mode", "dr"); err != nil {
			return err
		}
		own := port(rs.at(inside, false), numberPort)
		for _, at := range []netip.AddrPort{own, onePacket} {
			if err := serveDatagrams(rs.Host, at, byte(i+1)); err != nil {
				return err
			}
		}
		// Without SCTP the kernel has no client for it either: see services.
		if err := serveAssociations(rs.Host, own, byte(i+1)); err != nil && !errors.Is(err, unix.EPROTONOSUPPORT) {
			return err
		}
	}
	return nil
}

// markKinds makes d1 mark the packets of the services by firewall mark, in the way that its kernel has.
func (s *session) markKinds() error {
	d := s.net.d[0]
	rules := filepath.Join(runDir, "marks.nft")
	if err := os.WriteFile(rules, []byte(marks), 0o644); err != nil {
		return err
	}
	_, refused := d.Output("nft", "-f", rules)
	if refused == nil {
		s.say("  firewall marks are set by nft")
		return nil
	}
	for _, six := range []bool{false, true} {
		program := map[bool]string{false: "iptables-legacy", true: "ip6tables-legacy"}[six]
		for n := byte(1); n <= 2; n++ {
			args := fmt.Sprintf("-t mangle -A PREROUTING -d %v -p tcp -m multiport --dports %d,%d -j MARK --set-mark 100", offered(six, 100, n), numberPort, otherPort)
			if _, err := d.Output(program, strings.Fields(args)...); err != nil {
				return errors.Join(refused, err)
			}
		}
	}
	s.say("  firewall marks are set by iptables: this kernel's nf_tables know neither IPv4 nor IPv6")
	return nil
}

// inquire asks the questions, and returns who answered and the connections that stay open.
func (s *session) inquire(asks []question) (draws []draw, held []int) {
	_ = s.net.client.Do(func() error {
		last := -1
		for _, q := range asks {
			fd, err := last, error(nil)
			if !q.again {
				shut(last)
				fd, err = connect(q.protocol, q.source, q.target)
			}
			request := ""
			if q.protocol == unix.IPPROTO_UDP {
				request = "?"
			}
			var server byte
			if err == nil {
				server, err = talkOn(fd, request)
			}
			if err != nil {
				s.say("    %v → %v: %v", q.source, q.target, err)
				server = 0
			}
			draws = append(draws, draw{q.source, q.target.Addr(), server})
			if last = fd; q.hold && err == nil {
				held, last = append(held, fd), -1
			}
		}
		shut(last)
		return nil
	})
	return draws, held
}

func shutAll(fds []int) {
	for _, fd := range fds {
		shut(fd)
	}
}

// hasSCTP reports whether the kernel can make associations.
func hasSCTP() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	shut(fd)
	return err == nil
}

// A server's limits: it gets no more connections at the upper, and is back below the lower one.
const upper, lower = 5, 2

var (
	limitedAt   = port(offered(false, 110, 1), numberPort)
	limitConfig = pooled("limits", fmt.Sprintf("address = %q\ndrain_timeout = \"1s\"", limitedAt), fmt.Sprintf("max_connections = %d\nmin_connections = %d", upper, lower),
		place(inside, false, 3), place(inside, false, 4), "")
)

// limits opens more connections than the first server may have, and closes them.
func (s *session) limits() {
	asks := questions(unix.IPPROTO_TCP, 14, limitedAt)
	for i := range asks {
		asks[i].hold = true
	}
	draws, fds := s.inquire(asks)
	ok, measured := limited(upper)(asks, draws)
	s.find(fmt.Sprintf("max_connections %d: 14 connections, the server gets %d", upper, upper), ok, "%s", measured)
	shutAll(fds)
}

// relieved sees that the server is back, now that the kernel has forgotten the connections.
func (s *session) relieved() {
	asks := questions(unix.IPPROTO_TCP, 4, limitedAt)
	draws, fds := s.inquire(asks)
	shutAll(fds)
	ok, measured := pattern("abab")(asks, draws)
	s.find(fmt.Sprintf("min_connections %d: with fewer left it gets connections again", lower), ok, "%s", measured)
}

// alone waits until d1 has no service left of this part: nothing may be written later, when no write is expected.
func (s *session) alone(ctx context.Context) error {
	return eventually(15*time.Second, "the services of this part are gone", func() error {
		snap, err := s.list(ctx, 0)
		if err != nil {
			return err
		}
		if n := len(snap.Table); n != len(virtual)+2 {
			return fmt.Errorf("d1 has %d services:\n%s", n, snap.Table)
		}
		return nil
	})
}

// serving finds the server of a service that has connections, or templates of persistence.
func serving(snap ipvs.Snapshot, at netip.AddrPort, protocol ipvs.Protocol) (server netip.Addr, ok bool) {
	for addr, stats := range snap.Stats[ipvs.NewKey(protocol, at)].Servers {
		if stats.Active+stats.Inactive+stats.Persistent > 0 {
			return addr.Addr(), true
		}
	}
	return netip.Addr{}, false
}
