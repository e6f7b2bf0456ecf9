package config

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// builder turns the raw shapes into a Config: it fills in defaults, and reports whatever
// is out of range or contradicts something else.
//
// One rule holds for contradictions throughout: a setting that cannot apply is an error
// where the thing itself sets it, and is left out where it comes from [defaults].
type builder struct {
	report
	files files

	scriptUser    string        // whom scripts run as that do not say
	scriptTimeout time.Duration // how long they may take

	vips     map[netip.Addr]string // who holds each address; of a link-local one, on which link
	scopes   map[network]scoped    // what is held first of each network
	routers  map[router]string     // which instance is each virtual router
	services map[string]bool       // names
	taken    map[ipvs.Key]string   // which service each key belongs to

	seen map[netip.AddrPort]bool // servers of the service at hand
}

// build returns the Config of the document and what is wrong with it. If anything of
// severity Error is, the Config is not to be used.
func build(raw *rawConfig, f files, host string) (*Config, Diagnostics) {
	b := &builder{
		files:    f,
		vips:     make(map[netip.Addr]string),
		scopes:   make(map[network]scoped),
		routers:  make(map[router]string),
		services: make(map[string]bool),
		taken:    make(map[ipvs.Key]string, len(raw.Services.Items)),
		seen:     make(map[netip.AddrPort]bool),
	}
	if raw.Defaults == nil {
		raw.Defaults = new(rawDefaults)
	}
	if raw.Global == nil {
		raw.Global = new(rawGlobal)
	}
	for i := range raw.VRRP.Items {
		if raw.Defaults.VRRP != nil {
			inherit(&raw.VRRP.Items[i], raw.Defaults.VRRP)
		}
	}
	for i := range raw.Services.Items {
		raw.Services.Items[i].inherit(raw.Defaults.Service)
	}
	raw.Services.Items = b.byFamily(raw.Services.Items)
	for i := range raw.Services.Items {
		b.services[raw.Services.Items[i].Name.Value] = true
	}

	c := &Config{Global: b.global(raw.Global, host)}
	b.scriptUser, b.scriptTimeout = c.Global.Scripts.User, c.Global.Scripts.Timeout
	for i := range raw.VRRP.Items {
		c.Instances = append(c.Instances, b.instance(&raw.VRRP.Items[i]))
	}
	c.Groups = b.groups(raw.Groups.Items, c.Instances)
	b.followed(raw.VRRP.Items, c.Groups)
	c.Services = slices.Grow(c.Services, len(raw.Services.Items))
	for i := range raw.Services.Items {
		c.Services = append(c.Services, b.service(&raw.Services.Items[i], c.Global.IPVS.Sync != nil))
	}
	b.restless(raw.Services.Items, c.Instances)
	unique(b, raw.VRRP.Items, func(v *rawVRRP) opt[string] { return v.Name })
	unique(b, raw.Groups.Items, func(g *rawGroup) opt[string] { return g.Name })
	unique(b, raw.Services.Items, func(s *rawService) opt[string] { return s.Name })
	return c, once(b.found)
}

// once drops what was found twice: two services may be of one table.
func once(found Diagnostics) Diagnostics {
	seen := make(map[Diagnostic]bool, len(found))
	return slices.DeleteFunc(found, func(d Diagnostic) bool {
		twice := seen[d]
		seen[d] = true
		return twice
	})
}

// unique reports every second use of a name among the tables of one kind.
func unique[T any](b *builder, items []T, name func(*T) opt[string]) {
	first := make(map[string]*node, len(items))
	for i := range items {
		n := name(&items[i])
		if !n.set() {
			continue
		}
		if other := first[n.Value]; other != nil {
			b.error(n.Node, "name %q is used twice: first in line %d%s", n.Value, other.value.line, other.elsewhere(n.Node))
			continue
		}
		first[n.Value] = n.Node
	}
}

// elsewhere says which file n is in, if it is another than m's.
func (n *node) elsewhere(m *node) string {
	file := n.file()
	if file == m.file() {
		return ""
	}
	return " of " + file
}

