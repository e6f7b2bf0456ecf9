package keepalived

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// instance writes a vrrp_instance. Its own keys come first, tables after them.
func (c *converter) instance(in *statement) {
	c.table(in.at, "[[vrrp]]")
	c.text(in.at, "name", in.arg(1))
	version := "2"
	if c.version3 || ofIPv6(in) {
		version = "3"
	}
	var source *statement
	for _, s := range in.block {
		switch s.words[0] {
		case "interface":
			c.word(s, "interface")
		case "virtual_router_id":
			c.number(s, "id")
		case "priority":
			c.number(s, "priority")
		case "version":
			c.only(s, 1)
			version = s.arg(1)
		case "advert_int":
			c.seconds(s, "interval")
		case "nopreempt":
			c.flag(s, "preempt", "false")
		case "preempt":
			c.only(s, 0)
		case "preempt_delay":
			c.seconds(s, "preempt_delay")
		case "down_timer_adverts":
			c.number(s, "down_adverts")
		case "use_vmac":
			c.flag(s, "virtual_mac", "true")
		case "unicast_src_ip":
			c.only(s, 1)
			source = s
		case "virtual_ipaddress", "virtual_ipaddress_excluded", "unicast_peer", "authentication", "track_interface", "track_script", "track_file", "track_process", "notify", "virtual_routes",
			"garp_master_delay", "garp_master_repeat", "garp_master_refresh":
			// written below
		default:
			c.unknown(s)
		}
	}
	if version != "2" && version != "3" {
		c.note(in.at, "version: %.20q is neither 2 nor 3", version)
		version = "2"
	}
	c.raw(in.at, "version", version)
	c.addresses(in)
	c.instanceTables(in, version, source)
}

// instanceTables writes what of an instance has tables of its own. source is that of unicast, if it has one.
func (c *converter) instanceTables(in *statement, version string, source *statement) {
	var announce converter
	tables := converter{definitions: c.definitions}
	for _, s := range in.block {
		switch s.words[0] {
		case "unicast_peer":
			tables.unicast(s, source)
			source = nil
		case "authentication":
			tables.authentication(s, version)
		case "track_interface", "track_script", "track_file", "track_process":
			for _, t := range s.block {
				tables.track(s.words[0], t)
			}
		case "notify":
			tables.table(s.at, "[vrrp.notify]")
			tables.command(s, "command", "user")
			tables.note(s.at, "notify: the command is told in another way: see the environment of notify in the manual")
		case "virtual_routes":
			for _, r := range s.block {
				tables.route(r)
			}
		case "garp_master_delay":
			announce.seconds(s, "repeat_after")
		case "garp_master_repeat":
			announce.number(s, "count")
		case "garp_master_refresh":
			announce.seconds(s, "refresh")
		}
	}
	if source != nil {
		c.note(source.at, "unicast_src_ip: without unicast_peer it is the source of multicast: adverts have the first address of the interface")
	}
	if len(announce.lines) > 0 {
		c.table(in.at, "[vrrp.announce]")
	}
	c.add(&announce, &tables)
}

// addresses writes those that an instance holds. Adverts have the family of the first: keepalived holds the others without
// a word of them, as it does those that are excluded.
func (c *converter) addresses(in *statement) {
	var own, extra []*statement
	var at, extraAt Place
	for _, list := range in.block {
		switch list.words[0] {
		case "virtual_ipaddress":
			at = list.at
			for _, s := range list.block {
				if strings.Contains(s.words[0], ":") == ofIPv6(in) {
					own = append(own, s)
				} else {
					extra, extraAt = append(extra, s), s.at
				}
			}
		case "virtual_ipaddress_excluded":
			extra, extraAt = append(extra, list.block...), list.at
		}
	}
	if at != (Place{}) {
		c.array(at, "addresses", c.addressList(own))
	}
	if len(extra) > 0 {
		c.array(extraAt, "extra_addresses", c.addressList(extra))
	}
}

