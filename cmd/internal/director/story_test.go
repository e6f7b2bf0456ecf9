package director

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

func TestStory(t *testing.T) {
	day := time.Date(2026, 1, 1, 12, 3, 0, 0, time.UTC)
	at := func(second int) time.Time { return day.Add(time.Duration(second) * time.Second) }
	result := func(f healthcheck.Failure, detail string, second int) healthcheck.Result {
		return healthcheck.Result{Failure: f, Detail: detail, At: at(second)}
	}
	spec := healthcheck.Spec{Policy: healthcheck.Policy{Rise: 2, Fall: 3, Damping: healthcheck.Damping{Falls: 3, Window: time.Hour, Hold: time.Minute}}}
	members := func(own ipvs.MemberOutcome, others ...ipvs.Weight) ipvs.Outcome {
		o := ipvs.Outcome{Members: []ipvs.MemberOutcome{own}}
		for _, w := range others {
			o.Members = append(o.Members, ipvs.MemberOutcome{Placement: ipvs.InServing, Weight: w})
		}
		return o
	}
	down := healthcheck.Status{Spec: spec, State: healthcheck.State{
		Verdict: healthcheck.Down, Since: at(11), Reason: healthcheck.ReasonFailed,
		Cause: result(healthcheck.FailureTimeout, "timeout in response header after 1s", 11), Before: result("", "http 200 in 12ms", 5),
	}}
	up := healthcheck.Status{Spec: spec, State: healthcheck.State{
		Verdict: healthcheck.Up, Since: at(20), Reason: healthcheck.ReasonPassed,
		Cause: result("", "http 200 in 12ms", 20), Before: result(healthcheck.FailureRefused, "connection refused", 18),
	}}
	with := func(s healthcheck.Status, change func(*healthcheck.Status)) healthcheck.Status { change(&s); return s }
	for _, tc := range []struct {
		name string
		t    telling
		want string
	}{
		{"removed", telling{verdict: healthcheck.Down, checked: true, check: down, outcome: members(ipvs.MemberOutcome{Placement: ipvs.OutDown}, 1, 1, 1)},
			"down since 12:03:11: timeout in response header after 1s, 3 of 3; was http 200 in 12ms until 12:03:05; removed from www; 3 of 4 left"},
		{"on its way back", telling{verdict: healthcheck.Down, checked: true, outcome: members(ipvs.MemberOutcome{Placement: ipvs.InQuiesced}, 1),
			check: with(down, func(s *healthcheck.Status) { s.Successes, s.Last = 1, result("", "http 200 in 9ms", 30) })},
			"down since 12:03:11: timeout in response header after 1s, 3 of 3; was http 200 in 12ms until 12:03:05; 1 of 2 successes: http 200 in 9ms; quiesced in www: no new connections; 1 of 2 left"},
		{"flapping", telling{verdict: healthcheck.Down, checked: true,
			check: with(down, func(s *healthcheck.Status) { s.Flapping, s.Successes, s.Well = true, 5, at(15) })},
			"down since 12:03:11: timeout in response header after 1s, 3 of 3; was http 200 in 12ms until 12:03:05; flapping: stays out until it has been well for 1m0s, and is since 12:03:15"},
		{"never up", telling{verdict: healthcheck.Down, checked: true, check: with(down, func(s *healthcheck.Status) { s.Before = healthcheck.Result{} })},
			"down since 12:03:11: timeout in response header after 1s, at the first probes"},
		{"back", telling{verdict: healthcheck.Up, checked: true, check: up, outcome: members(ipvs.MemberOutcome{Placement: ipvs.InServing, Weight: 3})},
			"up since 12:03:20: http 200 in 12ms, 2 of 2; was connection refused until 12:03:18; in www with weight 3; 1 of 1 left"},
		{"about to fall, and ordered out", telling{verdict: healthcheck.Up, checked: true, order: "disable: kernel", outcome: members(ipvs.MemberOutcome{Placement: ipvs.OutDisabled}),
			check: with(up, func(s *healthcheck.Status) {
				s.Failures, s.Last = 2, result(healthcheck.FailureStatus, "http 503 in 3ms, want 200-299", 40)
			})},
			"up since 12:03:20: http 200 in 12ms, 2 of 2; was connection refused until 12:03:18; 2 of 3 failures: http 503 in 3ms, want 200-299; ordered disable: kernel; taken out of www; 0 of 1 left"},
		{"loaded", telling{verdict: healthcheck.Up, checked: true, outcome: members(ipvs.MemberOutcome{Placement: ipvs.InServing, Weight: 2}),
			check: with(up, func(s *healthcheck.Status) { s.Weight = healthcheck.Percent(50) })},
			"up since 12:03:20: http 200 in 12ms, 2 of 2; was connection refused until 12:03:18; says of its weight: 50%; in www with weight 2; 1 of 1 left"},
		{"adopted", telling{verdict: healthcheck.Up, checked: true, pace: healthcheck.Slower,
			check: healthcheck.Status{Spec: spec, State: healthcheck.State{Verdict: healthcheck.Up, Since: day.AddDate(0, 0, -1), Reason: healthcheck.ReasonAdopted}}},
			"up since 2025-12-31 12:03:00: the kernel's table had it when this director began; checks are slower while another director is master"},
		{"unknown", telling{checked: true, check: healthcheck.Status{Spec: spec, State: healthcheck.State{Since: at(1)}}, outcome: members(ipvs.MemberOutcome{Placement: ipvs.OutUnproven})},
			"unknown since 12:03:01: no result yet; not in www before its first success; 0 of 1 left"},
		{"unchecked backup", telling{verdict: healthcheck.Up, outcome: members(ipvs.MemberOutcome{Placement: ipvs.OutStandby}, 1)},
			"up: it has no check; a backup that www does not need now; 1 of 1 left"},
	} {
		tc.t.now, tc.t.service = at(50), "www"
		tc.t.backup = make([]bool, len(tc.t.outcome.Members))
		if len(tc.t.backup) > 0 && tc.t.outcome.Members[0].Placement == ipvs.OutStandby {
			tc.t.backup[0] = true
		}
		if got := tc.t.line(); got != tc.want {
			t.Errorf("%s\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestTally(t *testing.T) {
	var c tally
	c.observe("www/10.9.0.3:80/http", healthcheck.Passed("")) // nobody has laid anything: it is lost
	checks := []healthcheck.Check{
		{ID: "www/10.9.0.3:80/http", Group: "www"}, {ID: "www/10.9.0.3:80/tcp#2", Group: "www"}, {ID: "dns/10.9.0.3:53/dns", Group: "dns"},
	}
	c.lay(checks)
	for _, r := range []struct {
		id string
		f  healthcheck.Failure
	}{
		{"www/10.9.0.3:80/http", ""}, {"www/10.9.0.3:80/http", ""}, {"www/10.9.0.3:80/http", healthcheck.FailureTimeout},
		{"www/10.9.0.3:80/tcp#2", ""}, {"dns/10.9.0.3:53/dns", healthcheck.FailureDNS}, {"gone/10.9.0.3:53/dns", ""},
	} {
		c.observe(r.id, healthcheck.Result{Failure: r.f, Latency: time.Millisecond})
	}
	c.lay(checks[:1]) // what stays keeps its counters
	c.observe("www/10.9.0.3:80/http", healthcheck.Result{Latency: time.Millisecond})
	var got strings.Builder
	for _, name := range []string{"www", "dns"} {
		latencies, ended := c.service(name)
		for _, e := range ended {
			got.WriteString(name + " " + e.Type + " " + e.Result + " " + strings.Repeat("|", int(e.Count)) + "\n")
		}
		got.WriteString(name + " latencies " + strings.Repeat("|", int(latencies.Count)) + "\n")
	}
	got.WriteString("own latencies " + strings.Repeat("|", int(c.latency("www/10.9.0.3:80/http").Count)) + "\n")
	want := `www http ok |||
www http timeout |
www latencies ||||
dns latencies 
own latencies |||
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestServes(t *testing.T) {
	address := func(text string) config.Address { return config.Address{Prefix: netip.MustParsePrefix(text)} }
	instances := []config.Instance{
		{Name: "web", Addresses: []config.Address{address("10.9.0.100/32")}},
		{Name: "mail", Addresses: []config.Address{address("10.9.0.200/24")}, ExtraAddresses: []config.Address{address("10.9.0.201/32")}},
	}
	for _, tc := range []struct {
		keys    string
		masters []string
		want    bool
	}{
		{"tcp/10.9.0.100:80", nil, false},
		{"tcp/10.9.0.100:80", []string{"web"}, true},
		{"tcp/10.9.0.100:80", []string{"mail"}, false},
		{"tcp/10.9.0.201:25", []string{"mail"}, true},
		{"tcp/10.9.0.100:80 tcp/10.9.0.200:80", []string{"mail"}, true},
		{"fwmark/7", nil, false},
		{"fwmark/7", []string{"web"}, true},
		{"tcp/10.9.0.99:80", []string{"web"}, true}, // nobody of ours holds it
	} {
		s := &config.Service{}
		for _, text := range strings.Fields(tc.keys) {
			if text == "fwmark/7" {
				s.Keys = append(s.Keys, ipvs.MarkKey(7, ipvs.IPv4))
				continue
			}
			s.Keys = append(s.Keys, key(t, text))
		}
		masters := map[string]bool{}
		for _, name := range tc.masters {
			masters[name] = true
		}
		if got := serves(s, instances, masters); got != tc.want {
			t.Errorf("%s with masters %v: serves %v", tc.keys, tc.masters, got)
		}
	}
	if !serves(&config.Service{}, nil, nil) {
		t.Error("a director without instances serves nothing")
	}
}

// TestExplain asks a whole director, over its socket.
func TestExplain(t *testing.T) {
	h := newHost(t)
	l := h.server()
	h.write(l)
	h.start()
	addr := l.Addr().String()
	h.until("told as up", func() bool {
		story, err := h.client.Explain(context.Background(), "www", addr)
		return err == nil && strings.HasPrefix(story.Line, "up since ") && strings.HasSuffix(story.Line, "1 of 1 left")
	})
	story, err := h.client.Explain(context.Background(), "www", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if story.Server != addr || len(story.Checks) != 1 || len(story.Checks[0].Recent) == 0 || story.Checks[0].Latency.Count == 0 || story.Checks[0].Type != "tcp" {
		t.Errorf("%+v", story)
	}
	l.Close()
	h.until("told as down", func() bool {
		story, err := h.client.Explain(context.Background(), "www", addr)
		return err == nil && strings.HasPrefix(story.Line, "down since ") && strings.Contains(story.Line, "; was connected in ") && strings.Contains(story.Line, "removed from www")
	})
	if _, err := h.client.Explain(context.Background(), "www", "10.9.9.9"); err == nil || !strings.Contains(err.Error(), "has no server") {
		t.Errorf("a server that is none: %v", err)
	}
	st := h.status()
	s := st.Services[0]
	if s.Pace != "same" || s.Latency.Count == 0 || len(s.Results) < 2 || s.Results[0].Result != "ok" || st.Checker.Started == 0 {
		t.Errorf("%+v\n%+v", s, st.Checker)
	}
}

// TestPaceFollowsTheRole: the checks of a service rest while another director is master of its address, and not before
// anybody has said who is.
func TestPaceFollowsTheRole(t *testing.T) {
	d := &director{checker: healthcheck.NewChecker(healthcheck.Options{})}
	d.cfg = &config.Config{
		Instances: []config.Instance{{Name: "web", Addresses: []config.Address{{Prefix: netip.MustParsePrefix("10.9.0.100/32")}}}},
		Services: []config.Service{
			{Name: "www", Keys: []ipvs.Key{key(t, "tcp/10.9.0.100:80")}, Standby: healthcheck.Off},
			{Name: "dns", Keys: []ipvs.Key{key(t, "udp/10.9.0.100:53")}, Standby: healthcheck.Slower},
			{Name: "mail", Keys: []ipvs.Key{key(t, "tcp/10.9.0.100:25")}},
		},
	}
	expect := func(when, want string) {
		t.Helper()
		d.pace()
		got := ""
		for _, s := range d.cfg.Services {
			got += " " + d.paces[s.Name].String()
		}
		if got[1:] != want {
			t.Errorf("%s: %s, want %s", when, got[1:], want)
		}
	}
	expect("nobody has spoken", "same same same")
	d.vrrpHeard = time.Now()
	d.vrrp.Instances = []link.InstanceState{{Name: "web", State: vrrp.Backup}}
	expect("backup", "off slower same")
	d.vrrp.Instances[0].State = vrrp.Master
	expect("master", "same same same")
	d.vrrp.Instances[0].State = vrrp.Fault
	expect("fault", "off slower same")
}
