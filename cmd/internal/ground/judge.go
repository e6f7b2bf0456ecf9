package ground

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// Severity is how much a finding matters.
type Severity string

// The severities, the worst first.
const (
	Wrong  Severity = "wrong"  // traffic is lost
	Advice Severity = "advice" // traffic is lost some day: when a server dies, when a director does
	Note   Severity = "note"   // good to know
	Right  Severity = "ok"     // as it should be
)

var severities = [...]Severity{Wrong, Advice, Note, Right}

// Finding is one thing about the host.
type Finding struct {
	Severity Severity `json:"severity"`
	Object   string   `json:"object"`        // what it concerns: a service, an instance, "ipvs"
	Reason   string   `json:"reason"`        // the word for it
	Message  string   `json:"message"`       // what is, and what it leads to
	Fix      string   `json:"fix,omitempty"` // a command, or what else to do; empty if nothing has to be done
}

// String returns the finding in a line.
func (f Finding) String() string {
	s := fmt.Sprintf("%s: %s: %s", f.Object, f.Reason, f.Message)
	if f.Fix != "" {
		s += "; fix: " + f.Fix
	}
	return s
}

// Judge says what the facts mean to a configuration, the worst first.
func Judge(cfg *config.Config, f Facts) []Finding {
	j := &judge{cfg: cfg, facts: &f, legs: make(map[string]bool)}
	j.kernel()
	j.interfaces()
	j.forwarding()
	for i := range cfg.Services {
		j.service(&cfg.Services[i])
	}
	j.connections()
	j.synchronisation()
	j.files()
	j.others()
	slices.SortStableFunc(j.found, func(a, b Finding) int {
		return cmp.Compare(slices.Index(severities[:], a.Severity), slices.Index(severities[:], b.Severity))
	})
	return j.found
}

type judge struct {
	cfg   *config.Config
	facts *Facts
	found []Finding
	legs  map[string]bool // interfaces of which redirects were judged
}

// say notes a finding of a severity, or that it is right.
func (j *judge) say(bad bool, s Severity, object, reason, right, wrong, fix string) {
	f := Finding{Severity: s, Object: object, Reason: reason, Message: wrong, Fix: fix}
	if !bad {
		f = Finding{Severity: Right, Object: object, Reason: reason, Message: right}
	}
	if f.Message != "" {
		j.found = append(j.found, f)
	}
}

// sayOff is say of a sysctl that should not be 0. One that does not exist is neither.
func (j *judge) sayOff(path string, s Severity, object, reason, right, wrong string) {
	if value, ok := j.facts.Sysctls[path]; ok {
		j.say(value == "0", s, object, reason, right, wrong, set(path, "1"))
	}
}

// is reports whether a sysctl has a value.
func (j *judge) is(path, value string) bool { return j.facts.Sysctls[path] == value }

func (j *judge) any(match func(*config.Service) bool) bool {
	v4, v6 := families(j.cfg, match)
	return v4 || v6
}

func set(path, value string) string { return "sysctl -w " + key(path) + "=" + value }

// key is a sysctl as people write it: with dots, unless an interface has one in its name.
func key(path string) string {
	if strings.Contains(path, ".") {
		return path
	}
	return strings.ReplaceAll(path, "/", ".")
}

// kernel: IPVS itself, and the schedulers, which are modules of their own.
func (j *judge) kernel() {
	if len(j.cfg.Services) == 0 {
		return
	}
	load := "modprobe ip_vs"
	if j.facts.Modules != nil && !j.facts.Modules["ip_vs"] {
		load = "install the kernel's package of extra modules, then modprobe ip_vs"
	}
	j.say(!j.facts.IPVS, Wrong, "ipvs", "no-ipvs", "this kernel has IPVS", "this kernel has no IPVS, or has not loaded it: no service works", load)
	if !j.facts.Modules["ip_vs"] {
		return // it has none, or its modules are not where one looks for them
	}
	seen := make(map[string]bool)
	for i := range j.cfg.Services {
		name := "ip_vs_" + j.cfg.Services[i].Scheduler.String()
		if seen[name] {
			continue
		}
		seen[name] = true
		j.say(!j.facts.Modules[name], Wrong, "ipvs", "no-scheduler", "this kernel has the scheduler "+name,
			fmt.Sprintf("this kernel has no %s: service %s cannot be made", name, j.cfg.Services[i].Name),
			"install the kernel's package of extra modules, or choose another scheduler")
	}
}

