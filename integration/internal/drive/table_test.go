package drive

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	one := Settings{Servers: []netip.Addr{netip.MustParseAddr("10.9.0.3")}}
	other := Settings{Servers: []netip.Addr{netip.MustParseAddr("10.9.0.4")}}
	all := []string{
		"-A -t 10.9.0.100:80 -s rr",
		"-A -u 10.9.0.100:5000 -s rr -o",
		"-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1",
		"-a -u 10.9.0.100:5000 -r 10.9.0.3:5000 -g -w 1",
	}
	foreign := []string{"-A -f 7 -s wlc", "-a -f 7 -r 10.9.0.5:0 -g -w 1"}
	for name, tt := range map[string]struct{ from, want []string }{
		"empty":  {[]string{""}, all},
		"right":  {one.Rules(), nil},
		"others": {append(foreign, all...), []string{"-d -f 7 -r 10.9.0.5:0", "-D -f 7"}},
		"another server": {other.Rules(), []string{
			"-d -u 10.9.0.100:5000 -r 10.9.0.4:5000", "-d -t 10.9.0.100:80 -r 10.9.0.4:80", all[2], all[3],
		}},
	} {
		if diff := cmp.Diff(tt.want, edits(tt.from, one.Rules())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
