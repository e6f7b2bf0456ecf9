package vrrptest

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/lbha/lbha/vrrp"
)

// TestTranscripts runs the conversations in testdata. The verbs:
//
//	lan a=200 b=100 [version=2] [interval=1s] [lease=2s|off] [vips=2] [preempt_delay=5s] [startup_delay=5s] [nopreempt=(a,b)] [announcements=(0s,1s)] [seed=1]
//	lan a=200 b=100 members=2 [crossed] …   each host is a sync group, with nodes a1, a2
//	network [delay=1ms] [jitter=1ms] [loss=0.1] [duplicate=0.1]
//	start [NODE…] [resume]         all nodes if none is named
//	stop NODE [now]                hand over first, unless "now"
//	kill NODE
//	                               start, stop, kill, pause, handover, lift: the whole host
//	pause NODE 3s [deaf]           deaf: as a virtual machine, packets are lost
//	cut FROM TO [both]             packets FROM sends do not reach TO
//	heal
//	link NODE up|down
//	flap NODE TIMES 50ms           down and up again so often, each for so long
//	source NODE ADDRESS|none
//	track NODE [adjust=-50] [fault=NAME]
//	reconfigure NODE [priority=50] [interval=2s] [vips=2] [preempt=false] [lease=…]
//	handover NODE, lift NODE
//	remove NODE                    somebody removes an address
//	fail NODE claims|sends|releases [off]
//	inject NODE from=ADDRESS [priority=N] [interval=1s] [version=3] [addresses=0] [times=N]
//	announced NODE [by=NAME]       the node hears that somebody else announces its first address
//	moved NODE                     its interface gets another link-layer address
//	advance 5s
//	state
//	clients                        whom they believe to hold each address
//
// Output is what the machines did, with the seconds since the LAN was made.
// Adverts on schedule and renewals are left out.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out bytes.Buffer
			if d.Cmd == "lan" {
				s.build(t, d)
			}
			s.lan.Trace = &out
			s.verb(t, d, &out)
			if out.Len() == 0 {
				return "ok"
			}
			return out.String()
		})
		if v := s.lan.Violations(); len(v) > 0 {
			t.Errorf("violations:\n%s", strings.Join(v, "\n"))
		}
	})
}

type script struct{ lan *LAN }

// options are the key=value arguments of a verb; words the others.
type options struct {
	t     *testing.T
	d     *datadriven.TestData
	words []string
	keys  map[string][]string
}

func parse(t *testing.T, d *datadriven.TestData) *options {
	o := &options{t: t, d: d, keys: map[string][]string{}}
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			o.words = append(o.words, a.Key)
		} else {
			o.keys[a.Key] = a.Vals
		}
	}
	return o
}

func (o *options) fail(format string, args ...any) {
	o.t.Helper()
	o.t.Fatalf("%s: %s", o.d.Pos, fmt.Sprintf(format, args...))
}

func (o *options) text(key, otherwise string) string {
	if v, ok := o.keys[key]; ok {
		delete(o.keys, key)
		return v[0]
	}
	return otherwise
}

func (o *options) number(key string, otherwise int) int {
	n, err := strconv.Atoi(o.text(key, strconv.Itoa(otherwise)))
	if err != nil {
		o.fail("%s: %v", key, err)
	}
	return n
}

func (o *options) share(key string, otherwise float64) float64 {
	f, err := strconv.ParseFloat(o.text(key, fmt.Sprint(otherwise)), 64)
	if err != nil {
		o.fail("%s: %v", key, err)
	}
	return f
}

func (o *options) duration(key string, otherwise time.Duration) time.Duration {
	return o.parseDuration(o.text(key, otherwise.String()))
}

func (o *options) parseDuration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		o.fail("%v", err)
	}
	return d
}

func (o *options) address(s string) netip.Addr {
	if s == "none" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		o.fail("%v", err)
	}
	return a
}

// word removes a word from the arguments and reports whether it was there.
func (o *options) word(w string) bool {
	for i := range o.words {
		if o.words[i] == w {
			o.words = append(o.words[:i], o.words[i+1:]...)
			return true
		}
	}
	return false
}

// done fails on what no verb has asked for.
func (o *options) done() {
	if len(o.keys) > 0 {
		o.fail("unknown arguments %v", o.keys)
	}
}

// vips returns n addresses.
func vips(n int) []netip.Addr { return vipsOn(0, n) }

// vipsOn returns n addresses of a segment.
func vipsOn(segment, n int) []netip.Addr {
	var list []netip.Addr
	for i := range n {
		list = append(list, netip.AddrFrom4([4]byte{10, 9, byte(segment), byte(100 + i)}))
	}
	return list
}

// change reads the options that lan and reconfigure share into a configuration.
func (o *options) change(c vrrp.Config) vrrp.Config {
	c.Interval = o.duration("interval", c.Interval)
	c.Preempt = o.text("preempt", strconv.FormatBool(c.Preempt)) == "true"
	c.PreemptDelay = o.duration("preempt_delay", c.PreemptDelay)
	c.StartupDelay = o.duration("startup_delay", c.StartupDelay)
	c.Addresses = vips(o.number("vips", max(1, len(c.Addresses))))
	switch lease := o.text("lease", "auto"); lease {
	case "auto":
		c.Lease = vrrp.AutoLease(c.Interval, vrrp.DefaultDownAdverts)
	case "off":
		c.Lease = 0
	default:
		c.Lease = o.parseDuration(lease)
	}
	return c
}

