package elector

import (
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

func tracking(in config.Instance, kind config.TrackKind, target string, weight int) config.Instance {
	in.Tracks = append(in.Tracks, config.Track{Kind: kind, Target: target, Weight: weight})
	return in
}

func (p *process) untilPriority(name string, want int) {
	p.t.Helper()
	p.until("the priority", func() bool { return p.of(name).Priority == want })
}

func TestTrackedInterfacesAndInstances(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 3)
	p := l.elector(0)
	a := tracking(router("a", 0, 1, 100), config.TrackInterface, "eth1", -30)
	b := tracking(router("b", 1, 2, 100), config.TrackInstance, "a", 20)
	c := tracking(router("c", 2, 3, 100), config.TrackInstance, "b", 0)
	c.Interval = 40 * time.Second // a backup, whatever happens
	p.configure(nil, a, b, c)
	p.untilAll(vrrp.Master, "a", "b")
	p.untilAll(vrrp.Backup, "c")
	p.untilPriority("b", 120) // as a is master
	p.untilEvent("b track priority: priority 100 → 120: instance a is master (+20)")

	// An interface fails: preference for who has a weight, eligibility for who has none, and so on along the chain.
	l.set(0, "eth1", "down")
	p.untilAll(vrrp.Master, "a")
	p.untilPriority("a", 70)
	p.untilEvent("a track priority: priority 100 → 70: interface eth1 is down (-30)")
	p.untilAll(vrrp.Fault, "b", "c")
	if s := p.of("c"); s.Reason != vrrp.ReasonTrackFault || s.Detail != "instance b is fault" {
		t.Errorf("c is in fault because of %s: %s", s.Reason, s.Detail)
	}
	l.set(0, "eth1", "up")
	p.untilAll(vrrp.Master, "a", "b")
	p.untilAll(vrrp.Backup, "c")
	p.untilPriority("a", 100)
	p.untilEvent("a track priority: priority 70 → 100: nothing that is tracked changes it")
}

func TestWhatTheDirectorTracksOutlivesItAndTheElector(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	p := l.elector(0)
	a := tracking(router("a", 0, 1, 100), config.TrackScript, "/bin/true", -30)
	b := tracking(router("b", 0, 2, 100), config.TrackScript, "/bin/true", 0)
	c := router("c", 0, 3, 100) // tracks nothing: nobody can tell of it
	p.configure(nil, a, b, c)
	p.untilAll(vrrp.Master, "a", "b", "c") // nothing was said yet
	p.send(link.Message{Tracks: &link.Tracks{Instances: map[string]link.Tracked{
		"a": {Adjust: -30, Detail: "script /bin/true failed (-30)"},
		"b": {Fault: "script /bin/true failed"},
		"c": {Fault: "nonsense"},
	}}})
	p.untilPriority("a", 70)
	p.untilEvent("a track priority: priority 100 → 70: script /bin/true failed (-30)")
	p.untilAll(vrrp.Fault, "b")
	if s := p.of("b"); s.Detail != "script /bin/true failed" || p.of("c").State != vrrp.Master {
		t.Errorf("b: %+v, c: %+v", s, p.of("c"))
	}

	p.kill()
	p.state = link.State{}
	p.start()
	p.untilAll(vrrp.Fault, "b")
	p.untilPriority("a", 70)
	// A director that returns knows nothing of a yet: that changes nothing.
	p.send(link.Message{Tracks: &link.Tracks{Instances: map[string]link.Tracked{"b": {}}}})
	p.untilAll(vrrp.Master, "b")
	if got := p.of("a").Priority; got != 70 {
		t.Errorf("an instance that was left out has priority %d, want 70 as before", got)
	}
	// A track that is no longer configured counts no more.
	p.configure(nil, router("a", 0, 1, 100), b, c)
	p.untilPriority("a", 100)
}

func TestWhatTheDirectorSaidIsForgottenInTheEnd(t *testing.T) {
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
	director, err := link.Open(int(theirs.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	e := &elector{link: conn}
	in := &instance{cfg: tracking(router("a", 0, 1, 100), config.TrackFile, "/run/weight", 0)}
	in.machine = vrrp.New(machineConfig(&in.cfg, vip(0, 1).Prefix.Addr()))
	e.instances = []*instance{in}
	e.unite("", e.instances)

	e.onTracks(&link.Tracks{Instances: map[string]link.Tracked{"a": {Adjust: -40, Fault: "file"}}})
	if got := in.machine.Priority(); got != 60 {
		t.Fatalf("priority %d, want 60", got)
	}
	heard := in.told.at
	e.expireTracks(heard.Add(link.TracksHold - 1))
	if got := in.machine.Priority(); got != 60 {
		t.Fatalf("within the hold time: priority %d, want 60", got)
	}
	e.expireTracks(heard.Add(link.TracksHold))
	if got := in.machine.Priority(); got != 100 || in.sum.Fault != "" {
		t.Fatalf("after the hold time: priority %d, fault %q; want 100 and none", got, in.sum.Fault)
	}
	var said []string
	for {
		m, err := director.Receive()
		if err != nil {
			break
		}
		said = append(said, m.Happened.Reason)
	}
	if got := strings.Join(said, " "); got != "priority forgotten priority" {
		t.Errorf("events %q", got)
	}
}
