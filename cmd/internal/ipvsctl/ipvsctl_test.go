package ipvsctl

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/kernel"
)

func TestShort(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 99_999: "99999", 100_000: "100k", 999_999: "999k", 1_000_000: "1.00M", 1_239_999: "1.23M",
		12_399_999: "12.3M", 123_999_999: "123M", 5_007_000_000: "5.00G", math.MaxUint64: "18.4E",
	} {
		if got := short(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

const services = `# a comment
tcpmux		1/tcp				# TCP port service multiplexer
http		80/tcp		www		# WorldWideWeb HTTP
domain		53/udp
http-alt	8080/tcp	webcache
http		81/tcp
broken		99999/tcp
broken		tcp
lonely
m3ua		2905/sctp
`

func TestReadServices(t *testing.T) {
	names, err := readServices(strings.NewReader(services))
	want := map[portName]uint16{
		{"tcpmux", "tcp"}: 1, {"http", "tcp"}: 80, {"www", "tcp"}: 80, {"domain", "udp"}: 53,
		{"http-alt", "tcp"}: 8080, {"webcache", "tcp"}: 8080, {"m3ua", "sctp"}: 2905,
	}
	if err != nil || fmt.Sprint(names) != fmt.Sprint(want) {
		t.Errorf("%v, %v; want %v", names, err, want)
	}
}

func FuzzReadServices(f *testing.F) {
	f.Add(services)
	f.Fuzz(func(t *testing.T, text string) {
		names, _ := readServices(strings.NewReader(text))
		for name := range names {
			if name.name == "" || strings.ContainsAny(name.name+name.protocol, " \t\n#") {
				t.Errorf("%q has %+v", text, name)
			}
		}
	})
}

// FuzzParseAddress checks that what is read is what is meant: written out, it reads as the same.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"10.9.0.3", "10.9.0.3:80", "10.9.0.3:http", "::1", "[::1]", "[::1]:80", "::ffff:1.2.3.4", "[fe80::1%lo]:1", "1:2", ":", "[]:", ""} {
		f.Add(s)
	}
	ports := func(ipvs.Protocol, string) (uint16, error) { return 8, nil }
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(ipvs.TCP, s, 7, ports)
		if err != nil {
			return
		}
		again, err := parseAddress(ipvs.TCP, a.String(), 7, ports)
		if err != nil || again != a || !a.IsValid() || a.Addr().Zone() != "" || a.Addr().Is4In6() {
			t.Errorf("%q reads as %v, which reads as %v, %v", s, a, again, err)
		}
	})
}

