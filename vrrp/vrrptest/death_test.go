package vrrptest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// TestDeathBetweenAnyTwoSteps lets a process die after each single effect of a life in
// which it does everything: between advert and address, address and announcement,
// release and farewell. It returns soon, or when its backup may have taken over, with
// what it had saved or without. What the LAN checks must hold throughout; and then there
// is one master, the right one, whom the clients know, and nobody else has the address.
func TestDeathBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	stride := 1
	if schedules < 10_000 { // under the race detector, which is eight times as slow
		stride = 7
	}
	for _, back := range []time.Duration{10 * time.Millisecond, 1500 * time.Millisecond, 5 * time.Second} {
		for _, resume := range []bool{true, false} {
			deaths := 0
			for effects := 0; ; effects += stride {
				died, trace, problems := dieOnce(effects, back, resume)
				if len(problems) > 0 {
					t.Fatalf("dead after %d effects, back after %v, with its memory %v:\n%s\n%s", effects, back, resume, trace, strings.Join(problems, "\n"))
				}
				if !died {
					break
				}
				deaths++
			}
			if deaths < 60/stride {
				t.Errorf("only %d deaths: is this the life that it was?", deaths)
			}
		}
	}
}

// dieOnce plays the life of a, which ends after so many effects, and then begins again.
func dieOnce(effects int, back time.Duration, resume bool) (died bool, trace string, problems []string) {
	var out bytes.Buffer
	l := New(1)
	l.Trace = &out
	cfg := vrrp.Config{VRID: 51, Interval: time.Second, Lease: 2 * time.Second, Addresses: vips(2), Preempt: true, Announce: vrrp.Announcements{Refresh: -1}}
	mine, other := cfg, cfg
	mine.Name, mine.Priority = "a", 200
	other.Name, other.Priority = "b", 100
	a, b := l.Add("a", mine), l.Add("b", other)
	a.KillAfter(effects, func() {
		died = true
		l.after(back, func() { a.Start(resume) })
	})
	a.Start(false)
	b.Start(false)
	for _, next := range []func(){
		func() {},                   // elected
		a.RemoveAddress,             // takes it back
		func() { a.SetLink(false) }, // fault
		func() { a.SetLink(true) },  // preempts
		a.HandOver,
		a.Lift,
		func() { a.SetTrack(0, "uplink") }, // resigns
		func() { a.SetTrack(0, "") },
		func() { l.Cut(a, b); l.Cut(b, a) }, // two masters
		func() { b.Config.Priority = 254; b.Reconfigure(b.Config); l.Heal() }, // yields
		func() { b.Config.Priority = 100; b.Reconfigure(b.Config) },
		func() { a.Stop(true) },
		func() {
			if !a.Alive() {
				a.Start(false)
			}
		},
	} {
		next()
		l.Advance(6 * time.Second)
	}
	a.Spare()
	l.Advance(10 * time.Second)
	if !a.Alive() {
		a.Start(false)
		l.Advance(10 * time.Second)
	}
	a.Lift()
	l.Advance(10 * time.Second)
	problems = l.Violations()
	if a.State() != vrrp.Master || b.State() != vrrp.Backup {
		problems = append(problems, "a is "+a.State().String()+", b is "+b.State().String())
	}
	if !a.kernel.holdsAll(a.Config.Addresses) || b.Holds() {
		problems = append(problems, "not a alone holds the addresses")
	}
	for _, addr := range a.Config.Addresses {
		if l.Clients[addr] != a {
			problems = append(problems, "the clients do not know that a holds "+addr.String())
		}
	}
	return died, out.String(), problems
}
