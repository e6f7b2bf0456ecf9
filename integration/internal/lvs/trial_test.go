package lvs

import (
	"net/netip"
	"testing"

	"github.com/lbha/lbha/ipvs"
)

// good places the connections of a trial as its scheduler should.
func good(t trial) (draws []draw, changed int) {
	open := map[byte]int{}
	changed = perTrial
	if t.edit != nil {
		changed = perTrial / 2
	}
	for i := range perTrial {
		d := draw{Source: trialSource(i % max(1, t.sources)), Target: trialAddr(1, i%max(1, t.targets))}
		weights := t.weights
		if i >= changed {
			weights = t.edit
		}
		d.Server = modelled(t, d, i, weights, open)
		open[d.Server]++
		draws = append(draws, d)
	}
	return draws, changed
}

// modelled is a model of the schedulers, simple rather than right in every case.
func modelled(t trial, d draw, i int, weights []int, open map[byte]int) byte {
	least := func(load func(n, w int) float64) byte {
		best := byte(1)
		for s := range weights {
			if load(open[byte(s+1)], weights[s]) < load(open[best], weights[best-1]) {
				best = byte(s + 1)
			}
		}
		return best
	}
	switch t.scheduler {
	case "rr":
		return byte(i%2 + 1)
	case "wrr":
		return []byte{2, 2, 1}[i%3]
	case "lc":
		return least(func(n, _ int) float64 { return float64(n) })
	case "wlc":
		return least(func(n, w int) float64 { return float64(n) / float64(w) })
	case "nq":
		for s := range weights {
			if open[byte(s+1)] == 0 {
				return byte(s + 1)
			}
		}
		fallthrough
	case "sed":
		return least(func(n, w int) float64 { return float64(n+1) / float64(w) })
	case "sh":
		return d.Source.As4()[3]%2 + 1
	case "dh":
		return d.Target.As4()[3]%2 + 1
	case "mh":
		home := d.Source.As4()[3]%3 + 1
		if int(home) > len(weights) {
			home = d.Source.As4()[3]/3%2 + 1
		}
		return home
	case "lblc":
		if open[1] <= weights[0] {
			return 1
		}
		return 2
	case "lblcr":
		if open[1] <= weights[0] || open[1] < open[2] {
			return 1
		}
		return 2
	case "fo":
		if weights[1] > weights[0] {
			return 2
		}
		return 1
	case "ovf":
		if open[2] <= weights[1] {
			return 2
		}
		return 1
	}
	panic("no model of " + string(t.scheduler))
}

// TestTrials holds each property against a model of its scheduler, against another scheduler's draws, and against failures.
func TestTrials(t *testing.T) {
	// What each property must tell its scheduler from: one that is like it.
	others := map[ipvs.Scheduler]ipvs.Scheduler{
		"rr": "sh", "wrr": "rr", "lc": "wlc", "wlc": "rr", "sed": "wlc", "nq": "sed", "sh": "rr", "mh": "rr", "dh": "rr",
		"lblc": "lblcr", "lblcr": "lblc", "fo": "rr", "ovf": "lblc",
	}
	for _, tr := range trials {
		t.Run(string(tr.scheduler), func(t *testing.T) {
			draws, changed := good(tr)
			if ok, said := tr.judge(draws, changed); !ok {
				t.Errorf("a good scheduler fails: %s", said)
			}
			other := tr
			other.scheduler = others[tr.scheduler]
			if other.scheduler == "" {
				t.Fatal("no other scheduler is named")
			}
			if bad, changed := good(other); true {
				if ok, said := tr.judge(bad, changed); ok {
					t.Errorf("%s passes for it: %s", other.scheduler, said)
				}
			}
			if ok, _ := tr.judge(nil, 0); ok {
				t.Error("no connection at all passes")
			}
			draws[len(draws)/3].Server = 0
			if ok, said := tr.judge(draws, changed); ok {
				t.Errorf("a failed connection passes: %s", said)
			}
		})
	}
}

func TestFewMove(t *testing.T) {
	for _, tr := range trials {
		if tr.scheduler != "mh" {
			continue
		}
		draws, changed := good(tr)
		for i := range draws[changed:] {
			d := &draws[changed+i]
			if d.Source.As4()[3]%10 == 0 {
				d.Server = 3 - d.Server // a tenth of all clients moves
			}
		}
		if ok, said := tr.judge(draws, changed); ok {
			t.Errorf("many moves pass: %s", said)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		got, want netip.Addr
	}{
		{place(inside, false, 3), netip.MustParseAddr("10.9.0.3")},
		{place(outside, false, 100), netip.MustParseAddr("10.8.0.100")},
		{place(inside, true, 100), netip.MustParseAddr("fd09::64")},
		{place(outside, true, 10), netip.MustParseAddr("fd08::a")},
	} {
		if tt.got != tt.want {
			t.Errorf("%v, want %v", tt.got, tt.want)
		}
	}
}
