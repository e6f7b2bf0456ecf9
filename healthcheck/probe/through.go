package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
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
// kernel takes such answers for forged unless accept_local is set; and where the way
// back to the address is another, unless rp_filter is not strict. A server must not be
// blamed for either.
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
	owners := interfacesByAddress()
	in, ours := owners[source], owners[p.vip]
	back := ours // where the kernel expects packets from the address
	if ours == "" {
		from, err := routedSource(p.vip)
		if err != nil {
			return ""
		}
		back = owners[from]
	}
	switch {
	case in == "" || back == "":
	case ours != "" && sysctl("all", "accept_local") == 0 && sysctl(in, "accept_local") == 0:
		return fmt.Sprintf("the answers come from %v, which is ours: set net.ipv4.conf.%s.accept_local=1", p.vip, in)
	case back != in && max(sysctl("all", "rp_filter"), sysctl(in, "rp_filter")) == 1:
		return fmt.Sprintf("the answers come from %v by %s, and the way back is by %s: set net.ipv4.conf.%[2]s.rp_filter=2", p.vip, in, back)
	}
	return ""
}

// interfacesByAddress says which interface has which address of ours.
func interfacesByAddress() map[netip.Addr]string {
	owners := make(map[netip.Addr]string)
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				owners[prefix.Addr()] = i.Name
			}
		}
	}
	return owners
}

// sysctl reads a setting of an interface; -1: it cannot be read.
func sysctl(iface, name string) int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + iface + "/" + name)
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return -1
	}
	return n
}

// sourceTowards is the address that we have towards a server. It cannot be the one that
// is probed, whose answers would go to the server itself.
func sourceTowards(server, target netip.Addr) (netip.Addr, error) {
	source, err := routedSource(server)
	if err == nil && source == target {
		return neighbourOf(server, target)
	}
	return source, err
}

// routedSource is the address that the kernel gives to what we send to another.
func routedSource(to netip.Addr) (netip.Addr, error) {
	const anyPort = 9 // nothing is sent: connecting finds the route
	peer, err := sockaddr(to, anyPort)
	if err != nil {
		return netip.Addr{}, local("zone", err)
	}
	domain := unix.AF_INET6
	if to.Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return netip.Addr{}, local("socket", err)
	}
	defer unix.Close(fd)
	if err := connect(fd, peer); err != nil {
		return netip.Addr{}, err
	}
	name, err := localName(fd)
	if err != nil {
		return netip.Addr{}, local("name", err)
	}
	return name.Addr(), nil
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
