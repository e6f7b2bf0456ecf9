package elector

import (
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// both is the sync group of the instances a and b.
func both(names ...string) []config.Group {
	return []config.Group{{Name: "both", Members: names}}
}

func TestASyncGroupMovesAsOne(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 2)
	l.apart(1)
	first, second := l.elector(0), l.elector(1)
	first.configure(both("a", "b"), router("a", 0, 1, 200), router("b", 1, 2, 150))
	first.untilAll(vrrp.Master, "a", "b")
	second.configure(both("a", "b"), router("a", 0, 1, 100), router("b", 1, 2, 100))
	second.untilAll(vrrp.Backup, "a", "b")
	if got := first.of("b"); got.Group != "both" || got.Priority != 150 || first.of("a").Priority != 150 {
		t.Errorf("the group advertises %+v, want the lowest priority 150 and its name for both", got)
	}

	// One of its links fails: the other member follows, and the addresses with it.
	l.set(0, "eth1", "down")
	first.untilAll(vrrp.Fault, "a", "b")
	second.untilAll(vrrp.Master, "a", "b")
	if reason := first.of("a").Reason; reason != vrrp.ReasonGroupFault {
		t.Errorf("a is in fault because of %q, want %q", reason, vrrp.ReasonGroupFault)
	}
	if first.holds(vip(0, 101)) {
		t.Error("a member of a group in fault holds its address")
	}
	l.set(0, "eth1", "up")
	first.untilAll(vrrp.Master, "a", "b")
	second.untilAll(vrrp.Backup, "a", "b")

	// A hand-over of one is one of all, and lasts.
	first.send(link.Message{HandOver: &link.HandOver{Instance: "b"}})
	second.untilAll(vrrp.Master, "a", "b")
	first.untilAll(vrrp.Backup, "a", "b")
	first.send(link.Message{HandOver: &link.HandOver{Instance: "a", Lift: true}})
	first.untilAll(vrrp.Master, "a", "b")
}

func TestAReloadChangesGroupsWithoutDisturbingTheirMembers(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 3)
	p := l.elector(0)
	a, b, c := router("a", 0, 1, 200), router("b", 1, 2, 150), router("c", 2, 3, 100)
	p.configure(nil, a, b)
	p.untilAll(vrrp.Master, "a", "b")
	grouped := func(names ...string) func() bool {
		return func() bool {
			in := make(map[string]bool)
			for _, name := range names {
				in[name] = true
			}
			for _, s := range p.state.Instances {
				if (s.Group != "") != in[s.Name] || s.State != vrrp.Master {
					return false
				}
			}
			return true
		}
	}

	p.configure(both("a", "b"), a, b) // formed
	p.until("the group of two", grouped("a", "b"))
	p.configure(both("a", "b", "c"), a, b, c) // grows by a router that is no master yet
	p.until("the group of three", grouped("a", "b", "c"))
	p.configure(both("c", "a"), a, b, c) // changed
	p.until("the other group of two", grouped("a", "c"))
	p.configure(both("c", "a"), a, c) // a router that is in none goes
	p.until("the group without b", grouped("a", "c"))
	p.configure(both("a"), a) // shrinks
	p.until("the group of one", grouped("a"))
	p.configure(nil, a) // dissolved
	p.until("no group", grouped())

	if n := p.of("a").Transitions; n != 2 {
		t.Errorf("a made %d transitions, want 2: to backup and to master at its start", n)
	}
	if !p.holds(vip(0, 101)) || p.holds(vip(1, 102)) || p.holds(vip(2, 103)) {
		t.Error("the addresses held are not those of a alone")
	}
}

func TestASyncGroupResumesAfterACrash(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 2)
	first, second := l.elector(0), l.elector(1)
	a, b := router("a", 0, 1, 200), router("b", 1, 2, 200)
	a.Interval, b.Interval = 2*time.Second, 2*time.Second
	first.configure(both("a", "b"), a, b)
	first.untilAll(vrrp.Master, "a", "b")
	a.Priority, b.Priority = 100, 100
	second.configure(both("a", "b"), a, b)
	second.untilAll(vrrp.Backup, "a", "b")

	first.kill()
	first.state = link.State{}
	first.start()
	first.untilAll(vrrp.Master, "a", "b")
	for _, name := range []string{"a", "b"} {
		if s := first.of(name); s.Reason != vrrp.ReasonResumed || s.Group != "both" || len(s.Held) != 1 {
			t.Errorf("%s returned as %+v; want it resumed, in its group, with its address", name, s)
		}
	}
	second.hear()
	if s := second.of("a"); s.State != vrrp.Backup || s.Transitions != 1 {
		t.Errorf("the backup noticed: %+v", s)
	}
}
