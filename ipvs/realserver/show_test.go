package realserver

import (
	"errors"
	"strings"
	"testing"
)

func TestShow(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	s := New(f, dir)
	if _, err := s.Show(t.Context()); !errors.Is(err, ErrNothing) {
		t.Errorf("without state: %v", err)
	}
	f.host.Sysctls["net/ipv4/conf/all/arp_ignore"] = "1"
	reports, err := s.Show(t.Context(), want(t, "192.0.2.1 tun"), want(t, "192.0.2.2 dr arp filter"), want(t, "2001:db8::1 dr"), want(t, "192.0.2.9 nat director 10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range reports {
		lines = append(lines, r.VIP.String()+" "+r.Mode.String()+" "+r.Interface)
		for _, fd := range r.Findings {
			if fd.OK {
				lines = append(lines, "ok "+fd.Text)
			} else {
				lines = append(lines, "WRONG "+fd.Text, "  "+fd.Fix)
			}
		}
	}
	same(t, "findings", `192.0.2.1 tun eth0
ok interface eth0 speaks ARP with an address of its own
ok 192.0.2.1 is on no interface where it does harm
ok net/ipv4/conf/all/arp_ignore is 1
WRONG net/ipv4/conf/all/arp_announce is 0: its own ARP requests carry the VIP
  sysctl -w net/ipv4/conf/all/arp_announce=2
WRONG net/ipv4/conf/eth0/arp_ignore is 0: the host answers ARP for the VIP
  sysctl -w net/ipv4/conf/eth0/arp_ignore=1
WRONG net/ipv4/conf/eth0/arp_announce is 0: its own ARP requests carry the VIP
  sysctl -w net/ipv4/conf/eth0/arp_announce=2
WRONG interface tunl0 is absent: the module ipip is not loaded
  modprobe ipip
WRONG 192.0.2.1/32 is not on tunl0: the host drops packets to the VIP
  ip address add 192.0.2.1/32 dev tunl0
192.0.2.2 dr eth0
ok interface eth0 speaks ARP with an address of its own
ok 192.0.2.2 is on no interface where it does harm
WRONG nftables table arp lbha_realserver is missing: the host may answer ARP for the VIP
  lbha realserver up --vip 192.0.2.2 --mode dr --interface eth0 --arp filter
ok interface lo is up
WRONG 192.0.2.2/32 is not on lo: the host drops packets to the VIP
  ip address add 192.0.2.2/32 dev lo
192.0.2.9 nat 
ok 192.0.2.9 is on no interface where it does harm
ok the ipv4 default route leads to the director 10.0.0.1
2001:db8::1 dr 
ok 2001:db8::1 is on no interface where it does harm
ok no proxy entry answers neighbour solicitations for 2001:db8::1
ok net/ipv6/conf/lo/disable_ipv6 is 0
ok interface lo is up
WRONG 2001:db8::1/128 is not on lo: the host drops packets to the VIP
  ip address add 2001:db8::1/128 dev lo nodad preferred_lft 0`, strings.Join(lines, "\n"))
	if f.steps > 0 || file(t, dir) != "" {
		t.Error("show changed something")
	}
}