// interfaces: those of the instances are there, and take in what comes to a virtual address.
func (j *judge) interfaces() {
	for i := range j.cfg.Instances {
		in := &j.cfg.Instances[i]
		ok := j.usable(in.Name, in.Interface, "the instance is in FAULT")
		strict := j.reversePath(in.Interface) == 1
		loose := set("net/ipv4/conf/"+in.Interface+"/rp_filter", "2")
		switch {
		case in.Family != ipvs.IPv4 || !ok || in.VirtualMAC: // a virtual MAC has an interface of its own, and that is loose
		case j.facts.Outside != "" && j.facts.Outside != in.Interface && !strings.HasPrefix(j.facts.Outside, in.Interface+"."):
			j.say(strict, Advice, in.Name, "rp-filter", "reverse-path filtering on "+in.Interface+" is not strict",
				fmt.Sprintf("strict reverse-path filtering on %s, and the default route is by %s: packets of clients from beyond a router on %[1]s are dropped", in.Interface, j.facts.Outside), loose)
		}
	}
}

// usable: an interface is there, and up at both ends. It returns whether it is there.
func (j *judge) usable(object, name, otherwise string) bool {
	link, ok := j.facts.link(name)
	bad, fix := "", ""
	switch {
	case !ok:
		bad, fix = "is not there", "make it before lbha starts, or name one that is there: ip link"
	case !link.Up:
		bad, fix = "is not up", "ip link set "+name+" up"
	case !link.Carrier:
		bad, fix = "has no carrier", "look at its cable, or at what is at the other end: ip link show "+name
	}
	j.say(bad != "", Wrong, object, "no-interface", name+" is up", name+" "+bad+": "+otherwise, fix)
	return ok
}

// reversePath is what the kernel goes by: the greater of all and the interface's own.
func (j *judge) reversePath(iface string) int {
	all, _ := strconv.Atoi(j.facts.Sysctls["net/ipv4/conf/all/rp_filter"])
	own, _ := strconv.Atoi(j.facts.Sysctls["net/ipv4/conf/"+iface+"/rp_filter"])
	return max(all, own)
}

func isNAT(s *config.Service) bool { return s.Forward == ipvs.NAT }

// forwarding: in NAT the answers of the servers pass this host as a router's packets do.
func (j *judge) forwarding() {
	const v4path, v6path = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"
	v4, v6 := families(j.cfg, isNAT)
	if v4 {
		j.say(!j.is(v4path, "1"), Wrong, "nat", "no-forwarding", "this host forwards IPv4", "this host does not forward IPv4: in NAT no answer of a server gets through", set(v4path, "1"))
		j.forwardingFrom()
	}
	if !v6 {
		return
	}
	j.say(!j.is(v6path, "1"), Wrong, "nat", "no-forwarding", "this host forwards IPv6", "this host does not forward IPv6: in NAT no answer of a server gets through", set(v6path, "1"))
	for i := range j.cfg.Instances {
		path := "net/ipv6/conf/" + j.cfg.Instances[i].Interface + "/accept_ra"
		j.say(j.is(path, "1"), Advice, j.cfg.Instances[i].Name, "accept-ra", "",
			"a host that forwards IPv6 takes no router advertisement: a default route that comes from one on "+j.cfg.Instances[i].Interface+" goes", set(path, "2"))
	}
}

// forwardingFrom: what an interface takes in is forwarded if the interface says so as well, whatever the host does. Of
// IPv6 the kernel asks the host alone.
func (j *judge) forwardingFrom() {
	for i := range j.cfg.Services {
		s := &j.cfg.Services[i]
		if !isNAT(s) || s.Family != ipvs.IPv4 || len(s.Servers) == 0 {
			continue
		}
		inside := j.facts.Routes[s.Servers[0].Address.Addr()].Interface
		path := "net/ipv4/conf/" + inside + "/forwarding"
		if j.is("net/ipv4/ip_forward", "1") && j.is(path, "0") {
			j.say(true, Wrong, "nat", "no-forwarding", "", inside+" does not forward IPv4, though the host does: no answer of the servers of "+s.Name+" gets through", set(path, "1"))
			return
		}
	}
}

