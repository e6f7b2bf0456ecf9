package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// Defaults of [service.check].
const (
	defaultCheckInterval = 2 * time.Second
	defaultCheckTimeout  = time.Second // or the interval, if that is shorter

	defaultFalls  = 3
	defaultWithin = 5 * time.Minute
	defaultHold   = time.Minute
)

// over returns c with what it leaves out filled in from base: everything, if both are of
// one type; else what every type has in common, the schedule.
func (c *rawCheck) over(base *rawCheck) *rawCheck {
	if c == nil || base == nil {
		return c
	}
	merged, from := *c, *base
	if c.Type.set() && c.Type.Value != base.Type.Value {
		from = rawCheck{Interval: base.Interval, FastInterval: base.FastInterval, Timeout: base.Timeout,
			Jitter: base.Jitter, Rise: base.Rise, Fall: base.Fall, Grace: base.Grace, Damping: base.Damping}
	}
	inherit(&merged, &from)
	return &merged
}

func overEach(l list[rawCheck], base *rawCheck) list[rawCheck] {
	l.Items = slices.Clone(l.Items)
	for i := range l.Items {
		l.Items[i] = *l.Items[i].over(base)
	}
	return l
}

// checks reads the checks of the table t, a service or a server: one, or several. It is
// nil if t says nothing about checks, and empty if it says that there are none.
func (b *builder) checks(t *node, one *rawCheck, several list[rawCheck]) []Check {
	if one != nil && several.set() {
		b.error(several.Node, "checks: write all of them in checks, or the one in check")
	}
	if one != nil {
		return []Check{b.check(one)}
	}
	if !several.set() {
		return nil
	}
	out := make([]Check, len(several.Items))
	for i := range several.Items {
		out[i] = b.check(&several.Items[i])
	}
	return out
}

func (b *builder) check(raw *rawCheck) Check {
	c := Check{
		Type:      require(b, raw.Node, raw.Type, "type", "tcp, http or https, for example"),
		Port:      uint16(b.number(raw.Port, 0, 1, 65535)),
		Address:   b.host(raw.Address),
		Source:    b.host(raw.Source),
		Interface: b.ifname(raw.Interface),
		Mark:      uint32(raw.Mark.Value),
		Rise:      b.number(raw.Rise, defaultRise, 1, 1000),
		Fall:      b.number(raw.Fall, defaultFall, 1, 1000),
		Grace:     b.duration(raw.Grace, 0, 0, time.Hour),
		Damping:   b.damping(raw.Damping),
	}
	b.through(raw, &c)
	b.timing(raw, &c)
	if c.Address.IsValid() && c.Source.IsValid() && c.Address.Is4() != c.Source.Is4() {
		b.error(raw.Source.Node, "source: %s is not of the family of the address, %s", c.Source, c.Address)
	}
	if !raw.Type.set() {
		return c
	}
	b.foreignKeys(raw, c.Type)
	b.clientTLS(raw, &c)
	switch c.Type {
	case healthcheck.TypeHTTP, healthcheck.TypeHTTPS:
		b.http(raw, &c)
	case healthcheck.TypeGRPC:
		c.Host, c.GRPCService = b.hostName(raw.Host), raw.GRPCService.or("")
		if len(c.GRPCService) > maxServiceName {
			b.error(raw.GRPCService.Node, "service: must have at most %d bytes", maxServiceName)
		}
	case healthcheck.TypeTCP, healthcheck.TypeTLS, healthcheck.TypeAgent:
		c.Send, c.Expect = raw.Send.or(""), raw.Expect.or("")
	case healthcheck.TypeUDP:
		b.udp(raw, &c)
	case healthcheck.TypeDNS:
		b.dns(raw, &c)
	case healthcheck.TypeSMTP:
		c.Helo, c.StartTLS = b.hostName(raw.Helo), raw.StartTLS.or(false)
	case healthcheck.TypeIMAP, healthcheck.TypePOP3, healthcheck.TypeFTP:
		b.mail(raw, &c)
	case healthcheck.TypeLDAP:
		b.ldap(raw, &c)
	case healthcheck.TypeSIP:
		b.sip(raw, &c)
	case healthcheck.TypeRADIUS:
		b.radius(raw, &c)
	case healthcheck.TypeRedis:
		b.login(raw, &c)
	case healthcheck.TypeMySQL, healthcheck.TypePostgreSQL:
		b.database(raw, &c)
	case healthcheck.TypeScript:
		b.script(raw, &c)
		c.Dynamic = raw.Dynamic.or(false)
	case healthcheck.TypeFile:
		require(b, raw.Node, raw.File, "file", "the path of a file that says up or down")
		c.File = b.path(raw.File, "", maxPath)
	}
	return c
}

