package elector

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/wire"
)

// finds waits for a finding of the instance, and returns it described.
func (p *process) finds(name string, reason vrrp.Reason) string {
	p.t.Helper()
	text := ""
	p.until(fmt.Sprintf("%s finds %s", name, reason), func() bool {
		for _, f := range p.of(name).Findings {
			if f.Reason == reason {
				text = link.Describe(f)
			}
		}
		return text != ""
	})
	return text
}

func TestWhatPeersDoOtherwiseIsFound(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	first, second := l.elector(0), l.elector(1)
	ours, theirs := router("a", 0, 1, 200), router("a", 0, 1, 200)
	ours.Interval, theirs.Interval = time.Second, time.Second/2
	theirs.Addresses = append(theirs.Addresses, vip(0, 200))
	first.configure(nil, ours)
	second.configure(nil, theirs)
	// Equal priorities: the higher address is master, and the other hears it.
	second.untilAll(vrrp.Master, "a")
	for reason, want := range map[vrrp.Reason]string{
		vrrp.FindingInterval:      "ours 1s, theirs 500ms",
		vrrp.FindingAddresses:     "ours 10.9.0.101, theirs 10.9.0.101 10.9.0.200",
		vrrp.FindingCount:         "ours 1, theirs 2",
		vrrp.FindingEqualPriority: "ours 200, theirs 200",
	} {
		if text := first.finds("a", reason); !strings.Contains(text, want) || !strings.Contains(text, "10.9.0.2") {
			t.Errorf("%s, want it with %s", text, want)
		}
		first.untilEvent("a finding", string(reason))
	}
	if peers := first.of("a").Peers; len(peers) != 1 || peers[0].Address != netip.MustParseAddr("10.9.0.2") || peers[0].Priority != 200 {
		t.Errorf("the peers are %+v", peers)
	}

	// Another version is another router of the same VRID: each is master, and says why.
	other := router("a", 0, 1, 200)
	other.Version, other.Interval = vrrp.Version2, time.Second
	second.configure(nil, other)
	first.untilAll(vrrp.Master, "a")
	for _, p := range []*process{first, second} {
		text := p.finds("a", vrrp.FindingVersion)
		if !strings.Contains(text, "adverts refused: ") {
			t.Errorf("%s", text)
		}
		p.untilEvent("a finding version-mismatch", "adverts are refused")
	}
	// And another password.
	secret := other
	secret.Auth = config.Auth{Type: config.AuthPass, Key: config.NewSecret("hush")}
	first.configure(nil, secret)
	first.finds("a", vrrp.Reason(wire.DropAuthMismatch))
	second.finds("a", vrrp.Reason(wire.DropAuthMismatch))
}

func TestABackupCountsInTheIntervalOfItsMaster(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	master, backup := l.elector(0), l.elector(1)
	quick, slow := router("a", 0, 1, 200), router("a", 0, 1, 100)
	slow.Interval = 20 * time.Second
	master.configure(nil, quick)
	master.untilAll(vrrp.Master, "a")
	backup.configure(nil, slow)
	backup.finds("a", vrrp.FindingInterval)
	master.kill()
	killed := time.Now()
	backup.untilAll(vrrp.Master, "a")
	if took := time.Since(killed); took > 15*time.Second { // three adverts of its own would be a minute
		t.Errorf("it took over after %v", took)
	}

	// Version 2 does not: it discards what it did not expect, and says so.
	quick.Version, quick.Interval, slow.Version, slow.Interval = vrrp.Version2, time.Second, vrrp.Version2, 2*time.Second
	master.state = link.State{}
	master.start()
	master.configure(nil, quick)
	master.untilAll(vrrp.Master, "a")
	backup.configure(nil, slow)
	backup.untilEvent("a finding interval-mismatch", "ours 2s, theirs 1s")
	backup.until("adverts are dropped", func() bool { return backup.of("a").Dropped[string(vrrp.RejectInterval)] > 0 })
}

