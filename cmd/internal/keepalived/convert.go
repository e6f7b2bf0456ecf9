package keepalived

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A converter turns statements into lines.
type converter struct {
	lines []line
	notes []Note
	names map[string]bool // of services, that are given

	*definitions
	version3 bool // the default of instances
}

// definitions are what others use by name.
type definitions struct {
	scripts, files, processes, groups map[string]*statement
	used                              map[*statement]bool
}

// kind is where definitions of a kind are; nil of a word that defines nothing.
func (d *definitions) kind(word string) map[string]*statement {
	switch word {
	case "vrrp_script", "track_script":
		return d.scripts
	case "track_file", "vrrp_track_file":
		return d.files
	case "track_process", "vrrp_track_process":
		return d.processes
	case "virtual_server_group":
		return d.groups
	}
	return nil
}

// use finds a definition; nil if there is none.
func (d *definitions) use(word, name string) *statement {
	s := d.kind(word)[name]
	if s != nil {
		d.used[s] = true
	}
	return s
}

func (c *converter) note(at Place, format string, args ...any) {
	c.notes = append(c.notes, Note{at, fmt.Sprintf(format, args...)})
}

func (c *converter) table(at Place, header string) {
	c.lines = append(c.lines, line{text: header, at: at})
}

func (c *converter) raw(at Place, key, value string) {
	c.lines = append(c.lines, line{text: key + " = " + value, at: at})
}

func (c *converter) text(at Place, key, value string) { c.raw(at, key, quote(value)) }

// add adds what parts have written, one after the other.
func (c *converter) add(parts ...*converter) {
	for _, part := range parts {
		c.lines = append(c.lines, part.lines...)
		c.notes = append(c.notes, part.notes...)
	}
}

// array writes a list, a line for each, so that one that is refused goes alone.
func (c *converter) array(at Place, key string, items []line) {
	c.lines = append(c.lines, line{text: key + " = [", at: at, holds: len(items) + 1})
	for _, l := range items {
		c.lines = append(c.lines, line{text: "  " + l.text + ",", at: l.at})
	}
	c.lines = append(c.lines, line{text: "]", at: at})
}

// only tells of words after the first n that a statement may have.
func (c *converter) only(s *statement, n int) {
	if len(s.words) > n+1 {
		c.note(s.at, "%.60s: %.60q is not understood", s.words[0], strings.Join(s.words[n+1:], " "))
	}
}

// flag writes what a statement says by being there.
func (c *converter) flag(s *statement, key, value string) {
	c.only(s, 0)
	c.raw(s.at, key, value)
}

// word writes the one word that a statement has.
func (c *converter) word(s *statement, key string) {
	c.only(s, 1)
	c.text(s.at, key, s.arg(1))
}

// number writes a number, if the statement has one.
func (c *converter) number(s *statement, key string) {
	c.only(s, 1)
	n, err := strconv.Atoi(s.arg(1))
	if err != nil {
		c.note(s.at, "%s: %.40q is not a number", s.words[0], s.arg(1))
		return
	}
	c.raw(s.at, key, strconv.Itoa(n))
}

// seconds writes a time that the statement has in seconds.
func (c *converter) seconds(s *statement, key string) {
	c.only(s, 1)
	d, ok := seconds(s.arg(1))
	if !ok {
		c.note(s.at, "%s: %.40q is not a number of seconds", s.words[0], s.arg(1))
		return
	}
	c.text(s.at, key, short(d))
}

// unknown tells of a statement that has no equivalent.
func (c *converter) unknown(s *statement) {
	if why, ok := withoutEquivalent[s.words[0]]; ok {
		c.note(s.at, "%s: %s", s.words[0], why)
		return
	}
	c.note(s.at, "%.60s: no equivalent", s.words[0])
}

// withoutEquivalent are words of keepalived that people ask for, and what to do instead.
var withoutEquivalent = map[string]string{
	"state":                    "there is none at the start: the priority decides",
	"notify_master":            "one command for all transitions: see notify",
	"notify_backup":            "one command for all transitions: see notify",
	"notify_fault":             "one command for all transitions: see notify",
	"notify_stop":              "one command for all transitions: see notify",
	"notify_up":                "no command of a server: follow the events of the daemon, or its metrics",
	"notify_down":              "no command of a server: follow the events of the daemon, or its metrics",
	"quorum_up":                "no command of a service: follow the events of the daemon, or track the service",
	"quorum_down":              "no command of a service: follow the events of the daemon, or track the service",
	"smtp_alert":               "no mail: alert on the metrics",
	"smtp_server":              "no mail: alert on the metrics",
	"smtp_connect_timeout":     "no mail: alert on the metrics",
	"notification_email":       "no mail: alert on the metrics",
	"notification_email_from":  "no mail: alert on the metrics",
	"vrrp_strict":              "no option drops packets for a virtual address in silence",
	"vrrp_skip_check_adv_addr": "a differing list of addresses is reported, and never a reason to drop an advert",
	"enable_script_security":   "always on",
	"enable_snmp_vrrp":         "no SNMP: see global.metrics",
	"enable_snmp_checker":      "no SNMP: see global.metrics",
	"enable_dbus":              "no D-Bus: see `lbha status --json`",
	"lvs_flush":                "nothing of others is removed; global.exclusive = true removes it",
	"lvs_flush_onstop":         "the table stays when the daemon stops",
	"dont_track_primary":       "an instance without its interface is in FAULT",
	"global_tracking":          "members share their state anyway",
	"mcast_src_ip":             "adverts have the first address of the interface; of unicast the source can be set",
	"debug":                    "see global.log",
	"bfd_instance":             "no BFD",
	"track_bfd":                "no BFD",
	"BFD_CHECK":                "no BFD",
	"virtual_rules":            "write them as [[vrrp.rule]], with from or to, table and priority",
	"omega":                    "the table stays when the daemon stops",
	"warmup":                   "the first checks are spread over time anyway",
}

