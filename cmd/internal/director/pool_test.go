package director

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// A service of two addresses: one server on the service's port, one on a port of its own, one backup without checks.
func www(t *testing.T, forward ipvs.Forward) *pool {
	return &pool{
		service: &config.Service{
			Name: "www", Keys: []ipvs.Key{key(t, "tcp/10.9.0.100:80"), key(t, "tcp/10.9.0.100:443")}, Forward: forward, Quorum: 1,
			Servers: []config.Server{
				{Address: netip.MustParseAddrPort("10.9.0.3:0"), Weight: 2},
				{Address: netip.MustParseAddrPort("10.9.0.4:8080"), Weight: 1},
				{Address: netip.MustParseAddrPort("10.9.0.5:0"), Weight: 1, Backup: true},
			},
		},
		checks: [][]string{{"a"}, {"b1", "b2"}, nil},
	}
}

func TestIntents(t *testing.T) {
	verdicts := map[string]healthcheck.Verdict{"a": healthcheck.Up, "b1": healthcheck.Up, "b2": healthcheck.Down}
	check := func(id string) (healthcheck.Status, bool) {
		v, ok := verdicts[id]
		return healthcheck.Status{State: healthcheck.State{Verdict: v}}, ok
	}
	for _, tc := range []struct {
		name    string
		forward ipvs.Forward
		change  func(p *pool, found carried, o orders)
		want    string
	}{
		{"as it is", ipvs.NAT, nil, `
tcp/10.9.0.100:80: 10.9.0.3:80 up, 10.9.0.4:8080 down, 10.9.0.5:80 up backup
tcp/10.9.0.100:443: 10.9.0.3:443 up, 10.9.0.4:8080 down, 10.9.0.5:443 up backup`},
		{"dr cannot change the port", ipvs.DR, nil, `
tcp/10.9.0.100:80: 10.9.0.3:80 up, 10.9.0.4:80 down, 10.9.0.5:80 up backup
tcp/10.9.0.100:443: 10.9.0.3:443 up, 10.9.0.4:443 down, 10.9.0.5:443 up backup`},
		{"one check of two has no result", ipvs.NAT, func(p *pool, _ carried, _ orders) { p.checks[1] = []string{"b1", "b3"} }, `
tcp/10.9.0.100:80: 10.9.0.3:80 up, 10.9.0.4:8080 unknown, 10.9.0.5:80 up backup
tcp/10.9.0.100:443: 10.9.0.3:443 up, 10.9.0.4:8080 unknown, 10.9.0.5:443 up backup`},
		{"one check of two is enough", ipvs.NAT, func(p *pool, _ carried, _ orders) { p.service.Need = healthcheck.Any }, `
tcp/10.9.0.100:80: 10.9.0.3:80 up, 10.9.0.4:8080 up, 10.9.0.5:80 up backup
tcp/10.9.0.100:443: 10.9.0.3:443 up, 10.9.0.4:8080 up, 10.9.0.5:443 up backup`},
		{"found in the table", ipvs.NAT, func(p *pool, found carried, _ orders) {
			found[p.service.Keys[1]] = map[netip.AddrPort]ipvs.Weight{netip.MustParseAddrPort("10.9.0.3:443"): 7}
		}, `
tcp/10.9.0.100:80: 10.9.0.3:80 up, 10.9.0.4:8080 down, 10.9.0.5:80 up backup
tcp/10.9.0.100:443: 10.9.0.3:443 up carried 7, 10.9.0.4:8080 down, 10.9.0.5:443 up backup`},
		{"quorum was lost", ipvs.NAT, func(p *pool, _ carried, _ orders) {
			p.outcomes = map[ipvs.Key]ipvs.Outcome{p.service.Keys[0]: {QuorumLost: true}}
		}, `
tcp/10.9.0.100:80 (quorum was lost): 10.9.0.3:80 up, 10.9.0.4:8080 down, 10.9.0.5:80 up backup
tcp/10.9.0.100:443: 10.9.0.3:443 up, 10.9.0.4:8080 down, 10.9.0.5:443 up backup`},
		{"ordered", ipvs.NAT, func(_ *pool, _ carried, o orders) {
			o["www/10.9.0.3:0"] = order{Override: ipvs.Override{Mode: ipvs.Disable}}
			o["other/10.9.0.4:8080"] = order{Override: ipvs.Override{Mode: ipvs.Disable}}
		}, `
tcp/10.9.0.100:80: 10.9.0.3:80 up disable, 10.9.0.4:8080 down, 10.9.0.5:80 up backup
tcp/10.9.0.100:443: 10.9.0.3:443 up disable, 10.9.0.4:8080 down, 10.9.0.5:443 up backup`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, found, o := www(t, tc.forward), carried{}, orders{}
			if tc.change != nil {
				tc.change(p, found, o)
			}
			var got strings.Builder
			for _, in := range p.intents(knowledge{check: check, found: found, orders: o}) {
				got.WriteString("\n" + in.Service.Key.String())
				if in.QuorumLost {
					got.WriteString(" (quorum was lost)")
				}
				for i, m := range in.Members {
					fmt.Fprintf(&got, "%s %s %s", [...]string{":", ",", ","}[i], m.Server.Addr, m.Verdict)
					if m.Carried {
						fmt.Fprintf(&got, " carried %s", m.CarriedWeight)
					}
					if m.Backup {
						got.WriteString(" backup")
					}
					if m.Override.Mode != ipvs.NoOverride {
						fmt.Fprintf(&got, " %s", m.Override.Mode)
					}
				}
			}
			if got.String() != tc.want {
				t.Errorf("intents:%s\nwant:%s", got.String(), tc.want)
			}
		})
	}
}