// require returns the value of a key that the table t must have.
func require[T any](b *builder, t *node, o opt[T], key, hint string) T {
	b.need(t, o.Node, key, hint)
	return o.Value
}

// need reports that the table t lacks a key, unless value says that it is set.
func (b *builder) need(t, value *node, key, hint string) {
	if value == nil && t.lacks(key) {
		b.missing(t, key, hint)
	}
}

// lacks reports whether the table has no such key at all. One that is there but did not
// decode has been reported already.
func (n *node) lacks(key string) bool { return n == nil || n.member(key) == nil }

// name returns a name: it stands in commands, metrics and logs, so it is one plain word.
func (b *builder) name(t *node, o opt[string]) string {
	name := require(b, t, o, "name", "")
	if o.set() && !plainWord(name) {
		b.error(o.Node, "name %.80q: must be 1 to 64 letters, digits and _ . : -, the first a letter or digit", name)
	}
	return name
}

func plainWord(s string) bool {
	if s == "" || len(s) > 64 || strings.ContainsRune("_.:-", rune(s[0])) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_.:-", r))
	})
}

// ifname checks the name of a network interface, if it is set.
func (b *builder) ifname(o opt[string]) string {
	if s := o.Value; o.set() && (s == "" || len(s) > 15 || s == "." || s == ".." || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '/' || r == ':' || r == 0x7f
	})) {
		b.error(o.Node, "%s: %.40q is not the name of a network interface (1 to 15 characters)", o.Node.label(), s)
	}
	return o.Value
}

// path checks an absolute path, if it is set.
func (b *builder) path(o opt[string], fallback string, longest int) string {
	if s := o.Value; o.set() && (!strings.HasPrefix(s, "/") || len(s) > longest || strings.ContainsRune(s, 0)) {
		b.error(o.Node, "%s: %.40q is not an absolute path of at most %d bytes", o.Node.label(), s, longest)
	}
	return o.or(fallback)
}

// command checks a command: an absolute path and its arguments.
func (b *builder) command(l list[opt[string]]) []string {
	args := values(l)
	switch {
	case len(args) == 0:
		b.error(l.Node, "%s: must name a program", l.Node.label())
	case !strings.HasPrefix(args[0], "/"):
		b.errorHint(l.Node, "there is no shell and no PATH", "%s: %.40q is not an absolute path", l.Node.label(), args[0])
	}
	return args
}

// number checks a whole number.
func (b *builder) number(o opt[int], fallback, low, high int) int {
	if o.set() && (o.Value < low || o.Value > high) {
		b.error(o.Node, "%s: must be %d to %d, not %d", o.Node.label(), low, high, o.Value)
		return fallback
	}
	return o.or(fallback)
}

// duration checks a length of time.
func (b *builder) duration(o opt[time.Duration], fallback, low, high time.Duration) time.Duration {
	if o.set() && (o.Value < low || o.Value > high) {
		b.error(o.Node, "%s: must be %s to %s, not %s", o.Node.label(), short(low), short(high), short(o.Value))
	}
	return o.or(fallback)
}

// seconds is duration for what the kernel counts in whole seconds.
func (b *builder) seconds(o opt[time.Duration], fallback, low, high time.Duration) time.Duration {
	if o.set() && o.Value%time.Second != 0 {
		b.error(o.Node, "%s: must be whole seconds, not %s: the kernel counts no finer", o.Node.label(), short(o.Value))
		return fallback
	}
	return b.duration(o, fallback, low, high)
}

// choice checks a word out of a few.
func (b *builder) choice(o opt[string], fallback string, words ...string) string {
	if o.set() && !slices.Contains(words, o.Value) {
		b.errorHint(o.Node, didYouMean(o.Value, words), "%s: must be one of %s, not %.40q", o.Node.label(), strings.Join(words, ", "), o.Value)
	}
	return o.or(fallback)
}

// short writes a duration as people do: "5m", not "5m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (b *builder) serviceNames() []string { return slices.Sorted(maps.Keys(b.services)) }