func (c *converter) convert(root *statement) {
	c.definitions = &definitions{map[string]*statement{}, map[string]*statement{}, map[string]*statement{}, map[string]*statement{}, map[*statement]bool{}}
	for _, s := range root.block {
		if of := c.kind(s.words[0]); of == nil {
			continue
		} else if first := of[s.arg(1)]; first != nil {
			c.note(s.at, "left out: %s %.40q is defined in %s already", s.words[0], s.arg(1), first.at)
			c.used[s] = true
		} else {
			of[s.arg(1)] = s
		}
	}
	for _, s := range root.block { // what concerns all comes first
		if s.words[0] == "global_defs" {
			c.globals(s)
		}
	}
	for _, s := range root.block {
		switch s.words[0] {
		case "vrrp_script", "track_file", "vrrp_track_file", "track_process", "vrrp_track_process", "virtual_server_group", "global_defs":
		case "vrrp_instance":
			c.instance(s)
		case "vrrp_sync_group":
			c.syncGroup(s)
		case "virtual_server":
			c.service(s)
		case "static_routes", "static_ipaddress", "static_rules":
			c.note(s.at, "%s: belongs to the network configuration of the host", s.words[0])
		default:
			c.unknown(s)
		}
	}
	for _, s := range root.block {
		if c.kind(s.words[0]) != nil && !c.used[s] {
			c.note(s.at, "left out: nothing uses the %s %.40q", s.words[0], s.arg(1))
		}
	}
}

// globals writes what concerns all. Its settings of announcements are defaults.
func (c *converter) globals(g *statement) {
	var global, ipvs, scripts, defaults, announce converter
	for _, s := range g.block {
		switch s.words[0] {
		case "router_id":
			name := notInNames.ReplaceAllString(s.arg(1), "-")
			if name != s.arg(1) {
				c.note(s.at, "router_id: %.80q is written %s", s.arg(1), name)
			}
			global.only(s, 1)
			global.text(s.at, "name", name)
		case "script_user":
			scripts.runAs(s, "scripts.user")
		case "lvs_timeouts":
			ipvs.timeouts(s)
		case "lvs_sync_daemon":
			ipvs.syncDaemon(s)
		case "vrrp_version":
			c.only(s, 1)
			c.version3 = s.arg(1) == "3"
		case "vrrp_startup_delay":
			defaults.seconds(s, "startup_delay")
		case "vrrp_garp_master_delay":
			announce.seconds(s, "repeat_after")
		case "vrrp_garp_master_repeat":
			announce.number(s, "count")
		case "vrrp_garp_master_refresh":
			announce.seconds(s, "refresh")
		default:
			c.unknown(s)
		}
	}
	put := func(header string, parts ...*converter) {
		if slices.ContainsFunc(parts, func(part *converter) bool { return len(part.lines) > 0 }) {
			c.table(g.at, header)
		}
		c.add(parts...)
	}
	put("[global]", &global, &scripts)
	put("[global.ipvs]", &ipvs)
	put("[defaults.vrrp]", &defaults)
	put("[defaults.vrrp.announce]", &announce)
}

// timeouts writes lvs_timeouts: "tcp N tcpfin N udp N".
func (c *converter) timeouts(s *statement) {
	for i := 1; i < len(s.words); i += 2 {
		key := map[string]string{"tcp": "tcp", "tcpfin": "tcp_fin", "udp": "udp"}[s.words[i]]
		if d, ok := seconds(s.arg(i + 1)); ok && key != "" {
			c.text(s.at, "timeouts."+key, short(d))
		} else {
			c.note(s.at, "lvs_timeouts: %.40q %.40q is not understood", s.words[i], s.arg(i+1))
		}
	}
}

// syncDaemon writes lvs_sync_daemon: "INTERFACE … id N".
func (c *converter) syncDaemon(s *statement) {
	c.text(s.at, "sync.interface", s.arg(1))
	for i := 2; i < len(s.words); i++ {
		if n, err := strconv.Atoi(s.arg(i + 1)); err == nil && (s.words[i] == "id" || s.words[i] == "syncid") {
			c.raw(s.at, "sync.id", strconv.Itoa(n))
			i++
		} else {
			c.note(s.at, "lvs_sync_daemon: %.40q: no equivalent", s.words[i])
		}
	}
}

func (c *converter) syncGroup(g *statement) {
	c.table(g.at, "[[vrrp_group]]")
	c.text(g.at, "name", g.arg(1))
	for _, s := range g.block {
		if s.words[0] != "group" {
			c.unknown(s)
			continue
		}
		var members []line
		for _, m := range s.block {
			for _, name := range m.words {
				members = append(members, line{text: quote(name), at: m.at})
			}
		}
		c.array(s.at, "members", members)
	}
}

// command writes what keepalived runs: one word, with arguments if it is in quotes. Words after it are
// whom it runs as.
func (c *converter) command(s *statement, key, user string) {
	c.raw(s.at, key, quoteAll(words(s.arg(1))))
	if len(s.words) < 3 {
		return
	}
	if user == "" {
		c.only(s, 1)
		return
	}
	c.runAs(&statement{words: append(s.words[:1:1], s.words[2:]...), at: s.at}, user)
}

// runAs writes a user; the group that may follow is the user's own.
func (c *converter) runAs(s *statement, key string) {
	c.text(s.at, key, s.arg(1))
	if len(s.words) > 2 {
		c.note(s.at, "%s: the group %.40q: no equivalent; programs run with the groups of their user", s.words[0], strings.Join(s.words[2:], " "))
	}
}
