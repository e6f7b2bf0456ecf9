package peers

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/exchange"
)

func TestDirectorsTellEachOther(t *testing.T) {
	pair(t, [2]string{key, key}, func(t *testing.T, n *network, d1, d2 *director) {
		expect(t, "at first", d2.shown(), two[:0]+one+" waiting, 0 verdicts")
		d1.found("a", "+++")
		wait(2 * beat * round)
		expect(t, "lb2 shows", d2.shown(), "lb1 live, 1 verdicts")
		expect(t, "lb1 shows", d1.shown(), "lb2 live, 0 verdicts")

		// A change is told at once, with its age; what it is told again with later grows older.
		d1.found("a", "+--")
		d1.found("b", "+")
		d1.Changed([]string{"a", "b", "nobody"})
		wait(gather + 2*time.Millisecond)
		told := d2.Told(t.Context(), []string{"a"})["a"]
		if age := time.Since(told.Probed); told.Verdict != healthcheck.Down || age < gather || age > gather+2*beat {
			t.Errorf("a change is told as %+v, %v old", told, age)
		}
		wait(2 * beat * round)
		if got := d2.heard(t, "a", "b", "c"); !strings.HasPrefix(got, "a down by lb1, probed 10.") || !strings.Contains(got, "ago refused; b up by lb1, probed 10.") {
			t.Errorf("later: %s", got)
		}
		expect(t, "lb1 hears", d1.heard(t, "a", "b"), "")

		// What it was told it does not tell.
		d2.mu.Lock()
		d2.state["a"] = healthcheck.State{Verdict: healthcheck.Down, Reason: healthcheck.ReasonPeer, Cause: healthcheck.Result{At: time.Now(), Failure: healthcheck.FailureTimeout}}
		d2.mu.Unlock()
		wait(2 * beat * round)
		expect(t, "lb1 hears", d1.heard(t, "a", "b"), "")

		// Of one that is gone, its words stay and grow older.
		d1.stop()
		wait(time.Minute)
		expect(t, "lb2 shows", d2.shown(), "lb1 silent, 2 verdicts; "+one+" peer-silent")
		if got := d2.heard(t, "b"); !strings.HasPrefix(got, "b up by lb1, probed 1m2") {
			t.Errorf("a minute later: %s", got)
		}
		expect(t, "recorded", d2.recorded(), one+" peer-heard; "+one+" peer-silent")
	})
}

func TestAnotherKeyTellsNothing(t *testing.T) {
	pair(t, [2]string{key, "the key of another pair, 32 bytes or more"}, func(t *testing.T, n *network, d1, d2 *director) {
		d1.found("a", "--")
		for range 20 {
			d1.Changed([]string{"a"})
			wait(beat)
		}
		wait(beat * round)
		expect(t, "told", d2.heard(t, "a"), "")
		expect(t, "shown", d2.shown(), one+" bad-auth, 0 verdicts; "+one+" peer-bad-auth")
		if p := d2.Status().Peers[0]; p.Received != 0 || p.Dropped["bad-auth"] < round {
			t.Errorf("counted: %+v", p)
		}
		expect(t, "recorded", d2.recorded(), one+" peer-bad-auth; "+one+" peer-bad-auth")

		// With the right one it is heard, without a restart.
		d2.configure(t, settings(key, two, one), checks("p", "a", "b"))
		wait(2 * beat * round)
		if got := d2.heard(t, "a"); !strings.HasPrefix(got, "a down by lb1") {
			t.Errorf("under the right key: %q", got)
		}
	})
}

func TestWhoDoesNotHearUsIsNotBelieved(t *testing.T) {
	pair(t, [2]string{key, key}, func(t *testing.T, n *network, d1, d2 *director) {
		n.setCut(two, true)
		d1.found("a", "--")
		wait(time.Minute)
		expect(t, "told", d2.heard(t, "a"), "")
		expect(t, "lb2 shows", d2.shown(), one+" deaf, 0 verdicts; "+one+" peer-deaf")
		expect(t, "lb1 shows", d1.shown(), two+" silent, 0 verdicts; "+two+" peer-silent")
		n.setCut(two, false)
		wait(2 * beat * round)
		if got := d2.heard(t, "a"); !strings.HasPrefix(got, "a down by lb1, probed 1m") {
			t.Errorf("once it hears us: %q", got)
		}
	})
}

func TestStrangersAreNamed(t *testing.T) {
	pair(t, [2]string{key, key}, func(t *testing.T, n *network, d1, d2 *director) {
		d3 := n.director(t, "lb3")
		d3.configure(t, settings(key, "10.9.0.3:1112", two), checks("p", "a"))
		d3.found("a", "--")
		wait(2 * beat * round)
		expect(t, "told", d2.heard(t, "a"), "")
		expect(t, "shown", d2.shown(), "lb1 live, 0 verdicts; 10.9.0.3:1112 unknown-sender")
		if got := d2.Status().Unknown; got < round {
			t.Errorf("counted %d", got)
		}
		expect(t, "recorded", d2.recorded(), one+" peer-heard; 10.9.0.3:1112 unknown-sender")
		d3.stop()
		wait(2 * sayAgain)
		expect(t, "later", d2.shown(), "lb1 live, 0 verdicts")
	})
}

