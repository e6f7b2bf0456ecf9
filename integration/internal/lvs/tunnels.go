package lvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/observe"
)

// guePort is the UDP port of every GUE tunnel here.
const guePort = 6080

// tunnel is how a service of the mode tun wraps.
type tunnel struct {
	kind     string // as in the configuration; empty: ipip
	checksum string // likewise; empty: none
	other    bool   // around it is the other family than the service's
}

func (t tunnel) encapsulation() string { return cmp.Or(t.kind, "ipip") }

// over6 reports whether the service's packets travel to the real servers as IPv6.
func (v service) over6() bool { return v.addr.Is6() != v.other }

// tunnelled is a virtual address for tunnels: all of 10.11.0.0/16 and fd11::/64 belong to d1, and the client asks them from the inside.
func tunnelled(six bool, last byte) netip.Addr {
	if six {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x11, 15: last})
	}
	return netip.AddrFrom4([4]byte{10, 11, 0, last})
}

// tunnels are the services whose packets are wrapped otherwise than by IPIP of their own family.
var tunnels = []service{
	{"gre", "tun", tunnelled(false, 1), inside, tunnel{kind: "gre"}},
	{"gre6", "tun", tunnelled(true, 1), inside, tunnel{kind: "gre"}},
	{"gue", "tun", tunnelled(false, 2), inside, tunnel{kind: "gue"}},
	{"gue6", "tun", tunnelled(true, 2), inside, tunnel{kind: "gue"}},
	{"gue with a remote checksum", "tun", tunnelled(false, 3), inside, tunnel{kind: "gue", checksum: "remote"}},
	{"ipip, IPv4 in IPv6", "tun", tunnelled(false, 4), inside, tunnel{other: true}},
	{"ipip, IPv6 in IPv4", "tun", tunnelled(true, 4), inside, tunnel{other: true}},
	{"gre, IPv6 in IPv4", "tun", tunnelled(true, 5), inside, tunnel{kind: "gre", other: true}},
	{"gue, IPv4 in IPv6", "tun", tunnelled(false, 6), inside, tunnel{kind: "gue", other: true}},
}

// config is the service in the configuration of a director.
func (v service) config() string {
	set := fmt.Sprintf("type = %q", v.encapsulation())
	if v.kind == "gue" {
		set += fmt.Sprintf(", port = %d", guePort)
	}
	if v.checksum != "" {
		set += fmt.Sprintf(", checksum = %q", v.checksum)
	}
	return table(v.name, fmt.Sprintf("address = %q\nforward = \"tun\"\ntunnel = { %s }", netip.AddrPortFrom(v.addr, drive.PortHTTP), set), v.over6(), "")
}

// tunnelState is what a real server has for tunnels.
func tunnelState(rs node) (string, error) {
	var state strings.Builder
	for _, of := range []string{"-oneline address show", "-6 tunnel show ip6tnl0", "fou show"} {
		out, err := rs.Output("ip", strings.Fields(of)...)
		if err != nil {
			return "", fmt.Errorf("ip %s: %w", of, err)
		}
		state.WriteString(out)
	}
	return state.String(), nil
}

// unwrapping makes both real servers ready for the tunnels.
func (s *session) unwrapping() error {
	for _, v := range tunnels {
		args := []string{"--vip", v.addr.String(), "--mode", "tun", "--tunnel", v.encapsulation()}
		if v.kind == "gue" {
			args = append(args, "--tunnel-port", fmt.Sprint(guePort))
		}
		if v.other {
			args = append(args, "--over", map[bool]string{false: "ipv4", true: "ipv6"}[v.over6()])
		}
		for _, rs := range s.net.real {
			if err := s.net.prepare(rs, args...); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
		}
	}
	return nil
}

// restored takes all of that back, and judges what is left.
func (s *session) restored(before [2]string) error {
	args := []string{"realserver", "down"}
	for _, v := range tunnels {
		args = append(args, "--vip", v.addr.String())
	}
	for i, rs := range s.net.real {
		if _, err := rs.Output(s.net.binary, append(args, "--state-dir", filepath.Join(runDir, rs.Name))...); err != nil {
			return err
		}
		after, err := tunnelState(rs)
		if err != nil {
			return err
		}
		was, is := strings.Split(before[i], "\n"), strings.Split(after, "\n")
		lost := slices.DeleteFunc(slices.Clone(was), func(line string) bool { return slices.Contains(is, line) })
		left := slices.DeleteFunc(is, func(line string) bool { return slices.Contains(was, line) })
		s.find(rs.Name+": lbha realserver down leaves addresses, ip6tnl0 and the ports of foo over UDP as they were", after == before[i], "%d lines%s%s",
			len(was), ifAny("; gone: ", lost), ifAny("; new: ", left))
	}
	return nil
}

// tunnelConfig are the services by tunnel. The kernel takes those of which the families differ only without synchronisation.
func tunnelConfig() (config string) {
	for _, v := range tunnels {
		config += v.config()
	}
	return config
}

// wire makes the real servers ready, makes a request of each tunnel, judges what was on the wire, and takes everything back.
func (s *session) wire() error {
	var before [2]string
	for i, rs := range s.net.real {
		var err error
		if before[i], err = tunnelState(rs); err != nil {
			return err
		}
	}
	if err := s.unwrapping(); err != nil {
		return err
	}
	stop := make(chan struct{})
	defer close(stop)
	tape := new(observe.Tape[observe.Frame])
	for _, at := range []node{s.net.client, s.net.d[0]} {
		if err := observe.Capture(at.Host, inside, tape, stop); err != nil {
			return err
		}
	}
	for _, v := range tunnels {
		x, err := s.request(v, tape)
		if err != nil {
			s.find(v.name+": a request is answered", false, "%v", err)
			continue
		}
		ok, measured := true, []string(nil)
		for _, t := range truths(v.mode) {
			good, said := t.judge(x)
			ok = ok && good
			measured = append(measured, said)
		}
		s.find(v.name+": wrapped, the inner packet unchanged; answered past the director, to the client's address", ok, "%s", strings.Join(measured, "; "))
	}
	return s.restored(before)
}
