package ground

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/config"
)

// load reads a configuration out of a text.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	path := t.TempDir() + "/lbha.toml"
	write(t, path, text)
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const web = `
[[vrrp]]
name = "web"
interface = "eth0"
id = 51
addresses = ["10.9.0.100/32"]
`

func service(forward, more string) string {
	return web + `
[[service]]
name = "www"
address = "10.9.0.100:80"
forward = "` + forward + `"
` + more + `
[service.check]
type = "tcp"
[[service.server]]
address = "10.9.0.3:80"
`
}

// sound is a host on which nothing is wrong for any of the configurations.
func sound() Facts {
	addrs := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	return Facts{
		Sysctls: map[string]string{
			"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv4/ip_nonlocal_bind": "1",
			"net/ipv4/vs/conntrack": "1", "net/ipv4/vs/expire_nodest_conn": "1", "net/ipv4/vs/expire_quiescent_template": "1",
			"net/ipv4/vs/backup_only": "0", "net/ipv4/vs/sync_threshold": "3 50", "net/ipv4/vs/sloppy_tcp": "1",
			"net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/eth0/rp_filter": "0",
			"net/ipv4/conf/all/send_redirects": "0", "net/ipv4/conf/eth0/send_redirects": "0",
			"net/netfilter/nf_conntrack_max": "65536", "net/ipv6/conf/eth0/accept_ra": "2",
		},
		Links:   []Link{{Name: "lo", Up: true, Carrier: true, MTU: 65536, Addrs: addrs("127.0.0.1/8")}, {Name: "eth0", Up: true, Carrier: true, MTU: 1500, Addrs: addrs("10.9.0.1/24")}},
		Routes:  map[netip.Addr]Route{netip.MustParseAddr("10.9.0.3"): {Interface: "eth1", MTU: 9000}},
		Outside: "eth0", IPVS: true, Files: 65536,
		Modules: map[string]bool{"ip_vs": true, "ip_vs_wlc": true},
	}
}

// render writes findings, one a line, without what is right.
func render(found []Finding) string {
	var b strings.Builder
	for _, f := range found {
		if f.Severity != Right {
			b.WriteString(string(f.Severity) + " " + f.String() + "\n")
		}
	}
	return b.String()
}

