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
	"testing"
	"testing/synctest"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
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
