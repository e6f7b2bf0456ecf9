package drive

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The same virtual router in the words of each daemon.
func TestRoutersAreConfigured(t *testing.T) {
	s := Settings{Name: "c1-d1", Routers: []Router{{
		Name: "web", VRID: 51, Version: 2, Priority: 200, Interval: time.Second, Password: "secret12",
		VIPs:    []netip.Prefix{netip.MustParsePrefix("10.9.0.100/32"), netip.MustParsePrefix("10.9.0.101/32")},
		Unicast: &Unicast{Source: netip.MustParseAddr("10.9.0.1"), Peer: netip.MustParseAddr("10.9.0.2")},
	}}}
	tests := []struct {
		daemon daemon
		want   string
	}{
		{lbha{}, `[global]
name = "c1-d1"
control = "/run/lab/c1-d1/lbha.sock"
state_dir = "/run/lab/c1-d1"
log = { level = "info", format = "text" }

[[vrrp]]
name = "web"
interface = "eth0"
id = 51
version = 2
priority = 200
interval = "1s"
addresses = ["10.9.0.100/32", "10.9.0.101/32"]
unicast = { source = "10.9.0.1", peers = ["10.9.0.2"] }
auth = { type = "pass", key = "secret12" }
`},
		{keepalived{vrrpOnly: true}, `global_defs {
    router_id c1-d1
    vrrp_rt_priority 50
    vrrp_rlimit_rttime 5000000
    vrrp_no_swap
}
vrrp_instance web {
    state BACKUP
    interface eth0
    virtual_router_id 51
    version 2
    priority 200
    advert_int 1
    unicast_src_ip 10.9.0.1
    unicast_peer {
        10.9.0.2
    }
    authentication {
        auth_type PASS
        auth_pass secret12
    }
    virtual_ipaddress {
        10.9.0.100/32
        10.9.0.101/32
    }
}
`},
		{frr{}, `hostname c1-d1
log stdout
interface eth0
 vrrp 51 version 2
 vrrp 51 priority 200
 vrrp 51 advertisement-interval 1000
 vrrp 51 ip 10.9.0.100
 vrrp 51 ip 10.9.0.101
`},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.daemon.config(s)); diff != "" {
			t.Errorf("%T: %s", tt.daemon, diff)
		}
	}
}

func TestMasterDown(t *testing.T) {
	tests := []struct {
		router     Router
		skew, down time.Duration
	}{
		{Router{Version: 2, Priority: 100, Interval: 2 * time.Second}, 609375 * time.Microsecond, 6609375 * time.Microsecond},
		{Router{Version: 3, Priority: 100, Interval: 100 * time.Millisecond}, 60937500, 360937500},
		{Router{Version: 3, Priority: 255, Interval: 256 * time.Millisecond}, time.Millisecond, 769 * time.Millisecond},
	}
	for _, tt := range tests {
		if tt.router.Skew() != tt.skew || tt.router.MasterDown() != tt.down {
			t.Errorf("%+v: skew %v, master-down %v, want %v, %v", tt.router, tt.router.Skew(), tt.router.MasterDown(), tt.skew, tt.down)
		}
	}
}