func TestChecksThatAskOtherwiseAreNotTakenForOurs(t *testing.T) {
	pair(t, [2]string{key, key}, func(t *testing.T, n *network, d1, d2 *director) {
		d1.found("a", "--")
		d1.found("b", "--")
		wait(2 * beat * round)
		expect(t, "at first", d2.shown(), "lb1 live, 2 verdicts")
		set := append(checks("p", "b"), checks("another", "a")...)
		d2.configure(t, settings(key, two, one), set)
		expect(t, "after a reload", d2.shown(), "lb1 live, 1 verdicts")
		wait(2 * beat * round)
		expect(t, "told again", d2.shown(), "lb1 live, 1 verdicts; "+one+" peer-checks-differ")
		d1.configure(t, settings(key, one, two), set)
		wait(2 * beat * round)
		expect(t, "both reloaded", d2.shown(), "lb1 live, 2 verdicts")
	})
}

// TestWhoBeginsAnewIsToldEverything: half a second after it, not in the course of a round.
func TestWhoBeginsAnewIsToldEverything(t *testing.T) {
	pair(t, [2]string{key, key}, func(t *testing.T, n *network, d1, d2 *director) {
		d1.found("a", "+++")
		d1.found("b", "--")
		wait(2 * beat * round)
		d2.stop()
		wait(time.Second)
		d2 = n.director(t, "lb2")
		d2.configure(t, settings(key, two, one), checks("p", "a", "b"))
		wait(2*beat + 2*gather)
		if got := d2.heard(t, "a", "b"); !strings.HasPrefix(got, "a up by lb1") || !strings.Contains(got, "; b down by lb1") {
			t.Errorf("told %q", got)
		}
		d2.stop()
	})
}

func TestAReloadMovesAndEndsTheChannel(t *testing.T) {
	pair(t, [2]string{key, key}, func(t *testing.T, n *network, d1, d2 *director) {
		d1.found("a", "--")
		wait(2 * beat * round)
		if _, err := d2.Prepare(settings(key, one, two)); err == nil {
			t.Error("an address that is taken is no error")
		}
		const moved = "10.9.0.2:2222"
		change, err := d2.Prepare(settings(key, moved, one))
		if err != nil {
			t.Fatal(err)
		}
		change.Abandon()
		wait(beat)
		expect(t, "given up", d2.shown(), "lb1 live, 1 verdicts")
		d2.configure(t, settings(key, moved, one), checks("p", "a", "b"))
		d1.configure(t, settings(key, one, moved), checks("p", "a", "b"))
		wait(2 * sayAgain) // until it is forgotten who was a stranger in between
		expect(t, "moved", d2.shown(), "lb1 live, 1 verdicts")
		expect(t, "moved", d1.shown(), "lb2 live, 0 verdicts")
		d2.configure(t, nil, checks("p", "a", "b"))
		expect(t, "off", d2.shown(), "off")
		expect(t, "off", d2.heard(t, "a"), "")
		d2.Changed([]string{"a"})
		n.count()
		d1.stop()
		if wait(time.Minute); n.count() > 0 {
			t.Error("it is off, and sends")
		}
	})
}

// TestTenThousandAreNoBurst: they are told in a round and a little, no more in a beat than a twentieth of them, and a change
// of all of them at once comes in portions.
func TestTenThousandAreNoBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		d1, d2 := n.director(t, "lb1"), n.director(t, "lb2")
		ids := make([]string, 10_000)
		for i := range ids {
			ids[i] = fmt.Sprintf("www/10.1.%d.%d:8080/http", i/256, i%256)
			d1.found(ids[i], "+")
		}
		d1.configure(t, settings(key, one, two), checks("p", ids...))
		d2.configure(t, settings(key, two, one), checks("p", ids...))
		wait(4 * beat)
		n.count()
		for range round {
			wait(beat)
			if got := n.count(); got > 30 {
				t.Errorf("%d datagrams in a beat", got)
			}
		}
		wait(2 * beat)
		expect(t, "after a round", d2.shown(), "lb1 live, 10000 verdicts")
		for _, id := range ids {
			d1.found(id, "--")
		}
		d1.Changed(ids)
		wait(10*time.Millisecond + (10_000/portion+2)*gather)
		down := 0
		for _, v := range d2.Told(t.Context(), ids) {
			if v.Verdict == healthcheck.Down {
				down++
			}
		}
		if down != len(ids) {
			t.Errorf("told of %d of %d changes", down, len(ids))
		}
		for _, size := range n.sent {
			if size > exchange.MaxDatagram {
				t.Fatalf("a datagram of %d bytes", size)
			}
		}
		d1.stop()
		d2.stop()
	})
}

// TestUDP is a pair with sockets, on loopback.
func TestUDP(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(host, func(t *testing.T) {
			free := func() string {
				c, err := listen(netip.MustParseAddrPort(host))
				if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
					t.Skipf("this host has no %s: %v", host, err)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				return c.(udp).LocalAddr().String()
			}
			at, other := free(), free()
			n := newNetwork()
			d1, d2 := n.director(t, "lb1"), n.director(t, "lb2")
			for _, d := range []*director{d1, d2} {
				d.options.Listen = listen
			}
			d1.configure(t, settings(key, at, other), checks("p", "a"))
			d2.configure(t, settings(key, other, at), checks("p", "a"))
			d1.found("a", "--")
			d1.Changed([]string{"a"})
			for deadline := time.Now().Add(20 * time.Second); !strings.HasPrefix(d2.heard(t, "a"), "a down by lb1"); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("never told; %s", d2.shown())
				}
			}
			if _, err := d2.Prepare(settings(key, at, other)); err == nil || !strings.Contains(err.Error(), "global.peers.listen") {
				t.Errorf("an address that is taken: %v", err)
			}
			d1.stop()
			d2.stop()
		})
	}
}
