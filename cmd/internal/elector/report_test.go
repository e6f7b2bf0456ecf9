package elector

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/vrrp"
)

// BenchmarkReport measures the state of 255 instances, which goes to the director each second.
func BenchmarkReport(b *testing.B) {
	ours, theirs, err := link.Pair()
	if err != nil {
		b.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	conn, err := link.Open(int(ours.Fd()))
	if err != nil {
		b.Fatal(err)
	}
	e := &elector{link: conn}
	for k := range 255 {
		in := &instance{cfg: router(fmt.Sprintf("r%d", k), 0, 1, 100)}
		in.machine = vrrp.New(machineConfig(&in.cfg, vip(0, 1).Prefix.Addr()))
		e.instances = append(e.instances, in)
		e.unite("", []*instance{in})
	}
	read := make([]byte, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		e.report()
		if n, _, err := unix.Recvfrom(int(theirs.Fd()), read, 0); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}
