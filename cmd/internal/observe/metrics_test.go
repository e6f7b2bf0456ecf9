package observe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// filled is a snapshot in which everything that has a metric is there.
func filled() *Status {
	return &Status{
		Interfaces: map[string]map[string]uint64{"eth0": {"unexamined": 7}},
		Name:       "lb1", Version: "1.2.3", Time: time.Unix(1, 0),
		Config:  Config{Hash: "abc", Reload: &Reload{Error: "refused"}, Trial: &Trial{}, Trials: Trials{Confirmed: 3, Reverted: 2, Failed: 1}},
		Elector: Elector{Connected: true, Restarts: 2},
		Instances: []Instance{
			{Name: "web", State: "master", Priority: 150, Held: []string{"10.9.0.100/32"}, Dropped: map[string]uint64{"bad-ttl": 3, "bad-checksum": 4}, Sent: 5, Received: 6, Late: 7, Announced: 8, Transition: 9, Plain: 4, Peers: []Peer{{Address: "10.9.0.2", Priority: 100}}},
			{Name: "mail", State: "backup", Priority: 100, Notify: &Notify{Waiting: 2, Unread: 1, Ran: 9, Failed: 4, NotRun: 3, Dropped: 5, Lines: 6, Lost: 7}, Tracks: []Track{
				{Kind: "script", Target: "/bin/ask", State: "good"}, {Kind: "script", Target: "/bin/ask", State: "bad", Adjust: -20},
				{Kind: "script", Target: "/bin/ask", State: "good", Adjust: 5}, {Kind: "file", Target: "/f", State: "good", Adjust: 7}, {Kind: "interface", Target: "eth0", State: "pending"},
			}},
		},
		Services: []Service{
			{Name: "www", Alive: 2, Latency: Latencies{Count: 5, Sum: time.Second, Buckets: []Bucket{{UpTo: 5 * time.Millisecond, Count: 3}, {Count: 2}}},
				Results: []CheckResult{{"http", "ok", 5}, {"http", "timeout", 1}}, Servers: []Server{
					{Address: "10.9.0.3:80", State: "up", InTable: true, Weight: 2, Active: 10, Inactive: 11},
					{Address: "10.9.0.4:80", State: "down"},
				}},
			{Name: "dns", Fallback: true, Servers: []Server{{Address: "10.9.0.3:80", State: "unknown"}}},
		},
		Exchange: &Exchange{Taken: 3, Unknown: 4, Overrun: 5, Peers: []ExchangePeer{{Address: "10.9.0.2:1112", State: "live", Verdicts: 6, Otherwise: 7, Sent: 8, SendErrors: 9,
			Received: 10, Dropped: map[string]uint64{"bad-auth": 11}}}},
		Journal:  JournalStatus{Written: 20, Lost: 21},
		Table:    Table{Drifts: 12, Writes: 13, Error: "no"},
		Ground:   []Ground{{Severity: "advice", Reason: "expire-nodest"}, {Severity: "wrong", Object: "a", Reason: "own-server"}, {Severity: "wrong", Object: "b", Reason: "own-server"}},
		Findings: []Finding{{Object: "web", Reason: "fault"}, {Object: "mail", Reason: "fault"}, {Object: "www", Reason: "no-server"}},
	}
}

// gather returns the value of each series and the type of each metric, without their common prefix.
func gather(t *testing.T, status func() *Status) (series map[string]float64, types map[string]string) {
	t.Helper()
	// A pedantic registry refuses what Describe does not announce, what is inconsistent, and what is there twice.
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(NewCollector(status)); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series, types = make(map[string]float64), make(map[string]string)
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), "lbha_")
		types[name] = f.GetType().String()
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			series[name+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			for _, b := range m.GetHistogram().GetBucket() {
				series[fmt.Sprintf("%s{%s,le=%g}", name, strings.Join(labels, ","), b.GetUpperBound())] = float64(b.GetCumulativeCount())
			}
		}
	}
	return series, types
}

