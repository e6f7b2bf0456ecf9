package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A target is what a service is of: addresses of one family, or a mark.
type target struct {
	addresses []string // ADDRESS:PORT
	mark      string
	at        Place
}

// service writes a virtual_server: a service for each family and mark of its group.
func (c *converter) service(v *statement) {
	for _, t := range c.targets(v) {
		c.serviceOf(v, t)
	}
}

func (c *converter) targets(v *statement) []target {
	switch v.arg(1) {
	case "fwmark":
		return []target{{mark: v.arg(2), at: v.at}}
	case "group":
		g := c.use("virtual_server_group", v.arg(2))
		if g == nil {
			c.note(v.at, "left out: there is no virtual_server_group %.40q", v.arg(2))
			return nil
		}
		var v4, v6 target
		var out []target
		for _, s := range g.block {
			c.only(s, 1)
			if s.words[0] == "fwmark" {
				out = append(out, target{mark: s.arg(1), at: s.at})
				continue
			}
			one := &v4
			if strings.Contains(s.words[0], ":") {
				one = &v6
			}
			one.addresses, one.at = append(one.addresses, endpoint(s.words[0], s.arg(1))), g.at
		}
		for _, t := range []target{v6, v4} {
			if len(t.addresses) > 0 {
				out = append([]target{t}, out...)
			}
		}
		return out
	}
	return []target{{addresses: []string{endpoint(v.arg(1), v.arg(2))}, at: v.at}}
}

// endpoint joins address, or range of addresses, and port.
func endpoint(address, port string) string {
	if port == "" {
		port = "0"
	}
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return address + ":" + port
}

// name is a name for a service that no other has.
func (c *converter) name(t target, protocol string) string {
	base := "mark-" + t.mark
	if len(t.addresses) > 0 {
		base = t.addresses[0] + "-" + protocol
	}
	base = strings.Trim(notInNames.ReplaceAllString(base, "-"), "-.")
	base = base[:min(len(base), 50)]
	name := base
	for n := 2; c.names[name]; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	c.names[name] = true
	return name
}

func (c *converter) serviceOf(v *statement, t target) {
	protocol := "tcp"
	for _, s := range v.block {
		if s.words[0] == "protocol" {
			protocol = strings.ToLower(s.arg(1))
		}
	}
	c.table(v.at, "[[service]]")
	c.text(v.at, "name", c.name(t, protocol))
	c.target(v, t, protocol)
	var common schedule
	initial := "up"
	var persistent, netmask *statement
	var servers []*statement
	tables := converter{definitions: c.definitions}
	for _, s := range v.block {
		switch s.words[0] {
		case "protocol", "ip_family":
			c.only(s, 1)
		case "lb_algo", "lvs_sched":
			c.word(s, "scheduler")
		case "lb_kind", "lvs_method":
			c.forward(s, &tables)
		case "sh-port", "sh-fallback", "mh-port", "mh-fallback":
			c.flag(s, "scheduler_flags", quoteAll(s.words[:1]))
		case "ops":
			c.flag(s, "one_packet", "true")
		case "persistence_timeout":
			persistent = s
		case "persistence_granularity":
			netmask = s
		case "quorum", "hysteresis":
			c.number(s, s.words[0])
		case "alpha":
			c.only(s, 0)
			initial = "down"
		case "inhibit_on_failure":
			c.flag(s, "on_fail", `"quiesce"`)
		case "real_server", "sorry_server":
			servers = append(servers, s)
		default:
			if !common.take(s) {
				c.unknown(s)
			} else {
				c.only(s, 1)
			}
		}
	}
	c.text(v.at, "initial", initial)
	if persistent != nil {
		tables.persistence(persistent, netmask)
	} else if netmask != nil {
		c.note(netmask.at, "persistence_granularity: without persistence_timeout there is no persistence")
	}
	tables.servers(servers, common)
	c.add(&tables)
}

// target writes what a service is of.
func (c *converter) target(v *statement, t target, protocol string) {
	if len(t.addresses) > 0 {
		c.raw(t.at, "addresses", quoteAll(t.addresses))
		c.text(v.at, "protocol", protocol)
		return
	}
	if n, err := strconv.ParseUint(t.mark, 0, 32); err == nil {
		c.raw(t.at, "fwmark", strconv.FormatUint(n, 10))
	} else {
		c.note(t.at, "fwmark: %.40q is not a number", t.mark)
	}
	if family(v) == "ipv6" {
		c.text(v.at, "family", "ipv6")
	}
}

