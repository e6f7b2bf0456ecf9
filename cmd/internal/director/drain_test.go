package director

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// busy gives a server of the fake kernel connections.
func (h *host) busy(addr string, active uint32) {
	key, err := ipvs.ParseKey("tcp/10.9.0.100:80")
	if err != nil {
		h.t.Fatal(err)
	}
	h.kernel.SetStats(key, ipvs.PoolStats{Servers: map[netip.AddrPort]ipvs.ServerStats{netip.MustParseAddrPort(addr): {Active: active}}})
}

func TestARemovedServerDrainsFirst(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	h.start()
	h.until("both in", func() bool { return h.inTable(a) && h.inTable(b) })
	h.busy(b.Addr().String(), 3)
	before := len(h.kernel.Ops())
	h.write(a)
	if r := h.reload(); !r.OK {
		t.Fatalf("reload: %+v", r)
	}
	quiet := "-e -t 10.9.0.100:80 -r " + b.Addr().String() + " -m -w 0"
	if ops := h.kernel.Ops()[before:]; len(ops) != 1 || ops[0].String() != quiet {
		t.Fatalf("operations %v, want only %q", ops, quiet)
	}
	time.Sleep(drainLook + time.Second)
	if !h.inTable(b) {
		t.Fatal("a server with connections was removed")
	}
	st, err := h.client.Status(t.Context())
	if err != nil || len(st.Draining) != 1 || st.Draining[0].Active != 3 {
		t.Errorf("status shows %+v, %v; want one server that drains with 3 connections", st.Draining, err)
	}
	h.busy(b.Addr().String(), 0)
	h.until("b out", func() bool { return !h.inTable(b) })
	if !h.inTable(a) {
		t.Error("a went too")
	}
}

func TestAServerThatReturnsWhileItDrainsIsAServerAgain(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	h.start()
	h.until("both in", func() bool { return h.inTable(a) && h.inTable(b) })
	h.busy(b.Addr().String(), 3)
	h.write(a)
	h.reload()
	h.write(a, b)
	h.reload()
	h.until("b serves again", func() bool {
		return strings.Contains(h.kernel.Table().String(), b.Addr().String()+" -m -w 1")
	})
	time.Sleep(drainLook)
	if !h.inTable(b) {
		t.Error("the former drain removed it after all")
	}
}

func TestADrainSurvivesARestart(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	stop := h.start()
	h.until("both in", func() bool { return h.inTable(a) && h.inTable(b) })
	h.busy(b.Addr().String(), 3)
	h.write(a)
	h.reload()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	h.start()
	time.Sleep(300 * time.Millisecond)
	if !h.inTable(b) {
		t.Error("the restart removed a server that drains")
	}
}

func TestADrainEndsAtItsDeadline(t *testing.T) {
	parse := func(text string) *config.Config {
		t.Helper()
		cfg, err := config.Parse("test.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	const head = "[[service]]\nname = \"www\"\naddress = \"10.9.0.100:80\"\nforward = \"nat\"\ndrain_timeout = \"1m\"\n[[service.server]]\naddress = \"10.9.0.3:80\"\n"
	old, next := parse(head+"[[service.server]]\naddress = \"10.9.0.4:80\"\n"), parse(head)
	key := old.Services[0].Keys[0]
	server := func(addr string) ipvs.Server {
		return ipvs.Server{Addr: netip.MustParseAddrPort(addr), Weight: 1}
	}
	table := ipvs.NewTable(ipvs.Pool{Service: ipvs.Service{Key: key, Scheduler: "wlc"}, Servers: []ipvs.Server{server("10.9.0.3:80"), server("10.9.0.4:80")}})
	start := time.Now()
	ds := drains(nil).changeTo(next.Services, old.Services, table, start)
	if len(ds) != 1 || ds[0].Server.Addr.String() != "10.9.0.4:80" || ds[0].Server.Weight != 0 || !ds[0].Until.Equal(start.Add(time.Minute)) {
		t.Fatalf("drains %+v, want 10.9.0.4:80 with weight 0 for a minute", ds)
	}
	if again := ds.changeTo(next.Services, old.Services, table, start.Add(time.Second)); len(again) != 1 || !again[0].Since.Equal(start) {
		t.Errorf("a second reload began the drain anew: %+v", again)
	}
	snap := ipvs.Snapshot{Stats: map[ipvs.Key]ipvs.PoolStats{key: {Servers: map[netip.AddrPort]ipvs.ServerStats{ds[0].Server.Addr: {Persistent: 1}}}}}
	if still, over := ds.ended(snap, start.Add(59*time.Second)); len(still) != 1 || len(over) != 0 {
		t.Errorf("after 59 s, with a persistence template: %v, %v; want it to go on", still, over)
	}
	if still, over := ds.ended(snap, start.Add(time.Minute)); len(still) != 0 || len(over) != 1 || over[0].Reason != "drain-timeout" {
		t.Errorf("after a minute: %v, %v; want drain-timeout", still, over)
	}
	// A service that is gone as a whole is the drains of its servers.
	all := drains(nil).changeTo(parse("").Services, old.Services, table, start).into(ipvs.Table{})
	if got, want := all.String(), "-A -t 10.9.0.100:80 -s wlc\n-a -t 10.9.0.100:80 -r 10.9.0.3:80 -m -w 0\n-a -t 10.9.0.100:80 -r 10.9.0.4:80 -m -w 0\n"; got != want {
		t.Errorf("table:\n%swant:\n%s", got, want)
	}
}