func (s *script) build(t *testing.T, d *datadriven.TestData) {
	o := parse(t, d)
	s.lan = New(uint64(o.number("seed", 1)))
	base := vrrp.Config{
		VRID: 51, Version: vrrp.Version(o.number("version", 3)),
		Interval: time.Second, Preempt: true,
		Announce: vrrp.Announcements{Offsets: []time.Duration{0, time.Second}},
	}
	base = o.change(base)
	if offsets, ok := o.keys["announcements"]; ok {
		base.Announce.Offsets = nil
		for _, at := range offsets {
			base.Announce.Offsets = append(base.Announce.Offsets, o.parseDuration(at))
		}
		delete(o.keys, "announcements")
	}
	stubborn := o.keys["nopreempt"]
	delete(o.keys, "nopreempt")
	members := o.number("members", 1)
	crossed := o.word("crossed")
	for _, a := range d.CmdArgs {
		if p, err := strconv.Atoi(first(a.Vals)); err == nil && len(a.Key) == 1 {
			c := base
			c.Name, c.Priority = a.Key, vrrp.Priority(p)
			for _, name := range stubborn {
				c.Preempt = c.Preempt && name != a.Key
			}
			if members == 1 {
				s.lan.Add(a.Key, c)
			} else {
				s.lan.AddGroup(a.Key, membersOf(c, members, crossed, len(s.lan.processes))...)
			}
			delete(o.keys, a.Key)
		}
	}
	o.done()
}

// membersOf returns the configurations of a group: one for each segment. Crossed,
// the addresses of the hosts are in another order on every other segment.
func membersOf(c vrrp.Config, n int, crossed bool, host int) []vrrp.Config {
	var list []vrrp.Config
	for i := range n {
		c := c
		c.Addresses = vipsOn(i, len(c.Addresses))
		if crossed && i%2 == 1 {
			c.Source = netip.AddrFrom4([4]byte{10, 9, byte(i), byte(9 - host)})
		}
		list = append(list, c)
	}
	return list
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (s *script) verb(t *testing.T, d *datadriven.TestData, out *bytes.Buffer) {
	o := parse(t, d)
	l := s.lan
	node := func(i int) *Node {
		if i >= len(o.words) || l.Node(o.words[i]) == nil {
			o.fail("no such node")
		}
		return l.Node(o.words[i])
	}
	switch d.Cmd {
	case "lan":
		return
	case "network":
		l.Network.Delay = o.duration("delay", l.Network.Delay)
		l.Network.Jitter = o.duration("jitter", l.Network.Jitter)
		l.Network.Loss = o.share("loss", l.Network.Loss)
		l.Network.Duplicate = o.share("duplicate", l.Network.Duplicate)
	case "start":
		resume := o.word("resume")
		for i := range o.words {
			node(i).Start(resume)
		}
		if len(o.words) == 0 {
			for _, p := range l.processes {
				p.Start(resume)
			}
		}
	case "stop":
		now := o.word("now")
		node(0).Stop(!now)
	case "kill":
		node(0).Kill()
	case "pause":
		deaf := o.word("deaf")
		node(0).Pause(o.parseDuration(o.words[1]), deaf)
	case "cut":
		both := o.word("both")
		l.Cut(node(0), node(1))
		if both {
			l.Cut(node(1), node(0))
		}
	case "heal":
		l.Heal()
	case "link":
		node(0).SetLink(o.words[1] == "up")
	case "flap":
		n := node(0)
		times, err := strconv.Atoi(o.words[1])
		if err != nil {
			o.fail("%v", err)
		}
		for range 2 * times {
			n.changeLink(!n.linkUp)
			l.Advance(o.parseDuration(o.words[2]))
		}
	case "source":
		node(0).SetSource(o.address(o.words[1]))
	case "track":
		node(0).SetTrack(o.number("adjust", 0), o.text("fault", ""))
	case "reconfigure":
		c := o.change(node(0).Config)
		c.Priority = vrrp.Priority(o.number("priority", int(c.Priority)))
		node(0).Reconfigure(c)
	case "handover":
		node(0).HandOver()
	case "lift":
		node(0).Lift()
	case "remove":
		node(0).RemoveAddress()
	case "fail":
		on := !o.word("off")
		switch n := node(0); o.words[1] {
		case "claims":
			n.FailClaims = on
		case "sends":
			n.FailSends = on
		case "releases":
			n.FailReleases = on
		default:
			o.fail("fail what?")
		}
	case "inject":
		ad := vrrp.AdvertReceived{
			Source: o.address(o.text("from", "10.9.0.66")), Version: vrrp.Version(o.number("version", 3)),
			Priority: vrrp.Priority(o.number("priority", 100)), Interval: o.duration("interval", time.Second),
			Addresses: vips(o.number("addresses", 1)),
		}
		for range o.number("times", 1) {
			node(0).Inject(ad)
		}
	case "announced":
		heard := vrrp.AnnouncementHeard{Address: vips(1)[0], By: o.text("by", "stranger"), Kind: "gratuitous ARP reply"}
		node(0).hearAnnouncement(heard)
	case "moved":
		node(0).Move()
	case "advance":
		l.Advance(o.parseDuration(o.words[0]))
	case "state":
		for _, n := range l.Nodes() {
			fmt.Fprintln(out, n)
		}
	case "clients":
		for _, a := range slices.SortedFunc(maps.Keys(l.Clients), netip.Addr.Compare) {
			fmt.Fprintf(out, "%v is at %s\n", a, l.Clients[a].Name)
		}
	default:
		o.fail("unknown verb %s", d.Cmd)
	}
	o.done()
}