func TestConnectionFilter(t *testing.T) {
	entry := func(protocol, client, virtual, server, state string) kernel.Connection {
		c := kernel.Connection{Protocol: protocol, Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server), State: state}
		if virtual != "" {
			c.Virtual = netip.MustParseAddrPort(virtual)
		}
		c.Template = c.Client.Port() == 0
		return c
	}
	all := []kernel.Connection{
		entry("tcp", "10.9.0.2:1000", "10.9.0.100:80", "10.9.0.3:80", "ESTABLISHED"),
		entry("tcp", "10.9.0.2:0", "10.9.0.100:80", "10.9.0.3:80", "NONE"),
		entry("tcp", "10.9.1.2:1000", "10.9.0.100:443", "10.9.0.4:443", "TIME_WAIT"),
		entry("udp", "[2001:db8::2]:53", "[2001:db8::100]:53", "[2001:db8::3]:53", "UDP"),
		entry("ip", "10.9.0.2:0", "", "10.9.0.3:0", "ASSURED"),
	}
	all[4].Mark = 7
	key := func(s string) ipvs.Key {
		k, err := ParseKey(s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	end := func(s string) Endpoint {
		e, err := ParseEndpoint(s)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	yes, no := true, false
	for _, tt := range []struct {
		name   string
		filter ConnectionFilter
		want   string // indices
	}{
		{"none", ConnectionFilter{}, "[0 1 2 3 4]"},
		{"service", ConnectionFilter{Service: key("tcp/10.9.0.100:80")}, "[0 1]"},
		{"every port of a service", ConnectionFilter{Service: key("tcp/10.9.0.100:0")}, "[0 1 2]"},
		{"mark", ConnectionFilter{Service: key("fwmark/7")}, "[4]"},
		{"mark of the other family", ConnectionFilter{Service: key("fwmark/7/ipv6")}, "[]"},
		{"client", ConnectionFilter{Client: end("10.9.0.2")}, "[0 1 4]"},
		{"client and port", ConnectionFilter{Client: end("10.9.0.2:1000")}, "[0]"},
		{"clients", ConnectionFilter{Client: end("10.9.0.0/16")}, "[0 1 2 4]"},
		{"IPv6 client", ConnectionFilter{Client: end("2001:db8::2")}, "[3]"},
		{"IPv6 server and port", ConnectionFilter{Server: end("[2001:db8::3]:53")}, "[3]"},
		{"server and state", ConnectionFilter{Server: end("10.9.0.3"), States: []string{"established", "assured"}}, "[0 4]"},
		{"templates", ConnectionFilter{Templates: &yes}, "[1 4]"},
		{"no templates", ConnectionFilter{Templates: &no}, "[0 2 3]"},
	} {
		picked := []int{}
		for i, c := range all {
			if tt.filter.Match(c) {
				picked = append(picked, i)
			}
		}
		if got := fmt.Sprint(picked); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestConnectionsWrite checks the order, and that bytes of a client are no commands to a terminal.
func TestConnectionsWrite(t *testing.T) {
	all, err := kernel.ReadConnections(strings.NewReader(`UDP 0A090002 13C4 0A090064 13C4 0A090003 13C4 UDP 300 sip x` + "\x1b[2J\t\xff" + `
UDP 0A090002 0000 0A090064 13C4 0A090003 13C4 NONE 300
IP  0A090002 0000 00000007 0000 0A090003 0000 ASSURED 120
`))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := NewConnections(all, ConnectionFilter{}).Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `PROTOCOL  CLIENT         SERVICE          SERVER         STATE             EXPIRES  ENGINE
ip        10.9.0.2       fwmark 7         10.9.0.3:0     template ASSURED  120 s
udp       10.9.0.2       10.9.0.100:5060  10.9.0.3:5060  template NONE     300 s
udp       10.9.0.2:5060  10.9.0.100:5060  10.9.0.3:5060  UDP               300 s    "sip x\x1b[2J\t\xff"
1 connection, 2 templates
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// TestRuleLines checks that each object leads back to its line, however the line is written.
func TestRuleLines(t *testing.T) {
	const text = "# head\n-A -t 10.9.0.100:http\n\nipvsadm -a --tcp-service 10.9.0.100:80 -r 10.9.0.3 -m\n-A -f 7 -6 -s rr\n-a -6 -w 3 -f 7 -r 2001:db8::3\n"
	ports := func(ipvs.Protocol, string) (uint16, error) { return 80, nil }
	web, mark := ipvs.NewKey(ipvs.TCP, netip.MustParseAddrPort("10.9.0.100:80")), ipvs.MarkKey(7, ipvs.IPv6)
	want := map[object]int{
		{service: web}: 2, {web, netip.MustParseAddrPort("10.9.0.3:80")}: 4,
		{service: mark}: 5, {mark, netip.MustParseAddrPort("[2001:db8::3]:0")}: 6,
	}
	if got := ruleLines(text, ports); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestUnsignMarks(t *testing.T) {
	const text = "-A -f -1 -s rr\n-a -f -1 -r 10.9.0.3:0 -w -1\n-A -6 --fwmark-service  -2147483648\n-A -f 7\n-A -f -9999999999\n-f -2"
	const want = "-A -f 4294967295 -s rr\n-a -f 4294967295 -r 10.9.0.3:0 -w -1\n-A -6 --fwmark-service  2147483648\n-A -f 7\n-A -f -9999999999\n-f 4294967294"
	if got := unsignMarks(text); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