// connections: what becomes of those of a server that goes.
func (j *judge) connections() {
	if len(j.cfg.Services) == 0 {
		return
	}
	if j.any(func(s *config.Service) bool { return s.OnFail == ipvs.Remove }) {
		// In DR and TUN the director sees nothing of a server's answers, and an entry outlives its connection by minutes.
		severity, also := Advice, ""
		if j.any(func(s *config.Service) bool { return s.OnFail == ipvs.Remove && s.Forward != ipvs.NAT }) {
			severity, also = Wrong, "; in DR and TUN new connections too, from each source port that IPVS still remembers for that server"
		}
		j.sayOff(vs+"expire_nodest_conn", severity, "ipvs", "expire-nodest", "connections of a removed server end at once",
			"expire_nodest_conn is 0: packets of connections to a server that was removed are dropped in silence, and clients wait for their own timeout"+also+"; with 1 they are reset")
	}
	if j.any(func(s *config.Service) bool { return s.Persistence != nil }) {
		j.sayOff(vs+"expire_quiescent_template", Advice, "ipvs", "expire-quiescent", "persistence ends with the weight of a server",
			"expire_quiescent_template is 0: persistence goes on to send its clients to a server of weight 0: a drain ends at its deadline only")
	}
	if _, stateful := j.facts.Sysctls["net/netfilter/nf_conntrack_max"]; stateful && j.any(isNAT) {
		j.sayOff(vs+"conntrack", Advice, "nat", "conntrack", "IPVS tells connection tracking of its connections",
			"conntrack is 0, and this kernel tracks connections: rules of a firewall that go by their state (ct state, masquerade) do not know those of NAT services")
	}
}

// synchronisation: what both of its daemons, which always run, need.
func (j *judge) synchronisation() {
	s := j.cfg.Global.IPVS.Sync
	if s == nil {
		return
	}
	j.usable("sync", s.Interface, "connections are not synchronised")
	path := vs + "backup_only"
	j.say(j.is(path, "1"), Wrong, "sync", "backup-only", "backup_only is off",
		"backup_only is 1: the kernel balances nothing while a backup daemon runs, and here one always does", set(path, "0"))
	j.sayOff(vs+"sloppy_tcp", Advice, "sync", "sloppy-tcp", "connections that the synchronisation has missed are taken up",
		"sloppy_tcp is 0: after a failover a connection of which the synchronisation had not told yet is refused; with 1 it is scheduled anew, and by a hash of the source (sh, mh) to the same server")
	path = vs + "sync_threshold"
	if fields := strings.Fields(j.facts.Sysctls[path]); len(fields) > 0 {
		n, _ := strconv.Atoi(fields[0])
		j.say(n > 3, Advice, "sync", "sync-threshold", fmt.Sprintf("a connection is told of from its packet %d on", n),
			fmt.Sprintf("sync_threshold is %q: connections of fewer than %d packets do not survive a failover", j.facts.Sysctls[path], n), `sysctl -w net.ipv4.vs.sync_threshold="3 50"`)
	}
}

// files: each probe that waits has a descriptor.
func (j *judge) files() {
	checks := 0
	for i := range j.cfg.Services {
		s := &j.cfg.Services[i]
		for k := range s.Servers {
			for _, c := range s.ChecksOf(&s.Servers[k]) {
				if c.Type != healthcheck.TypeFile {
					checks++
				}
			}
		}
	}
	const spare = 256 // for the rest of the director
	waiting := uint64(min(checks, 4096))
	if j.facts.Files == 0 || checks == 0 {
		return
	}
	j.say(j.facts.Files < waiting+spare, Advice, "checks", "few-files", "there are descriptors enough for all probes",
		fmt.Sprintf("this process may open %d files, and %d probes may wait at once: some would not be started in time", j.facts.Files, waiting), "LimitNOFILE=65536 in the unit, or ulimit -n 65536")
}

// others: what programs beside lbha may trip over.
func (j *judge) others() {
	if len(j.cfg.Instances) == 0 {
		return
	}
	j.sayOff("net/ipv4/ip_nonlocal_bind", Note, "host", "nonlocal-bind", "programs can listen on a virtual address that is on the other director",
		"ip_nonlocal_bind is 0: a program on this host cannot listen on a virtual address while the other director has it; lbha itself does not need to")
}

// some names the first few of many.
func some(things []string) string {
	const shown = 3
	if len(things) <= shown {
		return strings.Join(things, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(things[:shown], ", "), len(things)-shown)
}
