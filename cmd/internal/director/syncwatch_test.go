package director

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/synced"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// Who is known, and whether another may have something to tell, is what the elector says; where we synchronise is the configuration's.
func TestSyncSelf(t *testing.T) {
	peer := netip.MustParseAddr("10.9.0.1")
	v := &view{cfg: &config.Config{Instances: []config.Instance{{Name: "web", Interface: "eth0"}}}}
	d := new(director)
	check := func(name string, want synced.Self) {
		t.Helper()
		d.board.view.Store(v)
		if diff := cmp.Diff(want, d.syncSelf(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	check("nothing is synchronised", synced.Self{})
	v.cfg.Global.IPVS.Sync = &config.Sync{Interface: "eth0", ID: 51}
	check("the elector has not spoken", synced.Self{Interface: "eth0", ID: 51, Shared: true})
	v.vrrp.Instances = []link.InstanceState{{Name: "web", State: vrrp.Backup, Peers: []vrrp.Peer{{Address: peer}}}}
	check("a backup", synced.Self{Interface: "eth0", ID: 51, Shared: true, Others: []netip.Addr{peer}})
	v.vrrp.Instances[0].State = vrrp.Master
	v.cfg.Global.IPVS.Sync.Interface = "eth1"
	check("a master with an interface for it", synced.Self{Interface: "eth1", ID: 51, Others: []netip.Addr{peer}, Serves: true})
	d.tableless = true
	check("without IPVS", synced.Self{})
}
