package elector

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/segment"
)

// limitKey is what one line a second is allowed for.
type limitKey struct{ instance, what string }

type limit struct {
	last     vrrp.Instant
	withheld uint64
}

// happened tells the director of an event, for log and journal. in may be nil.
func (e *elector) happened(in *instance, kind, reason, message string, warn bool) {
	e.tell(in, link.Happened{At: now(), Kind: kind, Reason: reason, Message: message, Warn: warn})
}

func (e *elector) tell(in *instance, h link.Happened) {
	if in != nil {
		h.Instance = in.cfg.Name
	}
	e.answer(link.Message{Happened: &h})
}

// answer sends a message, or counts that it could not.
func (e *elector) answer(m link.Message) {
	if err := e.link.Send(m); err != nil {
		e.lost++
	}
}

// limited is happened for what others can cause at will: one message a second for each kind and instance, with the
// number of those withheld. what tells apart what may be told in the same second.
func (e *elector) limited(in *instance, what, kind, reason, message string) {
	l := e.limit(in, what)
	t := now()
	if t.Sub(l.last) < quiet {
		l.withheld++
		return
	}
	e.tell(in, link.Happened{At: t, Kind: kind, Reason: reason, Message: message, Warn: true, Repeated: l.withheld})
	l.last, l.withheld = t, 0
}

func (e *elector) limit(in *instance, what string) *limit {
	key := limitKey{in.cfg.Name, what}
	l := e.limits[key]
	if l == nil {
		l = &limit{last: -1 << 62}
		e.limits[key] = l
	}
	return l
}

// withheld reports whether something of the kind was said within the last second: then there is no need to put it into
// words.
func (e *elector) withheld(in *instance, what string) bool {
	l, t := e.limit(in, what), now()
	if t.Sub(l.last) < quiet {
		l.withheld++
		return true
	}
	l.last, l.withheld = t, 0
	return false
}

func (e *elector) transition(in *instance, t *vrrp.Transition) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s → %s: %s", t.From, t.To, t.Reason)
	if t.Peer.IsValid() {
		fmt.Fprintf(&b, " (%s)", t.Peer)
	}
	detail := in.detail(t.Reason, t.Detail)
	if detail != "" {
		fmt.Fprintf(&b, ": %s", detail)
	}
	e.tell(in, link.Happened{
		At: now(), Kind: "transition", Reason: string(t.Reason), Message: b.String(), Warn: t.To == vrrp.Fault || t.Reason == vrrp.ReasonStalled,
		Transition: &link.Transition{From: t.From, To: t.To, Priority: int(in.machine.Priority()), Detail: detail},
	})
	e.moved, e.dirty, e.unsaved = true, true, true
}

func (e *elector) finding(in *instance, f *vrrp.Finding) {
	text := link.Describe(*f)
	if f.Cleared {
		e.happened(in, "finding", string(f.Reason), text+" is over", false)
		return
	}
	if f.Reason == vrrp.ReasonNobodyTookOver {
		e.unsaved = true // the commanded hand-over is over, without a transition
	}
	e.dirty = true
	switch f.Reason {
	case vrrp.FindingForeignAnnouncement, findingRouteMissing, findingStray:
		// They last, and each that is told is another one: a second that is withheld would be over without having begun.
		e.happened(in, "finding", string(f.Reason), text, true)
		return
	}
	e.limited(in, "finding-"+string(f.Reason), "finding", string(f.Reason), text)
}

// report sends the whole state.
func (e *elector) report() {
	e.dirty = false
	s := link.State{PID: os.Getpid(), At: now(), Hash: e.committed.Hash, RealTime: e.realTime, Locked: e.locked, Lost: e.lost, Goroutines: runtime.NumGoroutine()}
	s.Interfaces = make(map[string]map[string]uint64)
	for name, i := range e.ifaces {
		if len(i.dropped) > 0 {
			s.Interfaces[name] = i.dropped
		}
	}
	for _, in := range e.instances {
		st := in.state()
		st.Seen = e.seen(in)
		s.Instances = append(s.Instances, st)
	}
	e.answer(link.Message{State: &s})
}

func (in *instance) state() link.InstanceState {
	st := in.machine.Status()
	s := link.InstanceState{
		Name: in.cfg.Name, Interface: in.cfg.Interface, VRID: in.cfg.VRID,
		State: st.State, Since: st.Since, Reason: st.Reason, Detail: in.detail(st.Reason, st.Detail),
		Group: in.group.name, Priority: int(st.Priority), Tracked: in.sum.detail, HandOver: st.HandOver,
		Sent: st.Counters.Sent, Received: in.received, PlainChecksum: in.plain, Dropped: in.dropped,
		Late: in.late, MaxLate: in.max,
		Announcements: st.Counters.Announcements, Transitions: st.Counters.Transitions,
		Findings: in.refused(in.strayFindings(in.followers.findings(in.auth.findings(st.Findings)))), Peers: st.Peers,
	}
	if st.Master.Address.IsValid() && st.State == vrrp.Backup {
		s.Master = st.Master.Address.String()
	}
	for _, v := range in.held {
		s.Held = append(s.Held, v.Prefix.String())
	}
	return s
}

// detail completes what the machine says of a transition by what only the interface knows.
func (in *instance) detail(reason vrrp.Reason, detail string) string {
	switch {
	case detail != "":
	case reason == vrrp.ReasonLinkDown && in.iface.index == 0:
		return "interface " + in.iface.name + " does not exist; it is used as soon as it comes"
	case reason == vrrp.ReasonLinkDown:
		return "interface " + in.iface.name + " is down"
	case reason == vrrp.ReasonNoSourceAddress:
		return in.noSource()
	}
	return detail
}

// isTransient reports whether a socket that cannot be opened now may be later: the instance is in Fault until then.
func isTransient(err error) bool {
	return errors.Is(err, segment.ErrNoInterface) || errors.Is(err, segment.ErrInterfaceDown)
}

func ownMACs(i *iface) []net.HardwareAddr { return []net.HardwareAddr{i.state.MAC} }