// What serves is not moved to an interface that is not there. What does not serve may wait for one.
func TestAServingInstanceIsNotMovedToNowhere(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	p := l.elector(0)
	a := router("a", 0, 1, 200)
	p.configure(nil, a)
	p.untilAll(vrrp.Master, "a")
	before := p.of("a").Transitions
	lost := a
	lost.Interface = "eht0"
	p.generation, p.answers = p.generation+1, nil
	p.send(link.Message{Prepare: &link.Prepare{Generation: p.generation, Hash: "lost", Instances: []config.Instance{lost}}})
	p.until("an answer", func() bool { return len(p.answers) > 0 })
	if got := p.answers[0].Error; !strings.Contains(got, "interface eht0 does not exist") {
		t.Errorf("it answered %q", got)
	}
	late := router("late", 5, 2, 200)
	p.configure(nil, a, late)
	p.untilAll(vrrp.Fault, "late")
	if s := p.of("a"); s.State != vrrp.Master || s.Transitions != before || !p.holds(a.Addresses[0]) {
		t.Errorf("the instance is %+v", s)
	}
}

func TestStrangersOnUnicastAreFound(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	first, second := l.elector(0), l.elector(1)
	unicast := func(peer string) config.Instance {
		in := router("a", 0, 1, 100)
		in.Unicast = &config.Unicast{Peers: []netip.Addr{netip.MustParseAddr(peer)}}
		return in
	}
	first.configure(nil, unicast("10.9.0.9"))
	second.configure(nil, unicast("10.9.0.1"))
	if text := first.finds("a", vrrp.Reason(wire.DropUnknownPeer)); !strings.Contains(text, "10.9.0.2") {
		t.Errorf("%s: want who it is", text)
	}
	first.until("the packets are counted", func() bool { return first.of("a").Dropped["unknown-peer"] > 2 })

	// Adverts that came through fewer routers than they must.
	bounded := unicast("10.9.0.2")
	bounded.Unicast.MaxTTL = 254
	first.configure(nil, bounded)
	first.finds("a", vrrp.Reason(wire.DropBadTTL))
}

func TestRefusalsAreBoundedAndEnd(t *testing.T) {
	in := &instance{cfg: router("a", 0, 1, 100)}
	ours, theirs, err := link.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	conn, err := link.Open(int(ours.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	e := &elector{link: conn, limits: make(map[limitKey]*limit), instances: []*instance{in}}
	for k := range 1000 {
		e.dropped(in, netip.AddrFrom4([4]byte{10, 0, byte(k / 256), byte(k)}), wire.DropUnknownPeer)
	}
	e.dropped(in, netip.AddrFrom4([4]byte{10, 0, 3, 231}), wire.DropUnknownPeer)
	found := in.refused(nil)
	if len(found) != maxRefusals || in.counts.dropped["unknown-peer"] != 1001 {
		t.Fatalf("%d findings, %v packets counted", len(found), in.counts.dropped)
	}
	if last := found[len(found)-1]; last.Peer.String() != "10.0.3.231" || !strings.HasPrefix(last.Detail, "adverts refused: 2 in ") {
		t.Errorf("the last finding is %+v", last)
	}
	e.expireRefusals(in.refusals[0].last.Add(refusalLasts))
	if len(in.refusals) != maxRefusals {
		t.Errorf("%d refusals last after %v", len(in.refusals), refusalLasts)
	}
	e.expireRefusals(now().Add(refusalLasts + 1))
	if len(in.refusals) != 0 {
		t.Errorf("%d refusals last for ever", len(in.refusals))
	}
	director, err := link.Open(int(theirs.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	for {
		m, err := director.Receive()
		if err != nil {
			break
		}
		if !strings.HasSuffix(m.Happened.Message, "is over") {
			begun++
		}
	}
	if begun != 1 {
		t.Errorf("%d lines about a flood of a second, want 1", begun)
	}
}