func TestCheckTarget(t *testing.T) {
	own := netip.MustParseAddr("10.9.1.3")
	for _, tc := range []struct {
		server  string
		forward ipvs.Forward
		check   config.Check
		want    string
	}{
		{"10.9.0.3:8080", ipvs.NAT, config.Check{}, "10.9.0.3:8080"},
		{"10.9.0.3:0", ipvs.NAT, config.Check{}, "10.9.0.3:80"}, // the service's port
		{"10.9.0.3:0", ipvs.DR, config.Check{}, "10.9.0.3:80"},
		{"10.9.0.3:8080", ipvs.NAT, config.Check{Port: 9000}, "10.9.0.3:9000"},
		{"10.9.0.3:0", ipvs.TUN, config.Check{Address: own}, "10.9.1.3:80"},
		{"10.9.0.3:0", ipvs.NAT, config.Check{Address: own, Port: 9000}, "10.9.1.3:9000"},
	} {
		s := &config.Service{Keys: []ipvs.Key{key(t, "tcp/10.9.0.100:80")}, Forward: tc.forward}
		server := &config.Server{Address: netip.MustParseAddrPort(tc.server)}
		if got := target(s, server, &tc.check).String(); got != tc.want {
			t.Errorf("server %s, %s, check at %v:%d: asks %s, want %s", tc.server, tc.forward, tc.check.Address, tc.check.Port, got, tc.want)
		}
	}
}

func TestQuorumAndPanicAreToldOnceAPool(t *testing.T) {
	p := www(t, ipvs.NAT)
	var told []string
	record := func(e observe.Event) { told = append(told, e.Reason) }
	for _, step := range []struct {
		outcome ipvs.Outcome
		want    string
	}{
		{ipvs.Outcome{}, ""}, // as it begins
		{ipvs.Outcome{QuorumLost: true}, "quorum-lost"},
		{ipvs.Outcome{QuorumLost: true}, ""},
		{ipvs.Outcome{QuorumLost: true, Panic: true}, "panic"},
		{ipvs.Outcome{}, "quorum-regained panic-over"},
	} {
		var outcomes []ipvs.Outcome
		for _, k := range p.service.Keys {
			o := step.outcome
			o.Key = k
			outcomes = append(outcomes, o)
		}
		told = nil
		p.settle(outcomes, record)
		if got := strings.Join(told, " "); got != step.want {
			t.Errorf("outcome %+v: told %q, want %q", step.outcome, got, step.want)
		}
	}
}

func TestAHandOverThatWouldDoNothingIsRefused(t *testing.T) {
	d := &director{cfg: &config.Config{Instances: []config.Instance{{Name: "web"}, {Name: "mail"}}}}
	for _, tc := range []struct {
		web, mail vrrp.State
		req       admin.FailoverRequest
		want      string
	}{
		{vrrp.Master, vrrp.Backup, admin.FailoverRequest{}, ""},
		{vrrp.Master, vrrp.Backup, admin.FailoverRequest{Instance: "web"}, ""},
		{vrrp.Master, vrrp.Backup, admin.FailoverRequest{Instance: "mail"}, "instance mail is backup here"},
		{vrrp.Backup, vrrp.Backup, admin.FailoverRequest{Instance: "mail", Lift: true}, ""},
		{vrrp.Backup, vrrp.Fault, admin.FailoverRequest{}, "no instance is master here"},
		{vrrp.Master, vrrp.Master, admin.FailoverRequest{Instance: "ftp"}, `no instance "ftp"`},
	} {
		d.vrrp = link.State{Instances: []link.InstanceState{{Name: "web", State: tc.web}, {Name: "mail", State: tc.mail}}}
		err := d.canHandOver(tc.req)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("web %s, mail %s, %+v: %v, want %q", tc.web, tc.mail, tc.req, err, tc.want)
		}
	}
}

// TestWeighed: the least weight that a check says of its server is its weight.
func TestWeighed(t *testing.T) {
	said := map[string]healthcheck.Weight{"half": healthcheck.Percent(50), "seven": healthcheck.Weigh(7), "none": {}, "drain": healthcheck.Weigh(0)}
	k := knowledge{check: func(id string) (healthcheck.Status, bool) {
		return healthcheck.Status{State: healthcheck.State{Weight: said[id]}}, true
	}}
	for _, tc := range []struct {
		checks string
		want   ipvs.Weight
	}{{"", 4}, {"none", 4}, {"half", 2}, {"seven", 7}, {"seven none", 7}, {"none seven half", 2}, {"half drain", 0}} {
		if got := k.weighed(strings.Fields(tc.checks), ipvs.Server{Weight: 4}).Weight; got != tc.want {
			t.Errorf("%q makes weight %d, want %d", tc.checks, got, tc.want)
		}
	}
}