func TestJudge(t *testing.T) {
	server := netip.MustParseAddr("10.9.0.3")
	sysctl := func(path, value string) func(*Facts) { return func(f *Facts) { f.Sysctls[path] = value } }
	sync := "[global.ipvs]\nsync = { interface = \"eth0\", id = 1 }\n"
	for _, tc := range []struct {
		name   string
		text   string
		change func(*Facts)
		want   string
	}{
		{"nat", service("nat", ""), nil, ""},
		{"dr", service("dr", ""), nil, ""},
		{"tun", service("tun", ""), nil, ""},
		{"all", sync + service("nat", `persistence = { timeout = "5m" }`), nil, ""},
		{"addresses only", web, func(f *Facts) { f.IPVS, f.Sysctls["net/ipv4/ip_forward"] = false, "0" }, ""},
		{"no ipvs", service("dr", ""), func(f *Facts) { f.IPVS, f.Modules = false, nil }, `
wrong ipvs: no-ipvs: this kernel has no IPVS, or has not loaded it: no service works; fix: modprobe ip_vs
`},
		{"no ipvs to load", service("dr", ""), func(f *Facts) { f.IPVS, f.Modules = false, map[string]bool{"ext4": true} }, `
wrong ipvs: no-ipvs: this kernel has no IPVS, or has not loaded it: no service works; fix: install the kernel's package of extra modules, then modprobe ip_vs
`},
		{"no interface", web, func(f *Facts) { f.Links = f.Links[:1] }, `
wrong web: no-interface: eth0 is not there: the instance is in FAULT; fix: make it before lbha starts, or name one that is there: ip link
`},
		{"no carrier", web, func(f *Facts) { f.Links[1].Carrier = false }, `
wrong web: no-interface: eth0 has no carrier: the instance is in FAULT; fix: look at its cable, or at what is at the other end: ip link show eth0
`},
		{"no forwarding of one interface", service("nat", ""), func(f *Facts) {
			f.Routes[server] = Route{Interface: "eth0", MTU: 1500}
			f.Sysctls["net/ipv4/conf/eth0/forwarding"] = "0"
		}, `
wrong nat: no-forwarding: eth0 does not forward IPv4, though the host does: no answer of the servers of www gets through; fix: sysctl -w net.ipv4.conf.eth0.forwarding=1
`},
		{"a dot in the name of an interface", strings.ReplaceAll(web, "eth0", "eth0.7"), func(f *Facts) {
			f.Links[1].Name, f.Outside = "eth0.7", "eth1"
			f.Sysctls["net/ipv4/conf/eth0.7/rp_filter"] = "1"
		}, `
advice web: rp-filter: strict reverse-path filtering on eth0.7, and the default route is by eth1: packets of clients from beyond a router on eth0.7 are dropped; fix: sysctl -w net/ipv4/conf/eth0.7/rp_filter=2
`},
		{"no scheduler", service("dr", `scheduler = "twos"`), nil, `
wrong ipvs: no-scheduler: this kernel has no ip_vs_twos: service www cannot be made; fix: install the kernel's package of extra modules, or choose another scheduler
`},
		{"nobody knows of schedulers", service("dr", `scheduler = "twos"`), func(f *Facts) { f.Modules = nil }, ""},
		{"no forwarding", service("nat", ""), sysctl("net/ipv4/ip_forward", "0"), `
wrong nat: no-forwarding: this host does not forward IPv4: in NAT no answer of a server gets through; fix: sysctl -w net.ipv4.ip_forward=1
`},
		{"dr needs no forwarding", service("dr", ""), sysctl("net/ipv4/ip_forward", "0"), ""},
		{"own server in dr", service("dr", ""), func(f *Facts) { f.Links[1].Addrs = append(f.Links[1].Addrs, netip.PrefixFrom(server, 24)) }, `
wrong www: own-server: 10.9.0.3 of this host is one of its servers: while it is backup, what the master forwards to it meets its own table and is forwarded again, in a loop; fix: take this host out of the servers, or make it a service of a firewall mark (fwmark) that packets from the MAC address of the other director do not get
`},
		{"own server in nat is no loop", service("nat", ""), func(f *Facts) { f.Links[1].Addrs = append(f.Links[1].Addrs, netip.PrefixFrom(server, 24)) }, ""},
		{"no route", service("dr", ""), func(f *Facts) { f.Routes[server] = Route{Error: "network is unreachable"} }, `
wrong www: no-route: no route to 10.9.0.3 (network is unreachable); fix: bring up the interface that leads there, or ip route add 10.9.0.3 via ROUTER
`},
		{"tunnel without room", service("tun", ""), func(f *Facts) { f.Routes[server] = Route{Interface: "eth0", MTU: 1500} }, `
advice www: tunnel-mtu: the route to 10.9.0.3 has an MTU of 1500, so the tunnel carries packets of 1480 bytes, and clients send up to 1500: the kernel tells them by ICMP, and where that is filtered, large requests hang; fix: raise the MTU between the directors and the servers by 20, or let the servers announce a smaller segment: ip route change … advmss, on each
`},
		{"tunnel of gue that just fits", service("tun", `tunnel = { type = "gue", port = 6080 }`), func(f *Facts) { f.Routes[server] = Route{MTU: 1532} }, ""},
		{"tunnel of gue that does not", service("tun", `tunnel = { type = "gue", port = 6080 }`), func(f *Facts) { f.Routes[server] = Route{MTU: 1531} }, `
advice www: tunnel-mtu: the route to 10.9.0.3 has an MTU of 1531, so the tunnel carries packets of 1499 bytes, and clients send up to 1500: the kernel tells them by ICMP, and where that is filtered, large requests hang; fix: raise the MTU between the directors and the servers by 1, or let the servers announce a smaller segment: ip route change … advmss, on each
`},
		{"tunnel to a server of the other family", strings.Replace(service("tun", ""), "10.9.0.3:80", "[fd00::3]:80", 1), func(f *Facts) {
			f.Routes[netip.MustParseAddr("fd00::3")] = Route{Interface: "eth0", MTU: 1500}
		}, `
advice www: tunnel-mtu: the route to fd00::3 has an MTU of 1500, so the tunnel carries packets of 1460 bytes, and clients send up to 1500: the kernel tells them by ICMP, and where that is filtered, large requests hang; fix: raise the MTU between the directors and the servers by 40, or let the servers announce a smaller segment: ip route change … advmss, on each
`},
		{"connections are forgotten", service("nat", `persistence = { timeout = "5m" }`), func(f *Facts) {
			for _, name := range []string{"conntrack", "expire_nodest_conn", "expire_quiescent_template"} {
				f.Sysctls[vs+name] = "0"
			}
		}, `
advice ipvs: expire-nodest: expire_nodest_conn is 0: packets of connections to a server that was removed are dropped in silence, and clients wait for their own timeout; with 1 they are reset; fix: sysctl -w net.ipv4.vs.expire_nodest_conn=1
advice ipvs: expire-quiescent: expire_quiescent_template is 0: persistence goes on to send its clients to a server of weight 0: a drain ends at its deadline only; fix: sysctl -w net.ipv4.vs.expire_quiescent_template=1
advice nat: conntrack: conntrack is 0, and this kernel tracks connections: rules of a firewall that go by their state (ct state, masquerade) do not know those of NAT services; fix: sysctl -w net.ipv4.vs.conntrack=1
`},
		{"connections are forgotten of which half is seen", service("dr", ""), sysctl(vs+"expire_nodest_conn", "0"), `
wrong ipvs: expire-nodest: expire_nodest_conn is 0: packets of connections to a server that was removed are dropped in silence, and clients wait for their own timeout; in DR and TUN new connections too, from each source port that IPVS still remembers for that server; with 1 they are reset; fix: sysctl -w net.ipv4.vs.expire_nodest_conn=1
`},
		{"in a tunnel as well", service("tun", ""), sysctl(vs+"expire_nodest_conn", "0"), `
wrong ipvs: expire-nodest: expire_nodest_conn is 0: packets of connections to a server that was removed are dropped in silence, and clients wait for their own timeout; in DR and TUN new connections too, from each source port that IPVS still remembers for that server; with 1 they are reset; fix: sysctl -w net.ipv4.vs.expire_nodest_conn=1
`},
		{"a service of DR that quiesces removes no server", service("dr", `on_fail = "quiesce"`), sysctl(vs+"expire_nodest_conn", "0"), ""},
		{"a service that quiesces removes no server", service("nat", `on_fail = "quiesce"`), sysctl(vs+"expire_nodest_conn", "0"), ""},
		{"synchronisation", sync + service("dr", ""), func(f *Facts) {
			f.Sysctls[vs+"backup_only"], f.Sysctls[vs+"sloppy_tcp"], f.Sysctls[vs+"sync_threshold"] = "1", "0", "10 50"
			f.Links[1].Up = false
		}, `
wrong web: no-interface: eth0 is not up: the instance is in FAULT; fix: ip link set eth0 up
wrong sync: no-interface: eth0 is not up: connections are not synchronised; fix: ip link set eth0 up
wrong sync: backup-only: backup_only is 1: the kernel balances nothing while a backup daemon runs, and here one always does; fix: sysctl -w net.ipv4.vs.backup_only=0
advice sync: sloppy-tcp: sloppy_tcp is 0: after a failover a connection of which the synchronisation had not told yet is refused; with 1 it is scheduled anew, and by a hash of the source (sh, mh) to the same server; fix: sysctl -w net.ipv4.vs.sloppy_tcp=1
advice sync: sync-threshold: sync_threshold is "10 50": connections of fewer than 10 packets do not survive a failover; fix: sysctl -w net.ipv4.vs.sync_threshold="3 50"
`},
		{"backup_only without synchronisation does nothing", service("dr", ""), sysctl(vs+"backup_only", "1"), ""},
		{"strict on the way out", web, sysctl("net/ipv4/conf/eth0/rp_filter", "1"), ""},
		{"strict elsewhere", web, func(f *Facts) { f.Sysctls["net/ipv4/conf/all/rp_filter"], f.Outside = "1", "eth1" }, `
advice web: rp-filter: strict reverse-path filtering on eth0, and the default route is by eth1: packets of clients from beyond a router on eth0 are dropped; fix: sysctl -w net.ipv4.conf.eth0.rp_filter=2
`},
		{"strict by default, loose by itself", web, func(f *Facts) {
			f.Sysctls["net/ipv4/conf/all/rp_filter"], f.Sysctls["net/ipv4/conf/eth0/rp_filter"], f.Outside = "1", "2", "eth1"
		}, ""},
		{"strict elsewhere, with a virtual MAC", strings.Replace(web, "id = 51", "id = 51\nvirtual_mac = true", 1), func(f *Facts) {
			f.Sysctls["net/ipv4/conf/all/rp_filter"], f.Outside = "1", "eth1"
		}, ""},
		{"one leg", service("nat", ""), func(f *Facts) {
			f.Routes[server] = Route{Interface: "eth0", MTU: 1500}
			f.Sysctls["net/ipv4/conf/all/send_redirects"] = "1"
		}, `
advice nat: send-redirects: clients and servers are both on eth0, and this host sends ICMP redirects there: a server that believes one answers past the director, and the client refuses the answer; fix: sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
`},
		{"an IPVS that is not loaded has no settings", service("nat", ""), func(f *Facts) {
			for path := range f.Sysctls {
				if strings.HasPrefix(path, vs) {
					delete(f.Sysctls, path)
				}
			}
		}, ""},
		{"two legs", service("nat", ""), sysctl("net/ipv4/conf/all/send_redirects", "1"), ""},
		{"few descriptors", service("nat", ""), func(f *Facts) { f.Files = 256 }, `
advice checks: few-files: this process may open 256 files, and 1 probes may wait at once: some would not be started in time; fix: LimitNOFILE=65536 in the unit, or ulimit -n 65536
`},
		{"nonlocal", web, sysctl("net/ipv4/ip_nonlocal_bind", "0"), `
note host: nonlocal-bind: ip_nonlocal_bind is 0: a program on this host cannot listen on a virtual address while the other director has it; lbha itself does not need to; fix: sysctl -w net.ipv4.ip_nonlocal_bind=1
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := sound()
			if tc.change != nil {
				tc.change(&f)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), render(Judge(load(t, tc.text), f))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestIPv6 forwards and listens to router advertisements.
func TestIPv6(t *testing.T) {
	cfg := load(t, `
[[vrrp]]
name = "web"
interface = "eth0"
id = 51
addresses = ["fd00::100/128"]
[[service]]
name = "www"
address = "[fd00::100]:80"
forward = "nat"
[[service.server]]
address = "[fd00::3]:80"
`)
	f := sound()
	f.Sysctls["net/ipv6/conf/all/forwarding"], f.Sysctls["net/ipv6/conf/eth0/accept_ra"], f.Sysctls["net/ipv4/ip_forward"] = "0", "1", "0"
	want := `wrong nat: no-forwarding: this host does not forward IPv6: in NAT no answer of a server gets through; fix: sysctl -w net.ipv6.conf.all.forwarding=1
advice web: accept-ra: a host that forwards IPv6 takes no router advertisement: a default route that comes from one on eth0 goes; fix: sysctl -w net.ipv6.conf.eth0.accept_ra=2
`
	if diff := cmp.Diff(want, render(Judge(cfg, f))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestWhatIsRightIsSaid: a look that finds nothing wrong still says what it looked at.
func TestWhatIsRightIsSaid(t *testing.T) {
	found := Judge(load(t, service("nat", "")), sound())
	var reasons []string
	for _, f := range found {
		reasons = append(reasons, f.Reason)
		if f.Severity != Right || f.Fix != "" {
			t.Errorf("%+v", f)
		}
	}
	if got, want := strings.Join(reasons, " "), "no-ipvs no-scheduler no-interface no-forwarding expire-nodest conntrack few-files nonlocal-bind"; got != want {
		t.Errorf("looked at %s, want %s", got, want)
	}
}

// TestThrough: a master must let in the answers to probes that went through its own address.
func TestThrough(t *testing.T) {
	cfg := load(t, strings.Replace(service("dr", ""), `type = "tcp"`, "type = \"tcp\"\nthrough = \"vip\"", 1))
	f := sound()
	f.Routes[netip.MustParseAddr("10.9.0.3")] = Route{Interface: "eth0", MTU: 1500}
	f.Sysctls["net/ipv4/conf/all/accept_local"], f.Sysctls["net/ipv4/conf/eth0/accept_local"] = "0", "0"
	want := "advice www: accept-local: its checks go through the vip, and a master drops their answers as forged: while this host is master, no server of it is found dead; fix: sysctl -w net.ipv4.conf.eth0.accept_local=1\n"
	if got := render(Judge(cfg, f)); got != want {
		t.Errorf("%s", got)
	}
	f.Sysctls["net/ipv4/conf/eth0/accept_local"] = "1"
	if got := render(Judge(cfg, f)); got != "" {
		t.Errorf("with accept_local: %s", got)
	}
}
