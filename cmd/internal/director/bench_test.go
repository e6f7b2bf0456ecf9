package director

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/ipvs"
)

// BenchmarkReload adds a server to 1,000 services of 10 each, and takes it out again: two reloads, each the whole way from
// the command to the verified table. ms-to-table is from the command to the new server in the table, ms-to-answer to the
// answer, processor-ms what one reload costs, the checks of that time among it: on a crowded machine it says more.
func BenchmarkReload(b *testing.B) {
	h := newHost(b)
	port := h.listen("0.0.0.0:0").Addr().(*net.TCPAddr).Port
	if err := h.memory.Truncate(128 << 20); err != nil { // as the supervisor's is: it has room for all of it
		b.Fatal(err)
	}
	text := func(more bool) string {
		var t strings.Builder
		t.WriteString(h.global("lb1") + router + `[defaults.service]
scheduler = "wlc"
forward = "dr"
[defaults.service.check]
type = "tcp"
interval = "10s"
timeout = "3s"
rise = 1
`)
		for i := range 1000 {
			fmt.Fprintf(&t, "[[service]]\nname = \"s%d\"\naddress = \"10.30.%d.%d:%d\"\n", i, i>>8, i&255, port)
			for j := range 10 {
				fmt.Fprintf(&t, "[[service.server]]\naddress = \"127.20.%d.%d:%d\"\n", (10*i+j)>>8, (10*i+j)&255, port)
			}
			if more && i == 500 {
				fmt.Fprintf(&t, "[[service.server]]\naddress = \"127.21.0.1:%d\"\n", port)
			}
		}
		return t.String()
	}
	without, with := text(false), text(true)
	h.writeText(without)
	type write struct {
		op ipvs.Op
		at time.Time
	}
	writes := make(chan write, 32<<10)
	h.kernel.Refuse(func(op ipvs.Op) error { writes <- write{op, time.Now()}; return nil })
	await := func(action ipvs.Action, n int) (last time.Time) {
		b.Helper()
		for late := time.After(time.Minute); n > 0; {
			select {
			case w := <-writes:
				if w.op.Action == action {
					n, last = n-1, w.at
				}
			case <-late:
				b.Fatalf("%d times no %v", n, action)
			}
		}
		return last
	}
	reload := func(text string) {
		b.Helper()
		h.writeText(text)
		if r := h.reload(); !r.OK {
			b.Fatalf("%+v", r)
		}
		h.wasAsked()
	}
	h.start()
	await(ipvs.AddServer, 10000)
	var toTable, toAnswer time.Duration
	before := processor(b)
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		reload(with)
		toAnswer += time.Since(begin)
		toTable += await(ipvs.AddServer, 1).Sub(begin)
		reload(without)
		await(ipvs.DeleteServer, 1)
	}
	b.ReportMetric(float64((processor(b)-before).Milliseconds())/float64(2*b.N), "processor-ms")
	b.ReportMetric(float64(toTable.Milliseconds())/float64(b.N), "ms-to-table")
	b.ReportMetric(float64(toAnswer.Milliseconds())/float64(b.N), "ms-to-answer")
}

// processor is the time that this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
