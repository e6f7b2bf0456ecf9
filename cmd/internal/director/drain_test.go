package director

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/ipvs"
)

func TestARemovedServerDrainsFirst(t *testing.T) {
	h, a, b := startPair(t)
	h.busy(b, 3)
	written := h.writes()
	h.write(a)
	if r := h.reload(); !r.OK {
		t.Fatalf("reload: %+v", r)
	}
	if got, want := written(), "-e -t 10.9.0.100:80 -r "+b.Addr().String()+" -m -w 0\n"; got != want {
		t.Fatalf("operations:\n%swant only:\n%s", got, want)
	}
	time.Sleep(drainLook + time.Second)
	if !h.inTable(b) {
		t.Fatal("a server with connections was removed")
	}
	if st := h.status(); len(st.Draining) != 1 || st.Draining[0].Active != 3 {
		t.Errorf("status shows %+v; want one server that drains with 3 connections", st.Draining)
	}
	h.busy(b, 0)
	h.untilOut(b)
	if !h.inTable(a) {
		t.Error("a went too")
	}
}

func TestAServerThatReturnsWhileItDrainsIsAServerAgain(t *testing.T) {
	h, a, b := startPair(t)
	h.busy(b, 3)
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
	h, a, b := startPair(t)
	h.busy(b, 3)
	h.write(a)
	h.reload()
	h.stop()
	h.start()
	time.Sleep(300 * time.Millisecond)
	if !h.inTable(b) {
		t.Error("the restart removed a server that drains")
	}
}

func TestADrainEndsAtItsDeadline(t *testing.T) {
	const head = "[[service]]\nname = \"www\"\naddress = \"10.9.0.100:80\"\nforward = \"nat\"\ndrain_timeout = \"1m\"\n[[service.server]]\naddress = \"10.9.0.3:80\"\n"
	old, next := parse(t, head+"[[service.server]]\naddress = \"10.9.0.4:80\"\n"), parse(t, head)
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
	all := drains(nil).changeTo(parse(t, "[global]").Services, old.Services, table, start).into(ipvs.Table{})
	if got, want := all.String(), "-A -t 10.9.0.100:80 -s wlc\n-a -t 10.9.0.100:80 -r 10.9.0.3:80 -m -w 0\n-a -t 10.9.0.100:80 -r 10.9.0.4:80 -m -w 0\n"; got != want {
		t.Errorf("table:\n%swant:\n%s", got, want)
	}
}
