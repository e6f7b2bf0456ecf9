package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lbha/lbha/config"
)

// ipv6 is an instance of IPv6 addresses.
func ipv6(name, iface string, id int, addresses string) string {
	return fmt.Sprintf("[[vrrp]]\nname = %q\ninterface = %q\nid = %d\naddresses = [%s]\n", name, iface, id, addresses)
}

// TestLinkLocalFirst holds that the first link-local address goes before the others, which keep their order.
func TestLinkLocalFirst(t *testing.T) {
	for given, want := range map[string]string{
		`"fe80::100", "fd00:9::1"`:                          "fe80::100/128 fd00:9::1/128",
		`"fd00:9::1", "fd00:9::2/64", "fe80::2", "fe80::1"`: "fe80::2/128 fd00:9::1/128 fd00:9::2/64 fe80::1/128",
	} {
		c := parse(t, ipv6("web", "eth0", 51, given))
		var got []string
		for _, a := range c.Instances[0].Addresses {
			got = append(got, a.Prefix.String())
		}
		if s := strings.Join(got, " "); s != want || len(c.Warnings) > 0 {
			t.Errorf("%s: %s, want %s; warnings %v", given, s, want, c.Warnings)
		}
	}
}

// TestLinkLocalOnEachLink holds that one link-local address may be on several links, once on each, and that routers of
// both families may share a VRID.
func TestLinkLocalOnEachLink(t *testing.T) {
	both := ipv6("a", "eth0", 51, `"fe80::100"`) + ipv6("b", "eth1", 51, `"fe80::100"`) +
		"[[vrrp]]\nname = \"c\"\ninterface = \"eth0\"\nid = 51\naddresses = [\"10.9.0.100\"]\n"
	parse(t, both)
	_, err := config.Parse("test", []byte(both+ipv6("d", "eth1", 52, `"fe80::100"`)))
	if err == nil || !strings.Contains(err.Error(), `fe80::100 is already an address of instance "b"`) {
		t.Errorf("twice on one link: %v", err)
	}
}