// family is that of the servers of a service by mark.
func family(v *statement) string {
	for _, s := range v.block {
		if s.words[0] == "real_server" && strings.Contains(s.arg(1), ":") || s.words[0] == "ip_family" && s.arg(1) == "inet6" {
			return "ipv6"
		}
	}
	return "ipv4"
}

// forward writes lb_kind: "NAT", "DR" or "TUN [type ipip | gue port N | gre] [csum …]".
func (c *converter) forward(s *statement, tables *converter) {
	c.text(s.at, "forward", strings.ToLower(s.arg(1)))
	if len(s.words) < 3 {
		return
	}
	tables.table(s.at, "[service.tunnel]")
	for i := 2; i < len(s.words); i++ {
		switch w := s.words[i]; w {
		case "type":
			i++
			tables.text(s.at, "type", s.arg(i))
		case "port":
			i++
			if n, err := strconv.Atoi(s.arg(i)); err == nil {
				tables.raw(s.at, "port", strconv.Itoa(n))
			} else {
				tables.note(s.at, "port: %.40q is not a number", s.arg(i))
			}
		case "nocsum":
		case "csum":
			tables.text(s.at, "checksum", "full")
		case "remcsum":
			tables.text(s.at, "checksum", "remote")
		default:
			tables.note(s.at, "%.40q of a tunnel: no equivalent", w)
		}
	}
}

func (c *converter) persistence(s, granularity *statement) {
	c.table(s.at, "[service.persistence]")
	if s.arg(1) != "" {
		c.seconds(s, "timeout")
	} else {
		c.text(s.at, "timeout", "6m") // keepalived's default
	}
	if granularity == nil {
		return
	}
	c.only(granularity, 1)
	netmask := granularity.arg(1)
	if a, err := netip.ParseAddr(netmask); err == nil && a.Is4() {
		bits := 0
		for _, b := range a.AsSlice() {
			for ; b&0x80 != 0; b <<= 1 {
				bits++
			}
		}
		netmask = strconv.Itoa(bits)
	}
	if n, err := strconv.Atoi(netmask); err == nil {
		c.raw(granularity.at, "netmask", strconv.Itoa(n))
	} else {
		c.note(granularity.at, "persistence_granularity: %.40q is not understood", netmask)
	}
}

// servers writes the real servers, with what they have in common once.
func (c *converter) servers(servers []*statement, common schedule) {
	all := make([]converter, len(servers)) // the checks of each
	same, first := true, -1
	for i, r := range servers {
		if r.words[0] != "real_server" {
			continue
		}
		all[i].definitions = c.definitions
		all[i].checks(r, common)
		if first < 0 {
			first = i
		}
		same = same && slices.EqualFunc(all[first].lines, all[i].lines, func(a, b line) bool { return a.text == b.text })
	}
	shared := same && first >= 0 && len(all[first].lines) > 0
	if shared {
		c.lines = append(c.lines, all[first].lines...)
	}
	for i, r := range servers {
		c.server(r)
		c.notes = append(c.notes, all[i].notes...)
		if shared {
			continue
		}
		for _, l := range all[i].lines {
			l.text = strings.Replace(l.text, "[[service.checks", "[[service.server.checks", 1)
			l.text = strings.Replace(l.text, "[service.checks", "[service.server.checks", 1)
			c.lines = append(c.lines, l)
		}
	}
}

// server writes a server, but for its checks.
func (c *converter) server(r *statement) {
	c.table(r.at, "[[service.server]]")
	c.only(r, 2)
	c.text(r.at, "address", endpoint(r.arg(1), r.arg(2)))
	if r.words[0] == "sorry_server" {
		c.raw(r.at, "backup", "true")
		c.note(r.at, "sorry_server: is checked, as the others are, if they are checked in one way")
		return
	}
	for _, s := range r.block {
		switch s.words[0] {
		case "weight":
			c.number(s, "weight")
		case "uthreshold":
			c.number(s, "max_connections")
		case "lthreshold":
			c.number(s, "min_connections")
		case "inhibit_on_failure":
			c.note(s.at, "inhibit_on_failure: is for a whole service: on_fail = \"quiesce\"")
		case "alpha":
			c.note(s.at, "alpha: is for a whole service: initial = \"down\"")
		default:
			if s.open {
				continue // a check
			} else if new(schedule).take(s) {
				c.only(s, 1)
			} else {
				c.unknown(s)
			}
		}
	}
}