// addressList takes lines of "ADDRESS[/LENGTH] [dev IF] [scope S] [label L]".
func (c *converter) addressList(list []*statement) (out []line) {
	for _, s := range list {
		address := quote(s.words[0])
		var more []string
		for i := 1; i < len(s.words); i++ {
			switch w := s.words[i]; w {
			case "dev", "label", "scope":
				i++
				more = append(more, map[string]string{"dev": "interface", "label": "label", "scope": "scope"}[w]+" = "+quote(s.arg(i)))
			case "brd", "broadcast":
				i++
				c.note(s.at, "%s of %.60s: the kernel's own", w, s.words[0])
			default:
				c.note(s.at, "%.40q of the address %.60s: no equivalent", w, s.words[0])
			}
		}
		if len(more) > 0 {
			address = "{ address = " + address + ", " + strings.Join(more, ", ") + " }"
		}
		out = append(out, line{text: address, at: s.at})
	}
	return out
}

// ofIPv6 reports whether an instance is of IPv6: the family of its first address. Version 2 is of IPv4 only.
func ofIPv6(in *statement) bool {
	for _, s := range in.block {
		if s.words[0] == "virtual_ipaddress" && len(s.block) > 0 {
			return strings.Contains(s.block[0].words[0], ":")
		}
	}
	return false
}

func (c *converter) unicast(s, source *statement) {
	c.table(s.at, "[vrrp.unicast]")
	if source != nil {
		c.text(source.at, "source", source.arg(1))
	}
	var peers []line
	for _, p := range s.block {
		peers = append(peers, line{text: quote(p.words[0]), at: p.at})
		if len(p.words) > 1 {
			c.note(p.at, "%s: settings of one peer have no equivalent", p.words[0])
		}
	}
	c.array(s.at, "peers", peers)
}

func (c *converter) authentication(s *statement, version string) {
	typ, key := "", (*statement)(nil)
	for _, a := range s.block {
		switch a.words[0] {
		case "auth_type":
			c.only(a, 1)
			typ = a.arg(1)
		case "auth_pass":
			c.only(a, 1)
			key = a
		default:
			c.unknown(a)
		}
	}
	switch {
	case typ != "PASS" && typ != "SIMPLE":
		c.note(s.at, "authentication by %.20q: no equivalent; see auth.type = \"hmac\"", typ)
	case version == "3":
		c.note(s.at, "authentication: version 3 has no password, and keepalived ignores it; see auth.type = \"hmac\"")
	case key == nil || key.arg(1) == "":
		c.note(s.at, "authentication: no auth_pass")
	default:
		password := key.arg(1)
		if len(password) > 8 {
			password = password[:8]
			c.note(key.at, "auth_pass: only its first 8 bytes were ever sent")
		}
		c.table(s.at, "[vrrp.auth]")
		c.text(s.at, "type", "pass")
		c.text(key.at, "key", password)
	}
}

// track writes one line of a block of tracks: "NAME [weight N]".
func (c *converter) track(kind string, s *statement) {
	weight := ""
	for i := 1; i < len(s.words); i++ {
		if n, err := strconv.Atoi(s.arg(i + 1)); s.words[i] == "weight" && err == nil {
			weight = strconv.Itoa(n)
			i++
		} else {
			c.note(s.at, "%.40q of the track %.40s: no equivalent", s.words[i], s.words[0])
		}
	}
	defined := c.use(kind, s.words[0])
	if reversed(s, defined) {
		c.note(s.at, "left out: the track %.40s: reverse has no equivalent", s.words[0])
		return
	}
	if kind == "track_interface" {
		c.table(s.at, "[[vrrp.track]]")
		c.text(s.at, "interface", s.words[0])
		c.weight(s, weight)
		return
	}
	if defined == nil {
		c.note(s.at, "%s: %.40q is not defined", kind, s.words[0])
		return
	}
	c.table(defined.at, "[[vrrp.track]]")
	weight = cmp.Or(weight, c.tracked(kind, defined))
	if kind != "track_file" {
		c.weight(s, weight)
	} else if weight != "" && weight != "1" {
		c.note(s.at, "track_file: the content of the file is the weight, and is not multiplied by %.20s", weight)
	}
}

