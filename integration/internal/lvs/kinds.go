package lvs

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// A kind is a kind of virtual service that is not just an address and a port: how the configuration writes it, what clients ask of it, and what
// they must find.
type kind struct {
	name  string
	set   string // of [[service]]
	six   bool   // its servers are IPv6
	port  string // of its servers; empty: that of the service
	asks  []question
	judge func(asks []question, draws []draw) (bool, string)
}

// question is one request of a client.
type question struct {
	protocol int
	source   netip.Addr
	target   netip.AddrPort
	again    bool // from the same port as the question before
	hold     bool // the connection stays open
}

// offered is a virtual address for kinds of services by NAT: all of 10.10.0.0/16 and fd10::/64 belong to d1, and the client asks them from the
// outside.
func offered(six bool, number, n byte) netip.Addr {
	if six {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x10, 13: number, 15: n})
	}
	return netip.AddrFrom4([4]byte{10, 10, number, n})
}

// customer is a client's address: 10.8.1.0/24, 10.8.2.0/24 and so on are behind the client, and so are fd08:0:0:1::/64 and the next.
func customer(six bool, network, n byte) netip.Addr {
	if six {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x08, 7: network, 15: n})
	}
	return netip.AddrFrom4([4]byte{10, 8, network, n})
}

// questions asks each target in turn, the whole round several times.
func questions(protocol, rounds int, targets ...netip.AddrPort) (asks []question) {
	for range rounds {
		for _, t := range targets {
			asks = append(asks, question{protocol: protocol, source: customer(t.Addr().Is6(), 1, 1), target: t})
		}
	}
	return asks
}

// from asks one target from each source.
func from(target netip.AddrPort, sources ...netip.Addr) (asks []question) {
	for _, source := range sources {
		asks = append(asks, question{protocol: unix.IPPROTO_TCP, source: source, target: target})
	}
	return asks
}

// flow is questions of UDP from few ports: as many from each as n says.
func flow(target netip.AddrPort, source netip.Addr, n ...int) (asks []question) {
	for _, n := range n {
		for i := range n {
			asks = append(asks, question{protocol: unix.IPPROTO_UDP, source: source, target: target, again: i > 0})
		}
	}
	return asks
}

