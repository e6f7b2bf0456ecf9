package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/interop"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/suite"
)

func TestFigure(t *testing.T) {
	tests := []struct {
		values []float64
		want   string
	}{
		{nil, "0.0 (0.0–0.0)"},
		{[]float64{7}, "7.0 (7.0–7.0)"},
		{[]float64{9, 1, 5}, "5.0 (1.0–9.0)"},
		{[]float64{9, 1, 5, 6}, "5.5 (1.0–9.0)"},
	}
	for _, tt := range tests {
		if got := figure(tt.values).String(); got != tt.want {
			t.Errorf("figure(%v) = %s, want %s", tt.values, got, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	r := &Report{Sections: []Section{
		{Name: PartOutage, About: "what clients lose", Where: suite.Where{World: "uml", Kernel: "6.1"}, Series: []Series{
			{What: "crash at 1s: gap", Unit: "ms", Want: 1.05, LBHA: []float64{3000, 3100}, Keepalived: []float64{3000, 3000}},
			{What: "stop at 1s: gap", Unit: "ms", Want: 0.10, LBHA: []float64{70, 65}, Keepalived: []float64{650, 650}},
			{What: "memory", Unit: "MB", LBHA: []float64{30}, Keepalived: []float64{5}},
		}},
		{Name: PartBusy, About: "at 10 ms", Where: suite.Where{World: "host", Kernel: "6.18"}, Busy: []*interop.Busy{
			{Kind: drive.Keepalived, RealTime: true, Length: time.Second, Load: interop.Compute, Processors: 2, Adverts: 100, Gap: 11 * time.Millisecond, P999: 10 * time.Millisecond},
		}},
	}}
	if r.OK() {
		t.Error("a ratio of 0.104 passes for ≤ 0.10")
	}
	if !r.Sections[1].OK() {
		t.Error("a quiet busy pair fails")
	}
	var out strings.Builder
	r.Print(&out)
	want := `outage: what clients lose; kernel 6.1 (uml)
  what              unit  runs  lbha median (min–max)   keepalived median (min–max)  ratio  want
  crash at 1s: gap  ms    2     3050.0 (3000.0–3100.0)  3000.0 (3000.0–3000.0)       1.017  ≤ 1.05 ok
  stop at 1s: gap   ms    2     67.5 (65.0–70.0)        650.0 (650.0–650.0)          0.104  ≤ 0.10 FAILED
  memory            MB    1     30.0 (30.0–30.0)        5.0 (5.0–5.0)                6.000  

busy: at 10 ms; kernel 6.18 (host)
  keepalived at 10ms for 1s beside compute on 2 processors: 0 takeovers on the wire, 100 adverts, longest gap 11.0 ms, p99.9 10.0 ms: ok
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if empty := (&Series{Want: 1}); empty.OK() {
		t.Error("a series without samples passes")
	}
	if empty := new(Section); empty.OK() {
		t.Error("a section of nothing passes")
	}
}

func TestLongestGap(t *testing.T) {
	var answers []observe.Claim
	for _, at := range []mono.Time{0, 1, 2, 300, 301, 320} {
		answers = append(answers, observe.Claim{At: at})
	}
	if got := longestGap(answers); got != 298 {
		t.Errorf("%d, want 298", got)
	}
	if got := longestGap(nil); got != 0 {
		t.Errorf("%d of nothing, want 0", got)
	}
}

// Every virtual router and every VIP is another one.
func TestSeveral(t *testing.T) {
	vrids, vips := map[int]bool{}, map[string]bool{}
	for _, r := range several(announceRouters, announceVIPs, time.Second)(priorityMaster) {
		vrids[r.VRID] = true
		for _, vip := range r.VIPs {
			vips[vip.String()] = true
		}
	}
	if len(vrids) != announceRouters || len(vips) != announceRouters*announceVIPs {
		t.Errorf("%d virtual routers, %d VIPs", len(vrids), len(vips))
	}
}
