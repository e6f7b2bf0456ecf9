package lvs

import (
	"net/netip"
	"testing"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// TestConfigurations holds that directors can be given what the parts give them.
func TestConfigurations(t *testing.T) {
	all := limitConfig + (&drainage{}).config()
	for _, k := range kinds {
		all += k.config()
	}
	gone := &drainage{gone: place(inside, false, 3)}
	for name, set := range map[string]settings{
		"at first": {}, "another scheduler": {scheduler: "wlc"}, "every kind": {more: all}, "a server less": {more: gone.config()},
		"tunnels": {more: all + tunnelConfig(), unsynced: true},
	} {
		c, err := config.Parse("test.toml", []byte(pairConfig("d1", 150, set)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if synced := c.Global.IPVS.Sync != nil; synced == set.unsynced {
			t.Errorf("%s: synchronised %v", name, synced)
		}
	}
	c, err := config.Parse("test.toml", []byte(pairConfig("d1", 150, settings{more: all})))
	if err != nil {
		t.Fatal(err)
	}
	// What is asked by address is offered, each target by a virtual service of its own.
	for _, k := range kinds {
		for _, s := range c.Services {
			if s.Name != identifier(k.name) {
				continue
			}
			asked := map[netip.AddrPort]bool{}
			for _, q := range k.asks {
				asked[q.target] = true
			}
			for _, key := range s.Keys {
				if key.Mark() == 0 && !asked[key.Addr()] {
					t.Errorf("%s: %v is not asked", k.name, key)
				}
				delete(asked, key.Addr())
			}
			if len(asked) > 0 && s.Keys[0] != ipvs.MarkKey(100, s.Family) {
				t.Errorf("%s: %v are not offered", k.name, asked)
			}
		}
	}
}

// answered makes draws of the numbers of the servers that answered.
func answered(servers ...byte) (draws []draw) {
	for _, s := range servers {
		draws = append(draws, draw{Server: s})
	}
	return draws
}

func TestKinds(t *testing.T) {
	for _, k := range kinds {
		if ok, said := k.judge(k.asks, make([]draw, len(k.asks))); ok {
			t.Errorf("%s: no answer at all passes: %s", k.name, said)
		}
		one := answered()
		for range k.asks {
			one = append(one, draw{Server: 1})
		}
		if ok, said := k.judge(k.asks, one); ok {
			t.Errorf("%s: one server for all passes: %s", k.name, said)
		}
	}
	for _, tt := range []struct {
		want    string
		servers []byte
		ok      bool
	}{
		{"abab", []byte{1, 2, 1, 2}, true}, {"abab", []byte{2, 1, 2, 1}, true}, {"abab", []byte{1, 1, 2, 2}, false},
		{"aaba", []byte{2, 2, 1, 2}, true}, {"aaba", []byte{1, 2, 1, 2}, false}, {"abab", []byte{1, 2, 1, 0}, false},
		{"abab", []byte{1, 2, 1}, false}, {"abab", []byte{1, 2, 3, 2}, false}, {"abab", []byte{0, 1, 0, 1}, false},
	} {
		if ok, said := pattern(tt.want)(nil, answered(tt.servers...)); ok != tt.ok {
			t.Errorf("%s: %v: %v, %s", tt.want, tt.servers, ok, said)
		}
	}
	asks := questions(6, 2, netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:1"))
	for _, tt := range []struct {
		addresses int
		servers   []byte
		ok        bool
	}{
		{2, []byte{1, 1, 2, 2}, true}, {2, []byte{1, 2, 2, 1}, true}, {3, []byte{1, 1, 2, 2}, false}, {2, []byte{1, 1, 2, 1}, false}, {2, []byte{1, 1, 2, 0}, false},
	} {
		if ok, said := each(tt.addresses)(asks, answered(tt.servers...)); ok != tt.ok {
			t.Errorf("%d of %v: %v, %s", tt.addresses, tt.servers, ok, said)
		}
	}
	for _, tt := range []struct {
		servers []byte
		ok      bool
	}{
		{[]byte{1, 2, 1, 2, 2, 2, 2}, true}, {[]byte{1, 2, 1, 2, 1, 2, 2}, false}, {[]byte{1, 2, 2, 2, 2, 2, 2}, false}, {[]byte{1, 2, 1, 2, 2, 2, 0}, false}, {[]byte{1, 2, 1}, false},
	} {
		if ok, said := limited(2)(nil, answered(tt.servers...)); ok != tt.ok {
			t.Errorf("limit of 2: %v: %v, %s", tt.servers, ok, said)
		}
	}
}
