package director

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// The addresses from which the two directors of a pair probe, by which a server knows them.
const (
	sourceOne = "127.0.0.11"
	sourceTwo = "127.0.0.12"
)

// writePeer makes the configuration of one director of a pair that does not check while it is a standby.
func (h *host) writePeer(name, source, listen, other, key string, servers ...string) {
	h.t.Helper()
	h.writeText(h.global(name) + fmt.Sprintf(`[global.peers]
listen = %q
directors = [%q]
key = %q
`, listen, other, key) + router + fmt.Sprintf(`[[service]]
name = "www"
address = "10.9.0.100:80"
scheduler = "rr"
forward = "nat"
standby_checks = "off"
[service.check]
type = "http"
source = %q
interval = "1s"
fast_interval = "100ms"
timeout = "1s"
rise = 1
fall = 2
`, source) + serverTables(servers...))
}

// freeUDP is an address on loopback on which nobody listens.
func freeUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

// exchanging is the status with the exchange and the one service, empty before there are any.
func (h *host) exchanging() *observe.Status {
	st, err := h.client.Status(h.t.Context())
	if err != nil || st.Exchange == nil {
		return &observe.Status{Exchange: &observe.Exchange{Peers: make([]observe.ExchangePeer, 1)}, Services: make([]observe.Service, 1)}
	}
	return st
}

// failover runs a pair of which one director is master, and the other rests. A server fails, as the master sees it; then
// the master stops, and the standby becomes master: answer is what the server says to its probes from then on. It returns
// the new master, the server, and the operations on its table from then on.
func failover(t *testing.T, keys [2]string, answer http.HandlerFunc) (standby *host, failing string, ops func() []string) {
	t.Helper()
	var sick atomic.Bool
	web := func(may bool) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from, _, _ := net.SplitHostPort(r.RemoteAddr)
			switch {
			case may && sick.Load() && from == sourceOne:
				w.WriteHeader(http.StatusServiceUnavailable)
			case may && sick.Load() && from == sourceTwo:
				answer(w, r)
			}
		}))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	well, failing := web(false), web(true)
	one, two := freeUDP(t), freeUDP(t)
	master, standby := newHost(t), anotherHost(t)
	standby.backup.Store(true)
	standby.pid.Store(2) // it speaks of its state again and again
	master.writePeer("lb1", sourceOne, one, two, keys[0], well, failing)
	standby.writePeer("lb2", sourceTwo, two, one, keys[1], well, failing)
	master.start()
	standby.start()
	has := func(h *host, server string) bool { return strings.Contains(h.kernel.Table().String(), server) }
	for _, h := range []*host{master, standby} {
		h.until("both in", func() bool { return has(h, well) && has(h, failing) })
	}
	standby.until("at rest", func() bool { return standby.exchanging().Services[0].Pace == "off" })
	heard := func() uint64 { // datagrams of the master
		p := standby.exchanging().Exchange.Peers[0]
		return p.Received + p.Dropped["bad-auth"]
	}
	standby.until("the master heard", func() bool { return heard() > 0 })

	sick.Store(true)
	master.until("out, as the master sees it", func() bool { return !has(master, failing) })
	before := heard()
	standby.until("told", func() bool { return heard() > before+4 })
	if !has(standby, failing) {
		t.Error("the standby has taken the server out before it is master")
	}
	master.stop()
	var mu sync.Mutex
	var done []string
	standby.kernel.Refuse(func(op ipvs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		done = append(done, fmt.Sprintf("%v %v", op.Action, op.Server.Addr))
		return nil
	})
	standby.backup.Store(false)
	standby.until("master", func() bool {
		st := standby.exchanging()
		return len(st.Instances) > 0 && st.Instances[0].State == "master"
	})
	return standby, failing, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(done)
	}
}

// TestTheNewMasterKnowsWhatTheOldOneKnew: its first table as master lacks the server that the old one had found down. Its
// own probes bring it back.
func TestTheNewMasterKnowsWhatTheOldOneKnew(t *testing.T) {
	const key = "the key of this pair, of 32 bytes or more"
	release := make(chan struct{})
	h, failing, ops := failover(t, [2]string{key, key}, func(_ http.ResponseWriter, r *http.Request) {
		select { // our own probes know nothing yet
		case <-release:
		case <-r.Context().Done():
		}
	})
	h.until("out", func() bool { return len(ops()) > 0 })
	if got, want := ops()[0], fmt.Sprintf("%v %s", ipvs.DeleteServer, failing); got != want {
		t.Errorf("the first that the new master does to its table is %q, want %q", got, want)
	}
	st := h.exchanging()
	if r := st.Services[0].Servers[1]; r.State != "down" || !strings.HasPrefix(r.Reason, "peer: status: as lb1 saw it ") || !strings.Contains(r.Reason, "503") {
		t.Errorf("it is shown as %s, %s", r.State, r.Reason)
	}
	if st.Exchange.Taken != 1 {
		t.Errorf("%d verdicts were taken over, want 1", st.Exchange.Taken)
	}
	story, err := h.client.Explain(t.Context(), "www", failing)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(story.Line, "down since ") || !strings.Contains(story.Line, ": as lb1 saw it ") || !strings.Contains(story.Line, "; removed from www; 1 of 2 left") {
		t.Errorf("the story is %q", story.Line)
	}
	h.until("told the journal", func() bool {
		events, err := h.client.Events(t.Context(), 0, 0)
		return err == nil && slices.ContainsFunc(events.Events, func(e observe.Event) bool { return e.Reason == "taken-over" }) &&
			slices.ContainsFunc(events.Events, func(e observe.Event) bool {
				return e.Object == "www/"+failing && strings.Contains(e.Message, "up → down: peer: status: as lb1 saw it")
			})
	})
	close(release)
	h.until("in again", func() bool { return strings.Contains(h.kernel.Table().String(), failing) })
}

