package keepalived

import (
	"fmt"
	"strconv"
	"strings"
)

// A converter turns statements into lines.
type converter struct {
	lines []line
	notes []Note
	names map[string]bool // of services, that are given

	scripts, files, processes, groups map[string]*statement // definitions, by name
	user                              string                // whom scripts run as
	version3                          bool                  // the default of instances
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

// number writes a number, if the statement has one.
func (c *converter) number(s *statement, key string) {
	n, err := strconv.Atoi(s.arg(1))
	if err != nil {
		c.note(s.at, "%s: %.40q is not a number", s.words[0], s.arg(1))
		return
	}
	c.raw(s.at, key, strconv.Itoa(n))
}

// seconds writes a time that the statement has in seconds.
func (c *converter) seconds(s *statement, key string) {
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
}

func (c *converter) convert(root *statement) {
	c.scripts, c.files, c.processes, c.groups = map[string]*statement{}, map[string]*statement{}, map[string]*statement{}, map[string]*statement{}
	for _, s := range root.block {
		switch s.words[0] {
		case "vrrp_script":
			c.scripts[s.arg(1)] = s
		case "track_file", "vrrp_track_file":
			c.files[s.arg(1)] = s
		case "track_process", "vrrp_track_process":
			c.processes[s.arg(1)] = s
		case "virtual_server_group":
			c.groups[s.arg(1)] = s
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
}

// globals writes what concerns all. Its settings of announcements are defaults.
func (c *converter) globals(g *statement) {
	var global, ipvs, scripts, defaults, announce converter
	for _, s := range g.block {
		switch s.words[0] {
		case "router_id":
			global.text(s.at, "name", notInNames.ReplaceAllString(s.arg(1), "-"))
		case "script_user":
			scripts.text(s.at, "scripts.user", s.arg(1))
		case "lvs_timeouts":
			for i := 1; i+1 < len(s.words); i += 2 {
				key := map[string]string{"tcp": "tcp", "tcpfin": "tcp_fin", "udp": "udp"}[s.words[i]]
				if d, ok := seconds(s.words[i+1]); ok && key != "" {
					ipvs.text(s.at, "timeouts."+key, short(d))
				} else {
					c.note(s.at, "lvs_timeouts: %.40q %.40q is not understood", s.words[i], s.words[i+1])
				}
			}
		case "lvs_sync_daemon":
			ipvs.text(s.at, "sync.interface", s.arg(1))
			for i := 2; i < len(s.words); i++ {
				if n, err := strconv.Atoi(s.arg(i + 1)); err == nil && (s.words[i] == "id" || s.words[i] == "syncid") {
					ipvs.raw(s.at, "sync.id", strconv.Itoa(n))
				}
			}
		case "vrrp_version":
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
		begun := false
		for _, part := range parts {
			c.notes = append(c.notes, part.notes...)
			if !begun && len(part.lines) > 0 {
				c.table(g.at, header)
				begun = true
			}
			c.lines = append(c.lines, part.lines...)
		}
	}
	put("[global]", &global, &scripts)
	put("[global.ipvs]", &ipvs)
	put("[defaults.vrrp]", &defaults)
	put("[defaults.vrrp.announce]", &announce)
}

func (c *converter) syncGroup(g *statement) {
	c.table(g.at, "[[vrrp_group]]")
	c.text(g.at, "name", g.arg(1))
	for _, s := range g.block {
		if s.words[0] != "group" {
			c.unknown(s)
			continue
		}
		var members []string
		for _, m := range s.block {
			members = append(members, m.words...)
		}
		c.raw(s.at, "members", quoteAll(members))
	}
}

// command splits what keepalived runs: it is one word, in quotes, with arguments.
func command(s *statement) string {
	return quoteAll(strings.Fields(strings.Join(s.words[1:], " ")))
}
