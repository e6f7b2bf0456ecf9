package realserver

import (
	"fmt"
	"net/netip"
	"strings"
)

// table is the name of our nftables table of the family arp.
const table = "lbha_realserver"

// rules are the ARP filter for all VIPs that want one, in nft's language, or
// empty. Questions for a VIP are dropped, whoever asks. Our own questions get a
// sender of the interface on which they leave, if possible one of the network
// of the host that is asked. One that would still carry a VIP is dropped.
func rules(want []Wanted, h Host) string {
	vips := make(map[netip.Addr]bool)
	for _, w := range want {
		vips[w.VIP] = true
	}
	var names, rewrite []string
	for _, w := range want {
		if w.ARP != ByFilter || !w.quiet() {
			continue
		}
		names = append(names, w.VIP.String())
		from := fmt.Sprintf("oifname %q arp saddr ip %v", w.Interface, w.VIP)
		link, _ := h.link(w.Interface)
		first := ""
		for _, own := range link.Addrs {
			if !own.Addr().Is4() || vips[own.Addr()] {
				continue
			}
			if first == "" {
				first = fmt.Sprintf("%s arp saddr ip set %v", from, own.Addr())
			}
			rewrite = append(rewrite, fmt.Sprintf("%s arp daddr ip %v arp saddr ip set %v", from, own.Masked(), own.Addr()))
		}
		if first != "" {
			rewrite = append(rewrite, first)
		}
	}
	if names == nil {
		return ""
	}
	set := "{ " + strings.Join(names, ", ") + " }"
	rewrite = append(rewrite, "arp saddr ip "+set+" drop")
	return fmt.Sprintf(`table arp %s {
	chain input {
		type filter hook input priority 0; policy accept;
		arp daddr ip %s drop
	}
	chain output {
		type filter hook output priority 0; policy accept;
		%s
	}
}
`, table, set, strings.Join(rewrite, "\n\t\t"))
}
