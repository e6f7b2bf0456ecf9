package ground

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// loopback is the name of the loopback interface, in every network namespace.
const loopback = "lo"

// elsewhere is an address that only a default route leads to (RFC 5737). Nothing is sent to it.
var elsewhere = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// Read looks at this host, in the network namespace of the caller. It changes nothing and sends nothing.
func Read(ctx context.Context, a Asked) (Facts, error) {
	f := Facts{Sysctls: make(map[string]string), Routes: make(map[netip.Addr]Route, len(a.Targets))}
	for _, path := range a.Sysctls {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", path)); err == nil {
			f.Sysctls[path] = strings.Join(strings.Fields(string(value)), " ")
		}
	}
	var err error
	if f.Links, err = links(); err != nil {
		return Facts{}, fmt.Errorf("interfaces: %w", err)
	}
	for _, addr := range a.Targets {
		if ctx.Err() != nil {
			return Facts{}, ctx.Err()
		}
		f.Routes[addr] = f.route(addr)
	}
	f.Outside = f.route(elsewhere).Interface
	_, err = os.Stat("/proc/net/ip_vs")
	f.IPVS = err == nil
	f.Modules = modules()
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		f.Files = limit.Cur
	}
	return f, nil
}

func links() ([]Link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var all []Link
	for _, i := range interfaces {
		l := Link{Name: i.Name, Up: i.Flags&net.FlagUp != 0, Carrier: i.Flags&net.FlagRunning != 0, MTU: i.MTU}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.Addrs = append(l.Addrs, p)
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// route asks the kernel how it would reach an address, by connecting a datagram socket, which sends nothing.
func (f *Facts) route(addr netip.Addr) Route {
	domain, level, option := unix.AF_INET, unix.SOL_IP, unix.IP_MTU
	var to unix.Sockaddr = &unix.SockaddrInet4{Port: 9}
	if addr.Is4() {
		to.(*unix.SockaddrInet4).Addr = addr.As4()
	} else {
		domain, level, option = unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_MTU
		to = &unix.SockaddrInet6{Port: 9, Addr: addr.As16()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Route{} // nothing is known, which is no finding
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, to); err != nil {
		return Route{Error: err.Error()}
	}
	r := Route{}
	r.MTU, _ = unix.GetsockoptInt(fd, level, option)
	from, err := unix.Getsockname(fd)
	if err != nil {
		return r
	}
	var source netip.Addr
	switch s := from.(type) {
	case *unix.SockaddrInet4:
		source = netip.AddrFrom4(s.Addr)
	case *unix.SockaddrInet6:
		source = netip.AddrFrom16(s.Addr)
	}
	for _, l := range f.Links {
		// A source on the loopback interface, as routing protocols choose it, does not tell where packets leave.
		if l.Name == loopback && !source.IsLoopback() && !f.owns(addr) {
			continue
		}
		for _, p := range l.Addrs {
			if p.Addr() == source {
				r.Interface = l.Name
			}
		}
	}
	return r
}

// modules returns the names of all that belong to the running kernel, or nil if that is not told anywhere.
func modules() map[string]bool {
	var uts unix.Utsname
	if unix.Uname(&uts) != nil {
		return nil
	}
	dir := filepath.Join("/lib/modules", unix.ByteSliceToString(uts.Release[:]))
	found := make(map[string]bool)
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		if err := listed(filepath.Join(dir, list), found); err != nil {
			return nil
		}
	}
	return found
}

// listed adds the modules of a list, one a line: "kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: …".
func listed(path string, found map[string]bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		path, _, _ := strings.Cut(lines.Text(), ":")
		name, _, isModule := strings.Cut(filepath.Base(path), ".ko")
		if isModule {
			found[strings.ReplaceAll(name, "-", "_")] = true
		}
	}
	return lines.Err()
}
