package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/ipvs"
)

// A service with addresses of both families is two, of one pool each.
func TestServiceOfBothFamilies(t *testing.T) {
	c := load(t, "../examples/dual-stack.toml")
	type pool struct {
		Name    string
		Family  ipvs.Family
		Keys    []string
		Servers []string
	}
	var got []pool
	for _, s := range c.Services {
		p := pool{Name: s.Name, Family: s.Family}
		for _, k := range s.Keys {
			p.Keys = append(p.Keys, k.String())
		}
		for _, v := range s.Servers {
			p.Servers = append(p.Servers, v.Address.String())
		}
		got = append(got, p)
	}
	want := []pool{
		{"www", ipvs.IPv4, []string{"tcp/10.9.0.100:80"}, []string{"10.9.0.3:80", "10.9.0.4:80"}},
		{"www-ipv6", ipvs.IPv6, []string{"tcp/[fd00:9::100]:80"}, []string{"[fd00:9::3]:80", "[fd00:9::4]:80"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