func TestEveryMetricIsCollected(t *testing.T) {
	_, types := gather(t, filled)
	for _, m := range metrics {
		want := "GAUGE"
		switch {
		case strings.HasSuffix(m.name, "_total"):
			want = "COUNTER"
		case m.name == "check_latency_seconds":
			want = "HISTOGRAM"
		}
		if got := types[m.name]; got != want {
			t.Errorf("%s is described, and collected as %q, want %s", m.name, got, want)
		}
	}
	if len(types) != len(metrics) {
		t.Errorf("%d metrics are collected, %d are described", len(types), len(metrics))
	}
}

func TestMetricsSayWhatTheStatusSays(t *testing.T) {
	got, _ := gather(t, filled)
	for series, want := range map[string]float64{
		"config_reload_ok{}":                                               0,
		"elector_restarts_total{}":                                         2,
		"config_unconfirmed{}":                                             1,
		"journal_lost_total{}":                                             21,
		"config_trials_total{outcome=reverted}":                            2,
		"vrrp_state{instance=web,state=master}":                            1,
		"vrrp_state{instance=web,state=backup}":                            0,
		"vrrp_state{instance=mail,state=backup}":                           1,
		"vrrp_addresses_held{instance=web}":                                1,
		"vrrp_adverts_dropped_total{instance=web,reason=bad-ttl}":          3,
		"vrrp_transitions_total{instance=web}":                             9,
		"service_fallback{service=dns}":                                    1,
		"server_up{server=10.9.0.3:80,service=www}":                        1,
		"server_up{server=10.9.0.3:80,service=dns}":                        0,
		"vrrp_notify_waiting{instance=mail}":                               3,
		"vrrp_notify_commands_total{instance=mail,result=ok}":              5,
		"vrrp_notify_lost_total{by=stream,instance=mail}":                  7,
		"vrrp_track_good{instance=mail,kind=script,target=/bin/ask}":       0,
		"vrrp_track_adjust{instance=mail,kind=script,target=/bin/ask}":     -15,
		"vrrp_track_good{instance=mail,kind=file,target=/f}":               1,
		"vrrp_track_adjust{instance=mail,kind=file,target=/f}":             7,
		"server_connections{kind=inactive,server=10.9.0.3:80,service=www}": 11,
		"servers{service=www,state=down}":                                  1,
		"servers{service=dns,state=up}":                                    0,
		"check_results_total{result=timeout,service=www,type=http}":        1,
		"check_latency_seconds{service=www,le=0.0025}":                     0,
		"check_latency_seconds{service=www,le=0.005}":                      3,
		"check_latency_seconds{service=www,le=10}":                         3,
		"table_error{}":                                                    1,
		"findings{reason=fault}":                                           2,
		"vrrp_finding{instance=mail,reason=fault}":                         1,
		"vrrp_peer_priority{instance=web,peer=10.9.0.2}":                   100,
		"vrrp_adverts_plain_checksum_total{instance=web}":                  4,
		"ground_findings{reason=own-server,severity=wrong}":                2,
		"peer_live{peer=10.9.0.2:1112}":                                    1,
		"peer_verdicts{peer=10.9.0.2:1112}":                                6,
		"peer_verdicts_taken_total{}":                                      3,
		"peer_datagrams_dropped_total{peer=10.9.0.2:1112,reason=bad-auth}": 11,
		"peer_datagrams_dropped_total{peer=unknown,reason=unknown-sender}": 4,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", series, v, ok, want)
		}
	}
}

func TestNothingIsCollectedBeforeThereIsAStatus(t *testing.T) {
	if series, _ := gather(t, func() *Status { return nil }); len(series) != 0 {
		t.Errorf("collected %v", series)
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 2 * time.Millisecond, 3 * time.Second, time.Minute} {
		h.Observe(d)
	}
	want := Latencies{Count: 6, Sum: time.Minute + 3*time.Second + 4*time.Millisecond + 1, Buckets: []Bucket{
		{time.Millisecond / 2, 1}, {time.Millisecond, 1}, {2500 * time.Microsecond, 2}, {5 * time.Second, 1}, {0, 1},
	}}
	got := h.Latencies()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if c := got.cumulative(); len(c) != len(latencyBounds) || c[0.0005] != 1 || c[0.001] != 2 || c[1] != 4 || c[10] != 5 {
		t.Errorf("cumulative %v", c)
	}
}