// tracked writes what a track names, and returns the weight that is defined with it; empty: none is.
func (c *converter) tracked(kind string, defined *statement) (weight string) {
	for _, d := range defined.block {
		switch w := d.words[0]; {
		case w == "script" && kind == "track_script":
			c.command(d, "script", "user")
		case w == "file" && kind == "track_file":
			c.word(d, "file")
		case w == "process" && kind == "track_process":
			c.text(d.at, "process", d.arg(1))
			if len(d.words) > 2 {
				c.note(d.at, "process: the arguments are not compared")
			}
		case w == "weight":
			c.only(d, 1)
			weight = d.arg(1)
		case kind == "track_script" && (w == "interval" || w == "timeout"):
			c.seconds(d, w)
		case kind == "track_script" && (w == "rise" || w == "fall"):
			c.number(d, w)
		case kind == "track_script" && w == "user":
			c.runAs(d, "user")
		default:
			c.unknown(d)
		}
	}
	if kind == "track_script" {
		c.scriptDefaults(defined)
	}
	return weight
}

// reversed reports whether a track, or what it names, adds where others subtract.
func reversed(s, defined *statement) bool {
	if defined != nil {
		if w := defined.has("weight"); w != nil && slices.Contains(w.words, "reverse") && !slices.Contains(s.words, "noreverse") {
			return true
		}
	}
	return slices.Contains(s.words, "reverse")
}

// scriptDefaults writes out keepalived's defaults of a script: every second, for at most its interval, and one result is enough.
func (c *converter) scriptDefaults(d *statement) {
	interval := time.Second
	if s := d.has("interval"); s == nil {
		c.text(d.at, "interval", "1s")
	} else if n, ok := seconds(s.arg(1)); ok && n > 0 {
		interval = n
	}
	if d.has("timeout") == nil {
		c.text(d.at, "timeout", short(interval))
	}
	for _, key := range []string{"rise", "fall"} {
		if d.has(key) == nil {
			c.raw(d.at, key, "1")
		}
	}
}

func (c *converter) weight(s *statement, weight string) {
	if n, err := strconv.Atoi(weight); err == nil {
		c.raw(s.at, "weight", strconv.Itoa(n))
	} else if weight != "" {
		c.note(s.at, "weight: %.40q is not a number", weight)
	}
}

// route writes a line of virtual_routes: "[src A] [to] PREFIX [via A] [dev IF] [table N] …".
func (c *converter) route(s *statement) {
	switch s.words[0] {
	case "blackhole", "unreachable", "prohibit", "throw", "local", "broadcast", "multicast":
		c.note(s.at, "%s: routes of this type have no equivalent", s.words[0])
		return
	}
	c.table(s.at, "[[vrrp.route]]")
	to := false
	for i := 0; i < len(s.words); i++ {
		switch w := s.words[i]; w {
		case "src", "via", "gw", "dev", "to":
			i++
			to = to || w == "to"
			c.text(s.at, map[string]string{"src": "source", "via": "via", "gw": "via", "dev": "device", "to": "destination"}[w], s.arg(i))
		case "table", "metric":
			i++
			if n, err := strconv.Atoi(s.arg(i)); err == nil {
				c.raw(s.at, w, strconv.Itoa(n))
			} else {
				c.note(s.at, "%s: %.40q is not a number", w, s.arg(i))
			}
		default:
			if !to && (i == 0 || strings.ContainsAny(w, "./:") || w == "default") {
				to = true
				c.text(s.at, "destination", w)
			} else {
				c.note(s.at, "%.40q of a route: no equivalent", w)
			}
		}
	}
}
