package keepalived

import (
	"strconv"
	"strings"
	"time"
)

// A schedule is when checks run; a server's own goes before its service's, and a check's
// before both.
type schedule struct {
	interval, retry, pause, timeout *statement // nil: keepalived's default; pause is delay_before_retry
	host                            *statement // virtualhost
}

// take takes a statement that is about the schedule.
func (s *schedule) take(st *statement) bool {
	switch st.words[0] {
	case "delay_loop":
		s.interval = st
	case "retry", "nb_get_retry":
		s.retry = st
	case "delay_before_retry":
		s.pause = st
	case "connect_timeout", "misc_timeout":
		s.timeout = st
	case "virtualhost":
		s.host = st
	default:
		return false
	}
	return true
}

// write writes it as keys of a check. What is not set is keepalived's default, which differs with the type.
func (s schedule) write(c *converter, at Place, typ string) {
	interval := c.period(s.interval, time.Minute)
	timeout := 5 * time.Second
	pause, retries := time.Second, 1
	switch typ {
	case "script":
		timeout, retries = interval, 0
	case "dns":
		pause, retries = interval, 3
	case "http", "https":
		pause = 3 * time.Second
	}
	timeout = c.period(s.timeout, timeout)
	if timeout > interval {
		c.note(at, "connect_timeout: %s is above delay_loop: a probe ends before the next begins", short(timeout))
		timeout = interval
	}
	pause = c.period(s.pause, pause)
	if s.pause != nil && pause > interval {
		c.note(s.pause.at, "delay_before_retry: %s is above delay_loop: retries come at that", short(pause))
	}
	if s.retry != nil {
		if n, err := strconv.Atoi(s.retry.arg(1)); err == nil && n >= 0 && n < 1000 {
			retries = n
		} else {
			c.note(s.retry.at, "retry: %.40q is not a number", s.retry.arg(1))
		}
	}
	c.text(at, "interval", short(interval))
	c.text(at, "timeout", short(timeout))
	if pause < interval && retries > 0 {
		c.text(at, "fast_interval", short(pause))
	}
	c.raw(at, "rise", "1")
	c.raw(at, "fall", strconv.Itoa(retries+1))
}

// period is a time above zero that a statement has in seconds, or otherwise what is given.
func (c *converter) period(s *statement, otherwise time.Duration) time.Duration {
	if s == nil {
		return otherwise
	}
	if d, ok := seconds(s.arg(1)); ok && d > 0 {
		return d
	}
	c.note(s.at, "%s: %.40q is not a number of seconds above 0", s.words[0], s.arg(1))
	return otherwise
}

var checkTypes = map[string]string{
	"TCP_CHECK": "tcp", "HTTP_GET": "http", "SSL_GET": "https", "SMTP_CHECK": "smtp", "DNS_CHECK": "dns", "MISC_CHECK": "script",
	"UDP_CHECK": "udp", "PING_CHECK": "icmp", "FILE_CHECK": "file",
}

// defaults are keepalived's where a check says nothing, and lbha has no such default.
var defaults = map[string][]struct{ word, key, value string }{
	"dns": {{"type", "query_type", `"SOA"`}, {"name", "name", `"."`}},
	"udp": {{"payload", "send", `""`}, {"require_reply", "require_reply", "false"}}, // an empty datagram; a refusal fails
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
	for _, s := range check.block {
		switch {
		case s.words[0] == "url" && web:
			urls = append(urls, s)
		case when.take(s):
			c.only(s, 1)
		default:
			c.checkWord(s, typ)
		}
	}
	for _, d := range defaults[typ] {
		if check.has(d.word) == nil {
			c.raw(check.at, d.key, d.value)
		}
	}
	when.write(c, check.at, typ)
	if web {
		c.web(check, typ, urls, when.host)
	}
}

// checkWord writes what a statement says of a check of a type: all but when it runs, and the urls.
func (c *converter) checkWord(s *statement, typ string) {
	web := typ == "http" || typ == "https"
	switch w := s.words[0]; {
	case w == "connect_ip":
		c.word(s, "address")
	case w == "connect_port" && typ != "icmp":
		c.number(s, "port")
	case w == "bindto":
		c.word(s, "source")
	case w == "bind_if":
		c.word(s, "interface")
	case w == "fwmark":
		c.number(s, "mark")
	case w == "enable_sni" && typ == "https": // always
		c.only(s, 0)
	case w == "http_protocol" && web && strings.HasPrefix(s.arg(1), "1."): // there is one version 1
		c.only(s, 1)
	case w == "fast_recovery" && web: // rise = 1
		c.only(s, 0)
	case w == "helo_name" && typ == "smtp":
		c.word(s, "helo")
	case w == "host" && typ == "smtp":
		c.note(s.at, "host: a check asks one address: write more checks")
	case w == "name" && typ == "dns":
		c.word(s, "name")
	case w == "type" && typ == "dns":
		c.only(s, 1)
		c.text(s.at, "query_type", strings.ToUpper(s.arg(1)))
	case w == "misc_path" && typ == "script":
		c.command(s, "command", "")
	case w == "misc_dynamic" && typ == "script":
		c.flag(s, "dynamic", "true")
	case w == "user" && typ == "script":
		c.runAs(s, "user")
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

// web writes what a web check asks for: in the check, if it has one url, else in a table for each. virtualhost may be nil.
func (c *converter) web(check *statement, typ string, urls []*statement, virtualhost *statement) {
	host := ""
	if virtualhost != nil {
		host = virtualhost.arg(1)
	}
	tables := converter{definitions: c.definitions}
	switch {
	case len(urls) == 1:
		c.url(urls[0], host)
	case len(urls) > 1:
		for _, u := range urls {
			tables.table(u.at, "[[service.checks.requests]]")
			tables.url(u, host)
		}
	case host != "":
		c.text(check.at, "host", host)
	}
	if typ == "https" {
		c.raw(check.at, "tls", "{ verify = false }")
		c.note(check.at, "SSL_GET: verifies no certificate, so this check does not; verify = true and server_name would")
	}
	c.add(&tables)
}

// url writes a url of a web check.
func (c *converter) url(u *statement, host string) {
	for _, s := range u.block {
		switch s.words[0] {
		case "path":
			c.word(s, "path")
		case "status_code":
			c.raw(s.at, "status", quoteAll(s.words[1:]))
		case "virtualhost":
			c.only(s, 1)
			host = s.arg(1)
		case "regex":
			if u.has("regex_no_match") != nil {
				c.note(s.at, "regex: left out, for the page must not match it")
				continue
			}
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
	c.only(s, 1)
	defined := c.use("track_file", s.arg(1))
	if defined == nil {
		c.note(s.at, "track_file: %.40q is not defined", s.arg(1))
		return
	}
	c.note(s.at, "FILE_CHECK: the file must say up, down or a weight")
	for _, d := range defined.block {
		if d.words[0] == "file" {
			c.word(d, "file")
		}
	}
}
