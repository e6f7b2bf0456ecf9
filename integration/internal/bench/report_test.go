package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func samples(gaps ...int) (list []Sample) {
	for _, g := range gaps {
		list = append(list, Sample{Gap: time.Duration(g) * time.Millisecond, FromAdvert: time.Duration(g+100) * time.Millisecond})
	}
	return list
}

func TestFigure(t *testing.T) {
	tests := []struct {
		gaps []int
		want string
	}{
		{nil, "0.0 (0.0–0.0)"},
		{[]int{7}, "7.0 (7.0–7.0)"},
		{[]int{9, 1, 5}, "5.0 (1.0–9.0)"},
		{[]int{9, 1, 5, 6}, "5.5 (1.0–9.0)"},
	}
	for _, tt := range tests {
		if got := figure(samples(tt.gaps...), gap).String(); got != tt.want {
			t.Errorf("figure(%v) = %s, want %s", tt.gaps, got, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	r := &Report{Kernel: "6.1", World: "uml", Series: []Series{
		{Event: "crash", Interval: time.Second, Want: 1.05, LBHA: samples(3000, 3100), Keepalived: samples(3000, 3000)},
		{Event: "stop", Interval: time.Second, Want: 0.10, LBHA: samples(70, 65), Keepalived: samples(650, 650)},
	}}
	if r.OK() {
		t.Error("a ratio of 0.104 passes for ≤ 0.10")
	}
	var out strings.Builder
	r.Print(&out)
	want := `client outage in ms, UDP at 1 kHz; kernel 6.1 (uml)

event  interval  runs  lbha median (min–max)   keepalived median (min–max)  ratio  want    verdict
crash  1s        2     3050.0 (3000.0–3100.0)  3000.0 (3000.0–3000.0)       1.017  ≤ 1.05  ok
stop   1s        2     67.5 (65.0–70.0)        650.0 (650.0–650.0)          0.104  ≤ 0.10  FAILED

crash: every process of the master killed and its cable out; stop: SIGTERM. From the last advert to the first answer:
  at 1s: lbha 3150.0 (3100.0–3200.0), keepalived 3100.0 (3100.0–3100.0)
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if empty := (&Series{Want: 1}); empty.OK() {
		t.Error("a series without samples passes")
	}
}
