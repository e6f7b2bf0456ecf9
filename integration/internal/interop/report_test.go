package interop

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/suite"
)

func TestReport(t *testing.T) {
	good := []Finding{{"election", true, "lbha is the one master"}}
	bad := append(good, Finding{"priority 0 is said", false, "never"})
	r := &Report{Where: suite.Where{World: "host", Kernel: "6.1"}, Cells: []*Result{
		{Cell: Cell{First: drive.LBHA, Second: drive.Keepalived, Version: 2, Password: true}, Findings: good, Story: "[start 0.00] lbha 3.23–4.23",
			Kill: 3610 * time.Millisecond, Resign: 610 * time.Millisecond, HandOver: time.Second},
		{Cell: Cell{First: drive.FRR, Second: drive.LBHA, Version: 3, IPv6: true}, Findings: bad, Story: "frr 0.30–1.00", Logs: []string{"frr on d1 said at last:\nnothing"}},
	}}
	if passed, failed := r.Count(); passed != 1 || failed != 1 || r.OK() {
		t.Errorf("%d passed, %d failed, OK %v", passed, failed, r.OK())
	}
	var out strings.Builder
	r.Print(&out)
	want := `lbha beside other daemons, in ms; kernel 6.1 (host); priorities 200 and 100; v2 at 1 s, v3 at 100 ms

cell (master > backup)                    kill (protocol)  priority 0 (protocol)  hand-over silence  demands  verdict
lbha > keepalived v2 ipv4 multicast pass  3610.0 (3609.4)  610.0 (609.4)          1000.0             1 of 1   ok
frr > lbha v3 ipv6 multicast none         0.0 (360.9)      0.0 (60.9)             –                  1 of 2   FAILED

who was master when, in seconds, by what the switch heard:
  lbha > keepalived v2 ipv4 multicast pass: [start 0.00] lbha 3.23–4.23
  frr > lbha v3 ipv6 multicast none: frr 0.30–1.00

frr > lbha v3 ipv6 multicast none: FAILED (the lab stood still for 0.0 ms at most)
  ok     election: lbha is the one master
  FAILED priority 0 is said: never
frr on d1 said at last:
nothing
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if empty := new(Report); empty.OK() {
		t.Error("a report of nothing passes")
	}
	if empty := new(Result); empty.OK() {
		t.Error("a cell without findings passes")
	}
}
