package peers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/exchange"
)

const key = "the key of a pair, 32 bytes or more"

// network carries datagrams between the sockets of a test, in order and in no time.
type network struct {
	mu     sync.Mutex
	socket map[netip.AddrPort]*socket
	cut    map[netip.AddrPort]bool // whoever sends from there is not heard
	sent   []int                   // sizes
}

type socket struct {
	net  *network
	at   netip.AddrPort
	in   chan datagram
	done chan struct{}
}

func newNetwork() *network {
	return &network{socket: make(map[netip.AddrPort]*socket), cut: make(map[netip.AddrPort]bool)}
}

func (n *network) listen(at netip.AddrPort) (Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.socket[at] != nil {
		return nil, errors.New("address already in use")
	}
	s := &socket{n, at, make(chan datagram, 1024), make(chan struct{})}
	n.socket[at] = s
	return s, nil
}

func (s *socket) Send(text []byte, to netip.AddrPort) error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.net.sent = append(s.net.sent, len(text))
	if other := s.net.socket[to]; other != nil && !s.net.cut[s.at] {
		select {
		case other.in <- datagram{from: s.at, text: slices.Clone(text)}:
		default:
		}
	}
	return nil
}

func (s *socket) Receive(buf []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-s.in:
		return copy(buf, d.text), d.from, nil
	case <-s.done:
		return 0, netip.AddrPort{}, errors.New("closed")
	}
}

func (s *socket) Close() error {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	delete(s.net.socket, s.at)
	close(s.done)
	return nil
}

// count returns how many datagrams were sent since it was asked last.
func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := len(n.sent)
	n.sent = nil
	return c
}

func (n *network) setCut(from string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[netip.MustParseAddrPort(from)] = cut
}

// director is one end: what its checks found, and what it recorded.
type director struct {
	*Channel
	name   string
	mu     sync.Mutex
	state  map[string]healthcheck.State
	events []string
	stop   func()
}

func (n *network) director(t *testing.T, name string) *director {
	d := &director{name: name, state: make(map[string]healthcheck.State)}
	d.Channel = New(Options{
		Status: func(id string) (healthcheck.Status, bool) {
			d.mu.Lock()
			defer d.mu.Unlock()
			s, ok := d.state[id]
			return healthcheck.Status{ID: id, State: s}, ok
		},
		Record: func(e observe.Event) { d.mu.Lock(); d.events = append(d.events, e.Object+" "+e.Reason); d.mu.Unlock() },
		Listen: n.listen,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	d.stop = func() { cancel(); <-done }
	return d
}

// found makes the results of a check: a letter each, the last of now.
func (d *director) found(id, letters string) {
	tr := healthcheck.NewTracker(healthcheck.Policy{Rise: 1, Fall: 2}, time.Now().Add(-time.Hour))
	for i, letter := range letters {
		r := healthcheck.Passed("fine")
		if letter == '-' {
			r = healthcheck.Failed(healthcheck.FailureRefused, "nobody there")
		}
		r.At = time.Now().Add(time.Duration(i+1-len(letters)) * time.Second)
		tr.Observe(r)
	}
	d.mu.Lock()
	d.state[id] = tr.State()
	d.mu.Unlock()
}

// checks are those of the ids, all of one probe.
func checks(probe string, ids ...string) []healthcheck.Check {
	var all []healthcheck.Check
	for _, id := range ids {
		all = append(all, healthcheck.Check{ID: id, ProbeKey: probe})
	}
	return all
}

func settings(key, listen string, others ...string) *config.Peers {
	p := &config.Peers{Listen: netip.MustParseAddrPort(listen), Key: config.NewSecret(key)}
	for _, o := range others {
		p.Directors = append(p.Directors, netip.MustParseAddrPort(o))
	}
	return p
}

func (d *director) configure(t *testing.T, p *config.Peers, set []healthcheck.Check) {
	t.Helper()
	change, err := d.Prepare(p)
	if err != nil {
		t.Fatal(err)
	}
	change.Commit(t.Context(), d.name, set)
}

// heard renders what d has been told.
func (d *director) heard(t *testing.T, ids ...string) string {
	told := d.Told(t.Context(), ids)
	var out []string
	for _, id := range slices.Sorted(maps.Keys(told)) {
		v := told[id]
		out = append(out, fmt.Sprintf("%s %v by %s, probed %v ago %s", id, v.Verdict, v.By, time.Since(v.Probed).Round(10*time.Millisecond), v.Failure))
	}
	return strings.TrimSpace(strings.Join(out, "; "))
}

// shown renders the status of d.
func (d *director) shown() string {
	e := d.Status()
	if e == nil {
		return "off"
	}
	var out []string
	for _, p := range e.Peers {
		out = append(out, fmt.Sprintf("%s %s, %d verdicts", cmp.Or(p.Name, p.Address), p.State, p.Verdicts))
	}
	for _, f := range e.Findings {
		out = append(out, f.Object+" "+f.Reason)
	}
	return strings.Join(out, "; ")
}

// recorded is what d has told the journal, in the order of the alphabet.
func (d *director) recorded() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(slices.Sorted(slices.Values(d.events)), "; ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func wait(d time.Duration) { time.Sleep(d); synctest.Wait() }

const one, two = "10.9.0.1:1112", "10.9.0.2:1112"

// pair runs a test with two directors that have the same checks, a and b.
func pair(t *testing.T, keys [2]string, test func(t *testing.T, n *network, d1, d2 *director)) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		d1, d2 := n.director(t, "lb1"), n.director(t, "lb2")
		d1.configure(t, settings(keys[0], one, two), checks("p", "a", "b"))
		d2.configure(t, settings(keys[1], two, one), checks("p", "a", "b"))
		test(t, n, d1, d2)
		d1.stop()
		d2.stop()
	})
}

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