// through checks what does not go together with it in a check.
func (b *builder) through(raw *rawCheck, c *Check) {
	if c.Through = b.choice(raw.Through, "", "vip"); c.Through == "" {
		return
	}
	for _, at := range []*node{raw.Address.Node, raw.Interface.Node, raw.Mark.Node} {
		if at != nil {
			b.error(at, "%s: the probe goes through the vip: this is settled by that", at.label())
		}
	}
}

// reachable checks that the probes of a service can go through its vip.
func (b *builder) reachable(raw *rawService, s *Service) {
	check := func(c *rawCheck) {
		switch {
		case c == nil || !c.Through.set():
		case s.Forward == ipvs.NAT:
			b.errorHint(c.Through.Node, "a probe of the server itself shows the same: nat gives its packets the server's address", "through: is for forward dr and tun")
		case raw.FWMark.set():
			b.error(c.Through.Node, "through: a service by firewall mark has no vip")
		}
	}
	each := func(one *rawCheck, several list[rawCheck]) {
		check(one)
		for i := range several.Items {
			check(&several.Items[i])
		}
	}
	each(raw.Check, raw.Checks)
	for i := range raw.Servers.Items {
		each(raw.Servers.Items[i].Check, raw.Servers.Items[i].Checks)
	}
}

// timing settles how often the check runs, and how long a probe may take.
func (b *builder) timing(raw *rawCheck, c *Check) {
	c.Interval = b.duration(raw.Interval, defaultCheckInterval, 10*time.Millisecond, 24*time.Hour)
	c.Timeout = b.duration(raw.Timeout, min(defaultCheckTimeout, c.Interval), time.Millisecond, 24*time.Hour)
	c.FastInterval = b.duration(raw.FastInterval, 0, 10*time.Millisecond, 24*time.Hour)
	switch ownTimeout := raw.Timeout.Node.within(raw.Node); {
	case c.Timeout <= c.Interval:
	case !ownTimeout && raw.Interval.Node.within(raw.Node):
		c.Timeout = c.Interval
	default:
		b.error(raw.Timeout.Node, "timeout: %s is above the interval, %s: a probe must end before the next begins", short(c.Timeout), short(c.Interval))
	}
	c.Jitter = b.duration(raw.Jitter, 0, 0, 12*time.Hour)
	switch {
	case c.Jitter <= c.Interval/2:
	case !raw.Jitter.Node.within(raw.Node):
		c.Jitter = c.Interval / 2
	default:
		b.error(raw.Jitter.Node, "jitter: %s is above half of the interval, %s", short(c.Jitter), short(c.Interval))
	}
	switch {
	case c.FastInterval <= c.Interval:
	case !raw.FastInterval.Node.within(raw.Node):
		c.FastInterval = 0
	default:
		b.error(raw.FastInterval.Node, "fast_interval: %s is above the interval, %s", short(c.FastInterval), short(c.Interval))
	}
}

// damping reads the table flap_damping.
func (b *builder) damping(raw *rawDamping) *Damping {
	if raw == nil {
		return nil
	}
	return &Damping{
		Falls:  b.number(raw.Falls, defaultFalls, 1, 100),
		Within: b.duration(raw.Within, defaultWithin, time.Second, 24*time.Hour),
		Hold:   b.duration(raw.Hold, defaultHold, time.Second, 24*time.Hour),
	}
}

