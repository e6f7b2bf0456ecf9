package director

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/probe"
)

// TestExampleChecks makes every probe of the example that has them all.
func TestExampleChecks(t *testing.T) {
	cfg, err := config.Load("../../../examples/checks.toml")
	if err != nil {
		t.Fatal(err)
	}
	_, checks, err := newPools(cfg, saved{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var types []healthcheck.Type
	for i := range cfg.Services {
		for _, c := range cfg.Services[i].Checks {
			types = append(types, c.Type)
		}
	}
	if len(checks) < len(types) {
		t.Errorf("%d checks of %d", len(checks), len(types))
	}
	for _, typ := range healthcheck.Types() {
		if !slices.Contains(types, typ) {
			t.Errorf("there is no check of type %s", typ)
		}
		if !slices.Contains(probe.Types(), typ) {
			t.Errorf("there is no probe of type %s", typ)
		}
	}
}

// TestProbeOptions holds that settings of a check reach its probe.
func TestProbeOptions(t *testing.T) {
	target := netip.MustParseAddrPort("10.0.0.3:80")
	c := config.Check{Type: "http", HTTPVersion: "2", Redirects: 3, Username: "alice", Password: config.NewSecret("secret")}
	c.Request = config.Request{Method: "POST", Path: "/a", Host: "x", Body: "b", Digest: "00", Headers: []config.Header{{Name: "X", Value: config.NewSecret("y")}}}
	o, err := probeOptions(&c, target)
	if err != nil {
		t.Fatal(err)
	}
	h := o.HTTP
	if h.Method != "POST" || h.Path != "/a" || h.Host != "x" || h.Body != "b" || h.Digest != "00" || !h.HTTP2 || h.Redirects != 3 ||
		!slices.Equal(h.Headers, []probe.Header{{Name: "X", Value: "y"}}) || o.Login != (probe.Login{User: "alice", Password: "secret"}) || o.Target != target {
		t.Errorf("%+v", o)
	}
	c = config.Check{Type: "http", HTTPVersion: "2", Requests: []config.Request{{Path: "/a"}, {Path: "/b"}}}
	if o, err = probeOptions(&c, target); err != nil || len(o.Requests) != 2 || o.Requests[1].Path != "/b" || !o.Requests[1].HTTP2 {
		t.Errorf("%+v, %v", o, err)
	}
	c = config.Check{Type: "ldap", Base: "dc=x", StartTLS: true, TLS: &config.TLS{Verify: true}, Secret: config.NewSecret("s"), Protocol: "tcp", Command: []string{"/x"}, Dynamic: true}
	o, err = probeOptions(&c, target)
	if err != nil || o.LDAP.Base != "dc=x" || !o.StartTLS || o.TLS.Insecure || o.RADIUS.Secret != "s" || !o.SIP.TCP || !o.Script.Dynamic {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestUnchangedServicesKeepTheirProbes: a reload makes only the probes of what differs, and those that depend on more than
// their configuration.
func TestUnchangedServicesKeepTheirProbes(t *testing.T) {
	const services = `
[[service]]
name = "same"
address = "10.9.0.100:80"
[[service.server]]
address = "10.9.0.3:80"
[[service.server]]
address = "10.9.0.4:80"
[service.check]
type = "tcp"
[[service]]
name = "edited"
address = "10.9.0.100:81"
[[service.server]]
address = "10.9.0.3:81"
[service.check]
type = "tcp"
[[service]]
name = "secure"
address = "10.9.0.100:443"
[[service.server]]
address = "10.9.0.3:443"
[service.check]
type = "https"
`
	old, next := parse(t, services), parse(t, strings.Replace(services, `"10.9.0.3:81"`, "\"10.9.0.3:81\"\n[[service.server]]\naddress = \"10.9.0.5:81\"", 1))
	pools, before, err := newPools(old, saved{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, fresh, err := newPools(next, saved{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := next.Services[0].Keys[0]
	found := carried{key: {next.Services[0].Servers[1].Address: 1}}
	_, after, err := newPools(next, saved{}, found, unchanged(pools, config.Compare(old, next)))
	if err != nil {
		t.Fatal(err)
	}
	had := make(map[healthcheck.Prober]bool)
	for _, c := range before {
		had[c.Prober] = true
	}
	var got strings.Builder
	for i, c := range after {
		if c.ID != fresh[i].ID || c.Target != fresh[i].Target || c.ProbeKey != fresh[i].ProbeKey || c.Spec != fresh[i].Spec {
			t.Errorf("%+v, where a start would have %+v", c, fresh[i])
		}
		fmt.Fprintf(&got, "%s kept %v adopted %v\n", c.ID, had[c.Prober], c.Adopted)
	}
	want := `same/10.9.0.3:80/tcp kept true adopted false
same/10.9.0.4:80/tcp kept true adopted true
edited/10.9.0.3:81/tcp kept false adopted false
edited/10.9.0.5:81/tcp kept false adopted false
secure/10.9.0.3:443/https kept false adopted false
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
