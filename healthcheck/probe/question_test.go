package probe

import (
	"net/netip"
	"testing"

	"github.com/lbha/lbha/healthcheck"
)

// TestQuestion: two directors ask the same from different addresses.
func TestQuestion(t *testing.T) {
	ask := func(change func(o *Options)) string {
		o := Options{Type: healthcheck.TypeHTTP, Target: netip.MustParseAddrPort("10.9.0.3:80"), HTTP: HTTP{Path: "/healthz"}}
		o.Dial.Source = netip.MustParseAddr("10.9.0.1")
		change(&o)
		return Question(o.Key())
	}
	same := ask(func(*Options) {})
	for what, other := range map[string]string{
		"another source":    ask(func(o *Options) { o.Dial.Source = netip.MustParseAddr("10.9.0.2") }),
		"another interface": ask(func(o *Options) { o.Dial = Dial{Interface: "eth1", Mark: 7} }),
		"no source":         ask(func(o *Options) { o.Dial = Dial{} }),
	} {
		if other != same {
			t.Errorf("%s: another question\n%s\n%s", what, other, same)
		}
	}
	for what, other := range map[string]string{
		"another target": ask(func(o *Options) { o.Target = netip.MustParseAddrPort("10.9.0.4:80") }),
		"another path":   ask(func(o *Options) { o.HTTP.Path = "/" }),
		"a password":     ask(func(o *Options) { o.Login = Login{User: "lbha", Password: "secret"} }),
	} {
		if other == same {
			t.Errorf("%s: the same question", what)
		}
	}
	if got := Question("of a prober of another kind"); got != "of a prober of another kind" {
		t.Errorf("a key that is not ours became %q", got)
	}
}
