package checkbench

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/integration/internal/drive"
)

// What is not as wanted is said, each thing for itself.
func TestMissed(t *testing.T) {
	sample := func(micros int, kB int, late time.Duration) Sample {
		return Sample{Checks: 1000, Processor: time.Duration(micros) * time.Millisecond, Share: kB, Lateness: []time.Duration{0, late}}
	}
	good := func() *Report {
		r := &Report{Kills: 2}
		for _, load := range loads {
			row := Row{Load: load}
			row.add(drive.LBHA, sample(100, 60<<10, 20*time.Millisecond))
			row.add(drive.Keepalived, sample(100, 10<<10, 0))
			r.Rows = append(r.Rows, row)
		}
		r.detected(drive.LBHA, []time.Duration{50 * time.Millisecond, 0})
		return r
	}
	for want, spoil := range map[string]func(*Report){
		"": func(*Report) {},
		"1000 servers, http each 1s: a check costs 1.01 of keepalived's": func(r *Report) { r.Rows[1].LBHA[0].Processor = 101 * time.Millisecond },
		"10000 servers, tcp each 5s: 65.0 MiB":                           func(r *Report) { r.Rows[2].LBHA[0].Share = 65 << 10 },
		"1000 servers, tcp each 1s, 100 of them silent: other probes are late by 41.0 ms at p99, without them by 20.0 ms": func(r *Report) {
			r.Rows[3].LBHA[0].Lateness[1] = 41 * time.Millisecond
		},
		"dead servers are out 51.0 ms later than ideal at p99": func(r *Report) { r.LBHA[1] = 51 * time.Millisecond },
		"dead servers are out 0.0 ms later than ideal at p99":  func(r *Report) { r.LBHA = r.LBHA[:1] },
	} {
		r := good()
		spoil(r)
		text, err := json.Marshal(r) // as it leaves its world
		if err != nil {
			t.Fatal(err)
		}
		r = new(Report)
		if err := json.Unmarshal(text, r); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, strings.Join(r.Missed(), "; ")); diff != "" {
			t.Error(diff)
		}
		if r.OK() != (want == "") {
			t.Errorf("%q: OK is %v", want, r.OK())
		}
	}
	if new(Report).OK() {
		t.Error("nothing measured is ok")
	}
}

func TestQuantile(t *testing.T) {
	var hundred []time.Duration
	for n := range 100 {
		hundred = append(hundred, time.Duration(n+1))
	}
	for q, want := range map[float64]time.Duration{0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(hundred, q); got != want {
			t.Errorf("%v: %d, want %d", q, got, want)
		}
	}
	if got := quantile(nil, 1); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// The configurations that lbha gets are such as it takes, and have a check for each server.
func TestLoadsAreValid(t *testing.T) {
	for _, load := range loads {
		cfg, err := config.Parse("lbha.toml", []byte(load.lbha("d1")))
		if err != nil {
			t.Fatalf("%v: %v", load, err)
		}
		servers, silent := 0, 0
		for i := range cfg.Services {
			s := &cfg.Services[i]
			for j := range s.Servers {
				servers++
				if c := s.ChecksOf(&s.Servers[j]); len(c) != 1 || string(c[0].Type) != load.Type || c[0].Interval != load.Interval {
					t.Fatalf("%v: %v has checks %+v", load, s.Servers[j].Address, c)
				}
				if s.Servers[j].Address.Addr().As4()[1] == 21 {
					silent++
				}
			}
		}
		if servers != load.Servers || silent != load.Silent {
			t.Errorf("%v: %d servers, %d silent", load, servers, silent)
		}
	}
}
