package ipvstest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/lbha/lbha/ipvs"
	"pgregory.net/rapid"
)

// Convergence checks, from random tables to random tables, that the ops of a
// Diff end in the wanted table, and on the way
//
//   - never empty a pool that is not empty before and after,
//   - never delete a server or a service that both tables have,
//   - never touch what both tables have alike,
//   - and leave nothing to do.
//
// The kernel carries them out one after the other, and is listed after each.
func Convergence(t *testing.T, open func(t *testing.T) ipvs.Kernel) {
	k := open(t)
	rapid.Check(t, func(t *rapid.T) {
		have, want := Tables().Draw(t, "have"), Tables().Draw(t, "want")
		reach(t, k, have)
		now := have
		for _, op := range ipvs.Diff(want, have) {
			if why := harm(op, have, want); why != "" {
				t.Fatalf("%s: %s", op, why)
			}
			if err := k.Apply(t.Context(), []ipvs.Op{op}); err != nil {
				t.Fatal(err)
			}
			snap, err := k.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if after := now.After([]ipvs.Op{op}); !after.Equal(snap.Table) {
				t.Fatalf("after %s, the kernel has\n%sand Table.After\n%s", op, snap.Table, after)
			}
			now = snap.Table
			for _, key := range want.Keys() {
				if live(have[key]) > 0 && live(want[key]) > 0 && live(now[key]) == 0 {
					t.Fatalf("%s empties the pool %s", op, key)
				}
				if len(have[key].Servers) > 0 && len(want[key].Servers) > 0 && len(now[key].Servers) == 0 {
					t.Fatalf("%s takes the last server of the pool %s, whatever its weight", op, key)
				}
			}
		}
		if !now.Equal(want) {
			t.Fatalf("got\n%swant\n%s", now, want)
		}
		if again := ipvs.Diff(want, now); len(again) > 0 {
			t.Fatalf("still to be done: %v", again)
		}
	})
}

// reach brings the kernel to a table in the shortest way.
func reach(t *rapid.T, k ipvs.Kernel, want ipvs.Table) {
	snap, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Apply(t.Context(), ipvs.Diff(want, snap.Table)); err != nil {
		t.Fatal(err)
	}
}

// harm says what is wrong with an op between two tables.
func harm(op ipvs.Op, have, want ipvs.Table) string {
	k := op.Key()
	h, inHave := have[k]
	w, inWant := want[k]
	hs, ws := server(h, op.Server.Addr), server(w, op.Server.Addr)
	switch op.Action {
	case ipvs.AddService, ipvs.DeleteService:
		if inHave && inWant {
			return "a service that both tables have is made or deleted"
		}
	case ipvs.EditService:
		if h.Service == w.Service {
			return "an edit that changes nothing"
		}
	case ipvs.AddServer, ipvs.DeleteServer:
		if hs != nil && ws != nil {
			return "a server that both tables have is made or deleted"
		}
	case ipvs.EditServer:
		if hs == nil || ws == nil || *hs == *ws {
			return "an edit that changes nothing"
		}
	}
	return ""
}

func server(p ipvs.Pool, addr netip.AddrPort) *ipvs.Server {
	i := slices.IndexFunc(p.Servers, func(s ipvs.Server) bool { return s.Addr == addr })
	if i < 0 {
		return nil
	}
	return &p.Servers[i]
}

func live(p ipvs.Pool) (n int) {
	for _, s := range p.Servers {
		if s.Weight > 0 {
			n++
		}
	}
	return n
}

// Tables generates tables that every kernel takes. They draw from few services
// and servers, so that two of them have much in common.
func Tables() *rapid.Generator[ipvs.Table] {
	return rapid.Custom(func(t *rapid.T) ipvs.Table {
		var pools []ipvs.Pool
		for i, key := range []string{
			"tcp/10.9.0.100:80", "udp/10.9.0.100:80", "tcp/[2001:db8::1]:80", "fwmark/10/ipv4", "fwmark/10/ipv6",
		} {
			if rapid.Bool().Draw(t, key) {
				pools = append(pools, drawPool(t, svc(key, "rr"), i))
			}
		}
		return ipvs.NewTable(pools...)
	})
}

func drawPool(t *rapid.T, s ipvs.Service, n int) ipvs.Pool {
	label := func(what string) string { return fmt.Sprintf("%s %d", what, n) }
	s.Scheduler = rapid.SampledFrom([]ipvs.Scheduler{"rr", "wlc", "sh"}).Draw(t, label("scheduler"))
	s.Flags = rapid.SampledFrom([]ipvs.Flags{0, 1, 2}).Draw(t, label("flags"))
	if rapid.Bool().Draw(t, label("persistent")) {
		s.Persistence = time.Duration(rapid.IntRange(1, 2).Draw(t, label("timeout"))) * time.Second
		s.Netmask = ipvs.HostNetmask(s.Key.Family())
	}
	p := ipvs.Pool{Service: s}
	for i := range 4 {
		label := func(what string) string { return fmt.Sprintf("%s %d.%d", what, n, i) }
		if !rapid.Bool().Draw(t, label("server")) {
			continue
		}
		addr := netip.AddrFrom4([4]byte{10, 9, 0, byte(3 + i)})
		if s.Key.Family() == ipvs.IPv6 {
			addr = netip.MustParseAddr("2001:db8::3").Next()
			for range i {
				addr = addr.Next()
			}
		}
		p.Servers = append(p.Servers, ipvs.Server{
			Addr:           netip.AddrPortFrom(addr, s.Key.Addr().Port()),
			Forward:        rapid.SampledFrom([]ipvs.Forward{ipvs.NAT, ipvs.DR, ipvs.TUN}).Draw(t, label("forward")),
			Weight:         ipvs.Weight(rapid.IntRange(0, 2).Draw(t, label("weight"))),
			UpperThreshold: uint32(rapid.IntRange(0, 1).Draw(t, label("threshold"))),
		})
	}
	return p
}
