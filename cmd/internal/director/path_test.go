package director

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/ipvs"
)

const throughServices = `[[service]]
name = "www"
address = "10.9.0.100:80"
forward = "dr"
[service.check]
type = "tcp"
through = "vip"
[[service.server]]
address = "10.9.0.3"
[[service.server]]
address = "10.9.0.4"
check = { type = "icmp" }
[[service]]
name = "api"
addresses = ["10.9.0.100:8080", "10.9.0.101:8080"]
forward = "dr"
[[service.checks]]
type = "http"
through = "vip"
[[service.checks]]
type = "tcp"
through = "vip"
port = 8081
[[service.server]]
address = "10.9.0.3"
[[service]]
name = "far"
address = "10.9.0.100:25"
forward = "tun"
tunnel = { type = "gre" }
[service.check]
type = "tcp"
through = "vip"
[[service.server]]
address = "10.9.0.3"
`

// TestPaths: which probes go the way of the traffic, and what the table has for them. Two services share a path.
func TestPaths(t *testing.T) {
	pools, checks, err := newPools(parse(t, throughServices), saved{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, c := range checks {
		got.WriteString(c.ID + " asks " + c.Target + "\n")
	}
	got.WriteString(withPaths(pools, ipvs.Table{}).String())
	want := `www/10.9.0.3:80/tcp asks 10.9.0.100:80
www/10.9.0.4:80/icmp asks 10.9.0.4:80
api/10.9.0.3:8080/http asks 10.9.0.100:8080
api/10.9.0.3:8080/tcp#2 asks 10.9.0.100:8081
far/10.9.0.3:25/tcp asks 10.9.0.100:25
-A -f 1824142171 -s rr -o
-a -f 1824142171 -r 10.9.0.3:0 -i --tun-type gre -w 1
-A -f 1828311565 -s rr -o
-a -f 1828311565 -r 10.9.0.3:0 -g -w 1
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestMarks: a mark is the path's own, whatever else there is; none is used twice or for something else.
func TestMarks(t *testing.T) {
	all := newMarks(parse(t, throughServices))
	if len(all) != 2 {
		t.Fatalf("%v", all)
	}
	first, _, _ := strings.Cut(throughServices, "[[service]]\nname = \"api\"")
	alone := newMarks(parse(t, first))
	for p, mark := range alone {
		if all[p] != mark || mark&^markMask != markBase {
			t.Errorf("%v: %#x alone, %#x among others", p, mark, all[p])
		}
		taken := parse(t, first+"[[service]]\nname = \"marked\"\nfwmark = "+ipvs.Weight(mark).String()+"\n[[service.server]]\naddress = \"10.9.0.5:80\"\n")
		if next := newMarks(taken)[p]; next != markBase|(mark+1)&markMask {
			t.Errorf("%#x is taken, and the next is %#x", mark, next)
		}
	}
}
