package keepalived

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A schedule is when checks run; a server's own goes before its service's, and a check's
// before both.
type schedule struct {
	interval, retry, pause, timeout string // as written; pause is delay_before_retry
	host                            string // virtualhost
}

// take takes a statement that is about the schedule.
func (s *schedule) take(st *statement) bool {
	switch st.words[0] {
	case "delay_loop":
		s.interval = st.arg(1)
	case "retry", "nb_get_retry":
		s.retry = st.arg(1)
	case "delay_before_retry":
		s.pause = st.arg(1)
	case "connect_timeout", "misc_timeout":
		s.timeout = st.arg(1)
	case "virtualhost":
		s.host = st.arg(1)
	case "warmup":
	default:
		return false
	}
	return true
}

// write writes it as keys of a check.
func (s schedule) write(c *converter, at Place) {
	interval, ok := seconds(s.interval)
	if !ok || interval == 0 {
		c.note(at, "delay_loop: %.40q is not a number of seconds", s.interval)
		interval = time.Minute
	}
	c.text(at, "interval", short(interval))
	timeout := 5 * time.Second // keepalived's default
	if d, ok := seconds(s.timeout); ok && d > 0 {
		timeout = d
	}
	if timeout > interval {
		c.note(at, "connect_timeout: %s is above delay_loop: a probe ends before the next begins", short(timeout))
		timeout = interval
	}
	c.text(at, "timeout", short(timeout))
	if pause, ok := seconds(s.pause); ok && pause > 0 && pause <= interval {
		c.text(at, "fast_interval", short(pause))
	}
	c.raw(at, "rise", "1")
	if n, err := strconv.Atoi(s.retry); err == nil && n >= 0 && n < 1000 {
		c.raw(at, "fall", strconv.Itoa(n+1))
	} else if s.retry != "" {
		c.note(at, "retry: %.40q is not a number", s.retry)
	}
}

var checkTypes = map[string]string{
	"TCP_CHECK": "tcp", "HTTP_GET": "http", "SSL_GET": "https", "SMTP_CHECK": "smtp", "DNS_CHECK": "dns", "MISC_CHECK": "script",
	"UDP_CHECK": "udp", "PING_CHECK": "icmp", "FILE_CHECK": "file",
}

// checks writes the checks of a server.
func (c *converter) checks(r *statement, common schedule) {
	for _, s := range r.block {
		if !s.open {
			common.take(s)
		}
	}
	for _, s := range r.block {
		typ, known := checkTypes[s.words[0]]
		switch {
		case known:
			c.check(s, typ, common)
		case s.open:
			c.unknown(s)
		}
	}
}

func (c *converter) check(check *statement, typ string, when schedule) {
	web := typ == "http" || typ == "https"
	c.table(check.at, "[[service.checks]]")
	c.text(check.at, "type", typ)
	var urls []*statement
	tables := converter{files: c.files}
	for _, s := range check.block {
		switch w := s.words[0]; {
		case w == "url" && web:
			urls = append(urls, s)
		case when.take(s):
		case w == "connect_ip":
			c.text(s.at, "address", s.arg(1))
		case w == "connect_port" && typ != "icmp":
			c.number(s, "port")
		case w == "bindto":
			c.text(s.at, "source", s.arg(1))
		case w == "bind_if":
			c.text(s.at, "interface", s.arg(1))
		case w == "fwmark":
			c.number(s, "mark")
		case w == "enable_sni" && typ == "https": // always
		case w == "http_protocol" && web && strings.HasPrefix(s.arg(1), "1."): // there is one version 1
		case w == "fast_recovery" && web: // rise = 1
		case w == "helo_name" && typ == "smtp":
			c.text(s.at, "helo", s.arg(1))
		case w == "host" && typ == "smtp":
			c.note(s.at, "host: a check asks one address: write more checks")
		case w == "name" && typ == "dns":
			c.text(s.at, "name", s.arg(1))
		case w == "type" && typ == "dns":
			c.text(s.at, "query_type", strings.ToUpper(s.arg(1)))
		case w == "misc_path" && typ == "script":
			c.raw(s.at, "command", command(s))
		case w == "misc_dynamic" && typ == "script":
			c.raw(s.at, "dynamic", "true")
		case w == "user" && typ == "script":
			c.text(s.at, "user", s.arg(1))
		case w == "payload" && typ == "udp":
			c.text(s.at, "send", "hex:"+strings.Join(s.words[1:], ""))
		case w == "require_reply" && typ == "udp":
			c.raw(s.at, "require_reply", "true")
			if len(s.words) > 1 {
				c.text(s.at, "expect", "hex:"+strings.Join(s.words[1:], ""))
			}
		case w == "track_file" && typ == "file":
			c.file(s)
		default:
			c.unknown(s)
		}
	}
	if typ == "udp" && !slices.ContainsFunc(check.block, func(s *statement) bool { return s.words[0] == "require_reply" }) {
		c.raw(check.at, "require_reply", "false")
	}
	if typ == "dns" && !slices.ContainsFunc(check.block, func(s *statement) bool { return s.words[0] == "type" }) {
		c.text(check.at, "query_type", "SOA") // keepalived's default
	}
	if typ == "dns" && !slices.ContainsFunc(check.block, func(s *statement) bool { return s.words[0] == "name" }) {
		c.text(check.at, "name", ".")
	}
	when.write(c, check.at)
	switch {
	case web && len(urls) == 1:
		c.url(urls[0], when.host)
	case web && len(urls) > 1:
		for _, u := range urls {
			tables.table(u.at, "[[service.checks.requests]]")
			tables.url(u, when.host)
		}
	case web && when.host != "":
		c.text(check.at, "host", when.host)
	}
	if typ == "https" {
		c.raw(check.at, "tls", "{ verify = false }")
		c.note(check.at, "SSL_GET: verifies no certificate, so this check does not; verify = true and server_name would")
	}
	c.lines = append(c.lines, tables.lines...)
	c.notes = append(c.notes, tables.notes...)
}

// url writes a url of a web check.
func (c *converter) url(u *statement, host string) {
	for _, s := range u.block {
		switch s.words[0] {
		case "path":
			c.text(s.at, "path", s.arg(1))
		case "status_code":
			c.raw(s.at, "status", quoteAll(s.words[1:]))
		case "virtualhost":
			host = s.arg(1)
		case "regex":
			c.text(s.at, "regex", strings.Join(s.words[1:], " "))
		case "digest":
			c.note(s.at, "digest: was of MD5, and is of SHA-256: lbha check --probe shows the page")
		default:
			c.unknown(s)
		}
	}
	if host != "" {
		c.text(u.at, "host", host)
	}
}

// file writes the path that a track_file has.
func (c *converter) file(s *statement) {
	defined := c.files[s.arg(1)]
	if defined == nil {
		c.note(s.at, "track_file: %.40q is not defined", s.arg(1))
		return
	}
	c.note(s.at, "FILE_CHECK: the file must say up, down or a weight")
	for _, d := range defined.block {
		if d.words[0] == "file" {
			c.text(d.at, "file", d.arg(1))
		}
	}
}
