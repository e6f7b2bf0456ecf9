package kernel

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/lbha/lbha/ipvs"
)

// big returns a table of services with ten servers each.
func big(services int) ipvs.Table {
	pools := make([]ipvs.Pool, services)
	for i := range pools {
		vip := netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})
		p := ipvs.Pool{Service: ipvs.Service{Key: ipvs.NewKey(ipvs.TCP, netip.AddrPortFrom(vip, 80)), Scheduler: "rr"}}
		for j := range 10 {
			rip := netip.AddrFrom4([4]byte{10, byte(10 + j), byte(i >> 8), byte(i)})
			p.Servers = append(p.Servers, ipvs.Server{Addr: netip.AddrPortFrom(rip, 80), Forward: ipvs.DR, Weight: 1})
		}
		pools[i] = p
	}
	return ipvs.NewTable(pools...)
}

// BenchmarkApply edits 1,000 servers, with one and with many messages a write.
func BenchmarkApply(b *testing.B) {
	c := open(b, namespace(b))
	table := big(100)
	if err := c.Apply(b.Context(), ipvs.Diff(table, nil)); err != nil {
		b.Fatal(err)
	}
	var edits []ipvs.Op
	for _, op := range ipvs.Diff(table, nil) {
		if op.Action == ipvs.AddServer {
			op.Action = ipvs.EditServer
			edits = append(edits, op)
		}
	}
	for _, n := range []int{1, 16, batchSize} {
		b.Run(fmt.Sprintf("messages=%d", n), func(b *testing.B) {
			for b.Loop() {
				for i := 0; i < len(edits); i += n {
					if err := c.Apply(b.Context(), edits[i:min(i+n, len(edits))]); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(len(edits)*b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

// BenchmarkFill makes 1,000 services with 10 servers each in an empty kernel.
func BenchmarkFill(b *testing.B) {
	c := open(b, namespace(b))
	ops := ipvs.Diff(big(1000), nil)
	for b.Loop() {
		if err := c.Apply(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := c.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkList reads 1,000 services with 10 servers each.
func BenchmarkList(b *testing.B) {
	c := open(b, namespace(b))
	table := big(1000)
	if err := c.Apply(b.Context(), ipvs.Diff(table, nil)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		snap, err := c.List(b.Context())
		if err != nil || len(snap.Table) != len(table) {
			b.Fatal(len(snap.Table), err)
		}
	}
}

// BenchmarkReload changes the weight of one of 10,000 servers in 1,000 services,
// and has the kernel confirm the whole table.
func BenchmarkReload(b *testing.B) {
	c := open(b, namespace(b))
	r := ipvs.NewReconciler(c, ipvs.Options{})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	defer func() { cancel(); <-done }()

	a, z := big(1000), big(1000)
	z[z.Keys()[500]].Servers[5].Weight = 7
	want := func(t ipvs.Table) {
		r.Set(ipvs.Want{Table: t})
		if _, err := r.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	want(a)
	for b.Loop() {
		a, z = z, a
		want(a)
	}
}
