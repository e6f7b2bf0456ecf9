package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

// A throughProber probes the way of the traffic: it asks a virtual address, and IPVS,
// which has a virtual service of one server for the mark of the probe's packets, delivers
// them to that server by DR or through its tunnel. So it finds the server that is well
// and does not accept the address, which every other probe calls healthy.
//
// The probe's source is an address of ours, and the server answers it directly, from the
// virtual address. Where that is an address of ours as well, as on the master, the
// kernel takes such answers for forged unless accept_local is set; a server must not be
// blamed for that.
type throughProber struct {
	healthcheck.Prober
	vip  netip.Addr
	dial Dial
}

func (p *throughProber) Probe(ctx context.Context) healthcheck.Result {
	r := p.Prober.Probe(ctx)
	if r.Failure != healthcheck.FailureTimeout || !p.vip.Is4() { // IPv6 has no such notion
		return r
	}
	if deaf := p.deaf(); deaf != "" {
		return healthcheck.Failed(healthcheck.FailureLocal, deaf)
	}
	return r
}

// deaf says why the kernel drops what the server may have answered; "": it does not.
func (p *throughProber) deaf() string {
	source := p.dial.Source
	if !source.IsValid() {
		var err error
		if source, err = sourceTowards(p.dial.Through, p.vip); err != nil {
			return ""
		}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return ""
	}
	ours, name := false, ""
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			return ""
		}
		for _, a := range addresses {
			prefix, err := netip.ParsePrefix(a.String())
			switch {
			case err != nil:
			case prefix.Addr() == p.vip:
				ours = true
			case prefix.Addr() == source:
				name = i.Name
			}
		}
	}
	if !ours || name == "" || isSet("all") || isSet(name) {
		return ""
	}
	return fmt.Sprintf("the answers come from %v, which is ours: set net.ipv4.conf.%s.accept_local=1", p.vip, name)
}

// isSet reports whether an interface takes packets from addresses of ours. What cannot
// be read is not said to be wrong.
func isSet(name string) bool {
	text, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + name + "/accept_local")
	return err != nil || strings.TrimSpace(string(text)) != "0"
}

// sourceTowards is the address that we have towards a server. It cannot be the one that
// is probed, whose answers would go to the server itself.
func sourceTowards(server, target netip.Addr) (netip.Addr, error) {
	const anyPort = 9 // nothing is sent: connecting finds the route
	to, err := sockaddr(server, anyPort)
	if err != nil {
		return netip.Addr{}, local("zone", err)
	}
	domain := unix.AF_INET6
	if server.Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return netip.Addr{}, local("socket", err)
	}
	defer unix.Close(fd)
	if err := connect(fd, to); err != nil {
		return netip.Addr{}, err
	}
	name, err := localName(fd)
	if err != nil {
		return netip.Addr{}, local("name", err)
	}
	if name.Addr() != target {
		return name.Addr(), nil
	}
	return neighbourOf(server, target)
}

// neighbourOf is an address of ours in a network of the server, other than the target:
// for IPv6 the kernel may well prefer the address that has come last.
func neighbourOf(server, target netip.Addr) (netip.Addr, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, local("addresses", err)
	}
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr() != target && prefix.Contains(server) {
			return prefix.Addr(), nil
		}
	}
	return netip.Addr{}, local("source", fmt.Errorf("our address towards %v is %v itself: set another", server, target))
}