// A peer that saw no server of several is not believed: it may have been its own network.
func TestWhoSeesNobodyIsNotBelieved(t *testing.T) {
	down, up := healthcheck.PeerVerdict{Verdict: healthcheck.Down}, healthcheck.PeerVerdict{Verdict: healthcheck.Up}
	two := &pool{checks: [][]string{{"a/tcp", "a/http"}, {"b/tcp"}}}
	for _, tt := range []struct {
		name string
		pool *pool
		told map[string]healthcheck.PeerVerdict
		want bool
	}{
		{"nothing told", two, nil, false},
		{"one is up", two, map[string]healthcheck.PeerVerdict{"a/tcp": up, "a/http": down, "b/tcp": up}, false},
		{"of one nothing is known", two, map[string]healthcheck.PeerVerdict{"a/tcp": down}, false},
		{"each fails a check", two, map[string]healthcheck.PeerVerdict{"a/tcp": up, "a/http": down, "b/tcp": down}, true},
		{"the only one", &pool{checks: two.checks[1:]}, map[string]healthcheck.PeerVerdict{"b/tcp": down}, false},
	} {
		if got := tt.pool.blind(tt.told); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestWithAnotherKeyOursStand: what the old master says is not under our key, and its server stays in.
func TestWithAnotherKeyOursStand(t *testing.T) {
	h, failing, ops := failover(t, [2]string{"the key of this pair, of 32 bytes or more", "the key of some other pair, 32 bytes or more"},
		func(http.ResponseWriter, *http.Request) {})
	results := func() uint64 {
		story, err := h.client.Explain(t.Context(), "www", failing)
		if err != nil {
			return 0
		}
		return story.Checks[0].Results
	}
	before := results()
	h.until("probed", func() bool { return results() > before+1 })
	if got := ops(); len(got) > 0 {
		t.Errorf("the table was changed: %v", got)
	}
	st := h.exchanging()
	if p := st.Exchange.Peers[0]; st.Exchange.Taken != 0 || p.Verdicts != 0 || p.Dropped["bad-auth"] == 0 {
		t.Errorf("the exchange is shown as %+v", st.Exchange)
	}
	h.until("found", func() bool {
		return slices.ContainsFunc(h.exchanging().Findings, func(f observe.Finding) bool { return strings.HasPrefix(f.Reason, "peer-") })
	})
	events := h.events()
	if !slices.ContainsFunc(events, func(e observe.Event) bool { return e.Reason == "peer-bad-auth" }) {
		t.Error("the journal does not tell of it")
	}
	if text := fmt.Sprint(st, events); strings.Contains(text, "of 32 bytes") || strings.Contains(text, "other pair") {
		t.Error("a key is shown")
	}
}

// TestAReloadOpensAndEndsTheExchange: an address that is taken refuses it as a whole.
func TestAReloadOpensAndEndsTheExchange(t *testing.T) {
	h := newHost(t)
	a := h.server()
	h.write(a)
	plain := h.text()
	with := func(listen string) {
		h.writeText(strings.Replace(plain, "[[vrrp]]", fmt.Sprintf("[global.peers]\nlisten = %q\ndirectors = [\"127.0.0.1:9\"]\nkey = \"the key of this pair, of 32 bytes or more\"\n[[vrrp]]", listen), 1))
	}
	listens := func() string {
		if x := h.status().Exchange; x != nil {
			return x.Listen
		}
		return "off"
	}
	h.start()
	if got := listens(); got != "off" {
		t.Errorf("without peers the exchange is %s", got)
	}
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	with(taken.LocalAddr().String())
	if r := h.reload(); r.OK || r.Applied || !strings.Contains(r.Error, "global.peers.listen") {
		t.Errorf("an address that is taken: %+v", r)
	}
	first, second := freeUDP(t), freeUDP(t)
	for _, listen := range []string{first, second} {
		with(listen)
		if r := h.reload(); !r.OK {
			t.Fatalf("reload: %s", r.Error)
		}
		if got := listens(); got != listen {
			t.Errorf("it listens on %s, want %s", got, listen)
		}
	}
	if c, err := net.ListenPacket("udp4", first); err != nil {
		t.Errorf("the former address is still taken: %v", err)
	} else {
		c.Close()
	}
	h.refuse <- "no"
	h.writeText(strings.Replace(plain, "id = 51", "id = 52", 1))
	if r := h.reload(); r.OK || listens() != second {
		t.Errorf("after a refusal it listens on %s: %+v", listens(), r)
	}
	h.writeText(plain)
	if r := h.reload(); !r.OK || listens() != "off" {
		t.Errorf("without peers again: %s, %+v", listens(), r)
	}
}