// needed reads how many of the checks of the table t must pass: of as many as there are.
func (b *builder) needed(t *node, o opt[healthcheck.Need], checks []Check) healthcheck.Need {
	if len(checks) == 0 || int(o.Value) > len(checks) {
		if o.Node.within(t) && o.Value > healthcheck.Any {
			b.error(o.Node, "checks_needed: %d of %d checks cannot pass", o.Value, len(checks))
		}
		return healthcheck.All
	}
	return o.Value
}

// host checks the address of a host, if it is set.
func (b *builder) host(o opt[string]) netip.Addr {
	if !o.set() {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(o.Value)
	if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		b.error(o.Node, "%s: %.80q is not the IP address of a host", o.Node.label(), o.Value)
	}
	return a.Unmap()
}

// hostName checks a host name, with a port or not, if it is set.
func (b *builder) hostName(o opt[string]) string {
	if strings.ContainsFunc(o.Value, func(r rune) bool { return r <= ' ' || r == '/' || r >= 0x7f }) {
		b.error(o.Node, "%s: %.80q is not a host name", o.Node.label(), o.Value)
	}
	return o.Value
}

// shared reads what is written in the one setting, or in the file that the other names.
func (b *builder) shared(inline opt[Secret], file opt[string]) Secret {
	switch {
	case !file.set():
	case inline.set():
		b.error(file.Node, "%s: the %[2]s is in %[2]s already", file.Node.label(), inline.Node.label())
	default:
		return NewSecret(strings.TrimRight(string(b.readSecret(file)), "\r\n"))
	}
	return inline.Value
}

// login fills in who the check is to the server.
func (b *builder) login(raw *rawCheck, c *Check) {
	c.Username, c.Password = raw.Username.or(""), b.shared(raw.Password, raw.PasswordFile)
	if strings.ContainsFunc(c.Username, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		b.error(raw.Username.Node, "username: %.40q has characters that a name has not", c.Username)
	}
	noPassword := c.Password.IsZero() && !raw.PasswordFile.set()
	switch {
	case slices.Contains(passwordChecks, c.Type) && c.Username != "" && noPassword:
		b.error(raw.Username.Node, "username: needs a password")
	case slices.Contains(nameChecks, c.Type) && c.Username == "" && !noPassword:
		b.need(raw.Node, nil, "username", "whose password it is")
	}
}

func (b *builder) udp(raw *rawCheck, c *Check) {
	c.Send = require(b, raw.Node, raw.Send, "send", `what to send, such as "ping" or "hex:00ff"`)
	c.Expect, c.RequireReply = raw.Expect.or(""), raw.RequireReply.or(true)
	if !c.RequireReply && c.Expect != "" {
		b.error(raw.RequireReply.Node, "require_reply: false, and a reply is expected: leave out one of them")
	}
}

func (b *builder) dns(raw *rawCheck, c *Check) {
	c.Query = require(b, raw.Node, raw.Query, "name", "the name to ask for")
	if raw.Query.set() && !domainName(c.Query) {
		b.error(raw.Query.Node, "name: %.80q is not a domain name", c.Query)
	}
	c.QueryType = b.choice(raw.QueryType, "A", "A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
	c.RCode = b.choice(raw.RCode, "NOERROR", "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
	c.Protocol = b.choice(raw.Protocol, "udp", "udp", "tcp")
	c.Answer = raw.Answer.or("")
}

// domainName reports whether a name can be asked for: labels of 1 to 63 bytes, 253 in all.
// "." is the root.
func domainName(s string) bool {
	if s == "." {
		return true
	}
	s = strings.TrimSuffix(s, ".")
	return len(s) <= 253 && !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool {
		return label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool { return r <= ' ' || r >= 0x7f })
	})
}
