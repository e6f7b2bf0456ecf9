package ipvsctl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/lbha/lbha/ipvs"
)

// servicesFile has the names of ports: "ipvsadm -S" without -n writes names.
const servicesFile = "/etc/services"

// Ports finds the number of a port by its name, for the protocol of a service. Firewall marks, which have none, take tcp's
// names, as in ipvsadm.
type Ports func(p ipvs.Protocol, name string) (uint16, error)

// SystemPorts looks names up in /etc/services, which is read when the first name is asked for.
func SystemPorts() Ports {
	load := sync.OnceValues(func() (map[portName]uint16, error) {
		f, err := os.Open(servicesFile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readServices(f)
	})
	return func(p ipvs.Protocol, name string) (uint16, error) {
		names, err := load()
		if err != nil {
			return 0, fmt.Errorf("port name %q: %w; use numbers (ipvsadm -Sn)", name, err)
		}
		if p == 0 {
			p = ipvs.TCP
		}
		port, ok := names[portName{name, p.String()}]
		if !ok {
			return 0, fmt.Errorf("port name %q is not in %s for %s", name, servicesFile, p)
		}
		return port, nil
	}
}

// portName is a name in /etc/services, which belongs to a protocol.
type portName struct{ name, protocol string }

// readServices reads services(5). Of two entries with one name, the first counts. Lines that are
// none are passed over, as the C library does.
func readServices(r io.Reader) (map[portName]uint16, error) {
	names := map[portName]uint16{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		number, protocol, ok := strings.Cut(words[1], "/")
		port, err := strconv.ParseUint(number, 10, 16)
		if !ok || err != nil {
			continue
		}
		for _, name := range append(words[2:], words[0]) {
			if _, known := names[portName{name, protocol}]; !known {
				names[portName{name, protocol}] = uint16(port)
			}
		}
	}
	return names, lines.Err()
}

// ParseKey reads the name of a service as the listings print it: "tcp/10.9.0.100:80", "udp/[2001:db8::1]:53", "fwmark/10/ipv6".
func ParseKey(s string) (ipvs.Key, error) {
	k, err := ipvs.ParseKey(s)
	if err != nil {
		return ipvs.Key{}, fmt.Errorf("service %q: want a name as tcp/10.9.0.100:80, udp/[2001:db8::1]:53 or fwmark/10[/ipv6], or -t, -u, --sctp-service or -f", s)
	}
	if !k.IsValid() {
		return ipvs.Key{}, fmt.Errorf("service %q: a firewall mark is not 0", s)
	}
	return k, nil
}

// AddressKey reads the argument of ipvsadm's -t, -u and --sctp-service: ADDRESS[:PORT], the port by number or name.
func AddressKey(p ipvs.Protocol, s string, ports Ports) (ipvs.Key, error) {
	a, err := parseAddress(p, s, 0, ports)
	if err != nil {
		return ipvs.Key{}, fmt.Errorf("%s service %w", p, err)
	}
	return ipvs.NewKey(p, a), nil
}

// ServerAddress reads the argument of ipvsadm's -r for a service. Without a port it is that of the service.
func ServerAddress(k ipvs.Key, s string, ports Ports) (netip.AddrPort, error) {
	a, err := parseAddress(k.Protocol(), s, k.Addr().Port(), ports)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("server %w", err)
	}
	return a, nil
}

// parseAddress reads ADDRESS or ADDRESS:PORT; an IPv6 address with a port is in brackets.
func parseAddress(p ipvs.Protocol, s string, missing uint16, ports Ports) (netip.AddrPort, error) {
	bare := s
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(bare); err == nil && a.Zone() == "" {
		return netip.AddrPortFrom(a.Unmap(), missing), nil
	}
	host, port, err := net.SplitHostPort(s)
	a, bad := netip.ParseAddr(host)
	if err != nil || bad != nil || a.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%q: want ADDRESS or ADDRESS:PORT (IPv6: [ADDRESS]:PORT); names of hosts are not looked up", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if errors.Is(err, strconv.ErrSyntax) && port != "" {
		named, err := ports(p, port)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%q: %w", s, err)
		}
		return netip.AddrPortFrom(a.Unmap(), named), nil
	}
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q: want a port from 0 to 65535", s)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}
