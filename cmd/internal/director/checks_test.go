package director

import (
	"net/netip"
	"slices"
	"testing"

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
	_, checks, err := newPools(cfg, saved{}, nil)
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