func port(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// numbered are ports of several addresses.
func numbered(six bool, number, first, last byte, at uint16) (all []netip.AddrPort) {
	for n := first; n <= last; n++ {
		all = append(all, port(offered(six, number, n), at))
	}
	return all
}

// marks are the rules by which a director's packets get their firewall mark, for nft.
const marks = `table inet lbha {
	chain director {
		type filter hook prerouting priority mangle; policy accept;
		ip daddr { 10.10.100.1, 10.10.100.2 } tcp dport { 7000, 7001 } meta mark set 100
		ip6 daddr { fd10::64:1, fd10::64:2 } tcp dport { 7000, 7001 } meta mark set 100
	}
}
`

// onePacket is the virtual address of the service that schedules each datagram. It is served by DR: see the director's check of the configuration.
var onePacket = port(tunnelled(false, 20), numberPort)

var kinds = []kind{
	{"firewall mark, IPv4: two addresses with two ports are one pool", "fwmark = 100", false, "0",
		questions(unix.IPPROTO_TCP, 2, port(offered(false, 100, 1), numberPort), port(offered(false, 100, 2), otherPort)), pattern("abab")},
	{"firewall mark, IPv6: the same", "fwmark = 100\nfamily = \"ipv6\"", true, "0",
		questions(unix.IPPROTO_TCP, 2, port(offered(true, 100, 1), numberPort), port(offered(true, 100, 2), otherPort)), pattern("abab")},
	{"several addresses with their ports: each is answered by both servers", fmt.Sprintf("addresses = [%q, %q]", "10.10.101.1:80", "10.10.101.9:443"), false, "7000",
		questions(unix.IPPROTO_TCP, 2, port(offered(false, 101, 1), 80), port(offered(false, 101, 9), 443)), each(2)},
	{"a range of addresses: each of the six", `address = "10.10.102.5-10:80"`, false, "7000",
		questions(unix.IPPROTO_TCP, 2, numbered(false, 102, 5, 10, 80)...), each(6)},
	{"a range of IPv6 addresses: each of the four", `address = "[fd10::67:e-11]:80"`, true, "7000",
		questions(unix.IPPROTO_TCP, 2, numbered(true, 103, 14, 17, 80)...), each(4)},
	{"UDP: each port of a client has its server", "address = \"10.10.104.1:7000\"\nprotocol = \"udp\"", false, "",
		flow(port(offered(false, 104, 1), numberPort), customer(false, 1, 1), 3, 3), pattern("aaabbb")},
	{"UDP, one packet: each datagram of one port is scheduled", fmt.Sprintf("address = %q\nprotocol = \"udp\"\none_packet = true\nforward = \"dr\"", onePacket), false, "",
		flow(onePacket, place(inside, false, 10), 6), pattern("ababab")},
	{"SCTP: associations in turn", "address = \"10.10.105.1:7000\"\nprotocol = \"sctp\"", false, "",
		questions(unix.IPPROTO_SCTP, 4, port(offered(false, 105, 1), numberPort)), pattern("abab")},
	{"persistence of a /24: its clients have one server, one of another network the next", "address = \"10.10.106.1:7000\"\npersistence = { timeout = \"30s\", netmask = 24 }", false, "",
		from(port(offered(false, 106, 1), numberPort), customer(false, 1, 1), customer(false, 1, 200), customer(false, 2, 1), customer(false, 1, 7)), pattern("aaba")},
	{"persistence of an IPv6 /64: the same", "address = \"[fd10::6b:1]:7000\"\npersistence = { timeout = \"30s\", netmask = 64 }", true, "",
		from(port(offered(true, 107, 1), numberPort), customer(true, 1, 1), customer(true, 1, 200), customer(true, 2, 1), customer(true, 1, 7)), pattern("aaba")},
}

// config is the kind's service in the configuration of a director.
func (k kind) config() string { return table(k.name, k.set, k.six, k.port) }

// table writes a service with both real servers, whose checks are not what matters. Little is left to drain when it goes.
func table(name, set string, six bool, port string) string {
	return pooled(name, set+"\ndrain_timeout = \"1s\"", "", place(inside, six, 3), place(inside, six, 4), port)
}

// pooled writes a service with up to two servers; what is set of a server goes for the first.
func pooled(name, set, first string, one, two netip.Addr, port string) string {
	text := fmt.Sprintf("\n[[service]]\nname = %q\nscheduler = \"rr\"\n%s\n", identifier(name), set)
	for _, server := range []netip.Addr{one, two} {
		if !server.IsValid() {
			continue
		}
		at := server.String()
		if port != "" {
			at = fmt.Sprintf("%s:%s", at, port)
			if server.Is6() {
				at = fmt.Sprintf("[%s]:%s", server, port)
			}
		}
		text += fmt.Sprintf("[[service.server]]\naddress = %q\n", at)
		if server == one && first != "" {
			text += first + "\n"
		}
	}
	return text
}

// identifier is a demand as the name of a service.
func identifier(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') })
	joined := strings.Join(words, "-")
	return strings.TrimSuffix(joined[:min(len(joined), 64)], "-")
}

// pattern demands that the answers come from two servers, which change as the letters do: whichever the first is, it is a.
func pattern(want string) func([]question, []draw) (bool, string) {
	return func(_ []question, draws []draw) (bool, string) {
		got, letters := "", map[byte]string{0: "-"}
		for _, d := range draws {
			if letters[d.Server] == "" {
				letters[d.Server] = string(rune('a' + len(letters) - 1))
			}
			got += letters[d.Server]
		}
		return got == want, "servers " + strings.Join(strings.Split(got, ""), " ")
	}
}

// each demands that as many addresses were asked, and that both servers answered each of them.
func each(addresses int) func([]question, []draw) (bool, string) {
	return func(asks []question, draws []draw) (bool, string) {
		servers := map[netip.AddrPort]map[byte]bool{}
		for i, d := range draws {
			at := asks[i].target
			if servers[at] == nil {
				servers[at] = map[byte]bool{}
			}
			servers[at][d.Server] = true
		}
		both := 0
		for _, s := range servers {
			if len(s) == 2 && s[1] && s[2] {
				both++
			}
		}
		return both == addresses && len(servers) == addresses && whole(draws), fmt.Sprintf("both servers answered %d of %d addresses", both, len(servers))
	}
}

// limited demands that the first server got as many of the connections as it may have and not one more, and that all were made.
func limited(limit int) func([]question, []draw) (bool, string) {
	return func(_ []question, draws []draw) (bool, string) {
		return whole(draws) && counts(draws)[1] == limit && len(draws) > 2*limit, tally(draws, 2)
	}
}
