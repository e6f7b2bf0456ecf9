package director

import (
	"errors"
	"testing"

	"github.com/lbha/lbha/ipvs"
)

// Each event of the table says what happened; only what is wrong is a warning.
func TestTableEvents(t *testing.T) {
	ops := []ipvs.Op{{Action: ipvs.DeleteService, Service: ipvs.Service{Key: ipvs.MarkKey(1, ipvs.IPv4)}}}
	for _, tt := range []struct {
		ev   ipvs.Event
		want string
		warn bool
	}{
		{ipvs.Event{Kind: ipvs.EventApplied, Cause: ipvs.CauseChange, Ops: ops}, "1 operations applied, because of change: -D -f 1", false},
		{ipvs.Event{Kind: ipvs.EventDrift, Ops: ops}, "somebody else changed the table; 1 operations repair it: -D -f 1", true},
		{ipvs.Event{Kind: ipvs.EventForeign, Keys: []ipvs.Key{ipvs.MarkKey(2, ipvs.IPv6)}}, "services of other programs are left alone: [fwmark/2/ipv6]", false},
		{ipvs.Event{Kind: ipvs.EventSettings, Cause: ipvs.CauseStartup, Settings: ipvs.Settings{Daemons: []ipvs.Daemon{{Role: ipvs.SyncMaster, Interface: "eth0", ID: 51}}}},
			"settings changed, because of startup: --start-daemon master --mcast-interface eth0 --syncid 51", false},
		{ipvs.Event{Kind: ipvs.EventAvailable}, "the kernel's IPVS is there again", false},
		{ipvs.Event{Kind: ipvs.EventRefused, Err: errors.New("no such scheduler"), Ops: ops}, "operation-refused: no such scheduler: -D -f 1", true},
	} {
		if e := tableEvent(tt.ev); e.Message != tt.want || e.Warn != tt.warn || e.Reason != string(tt.ev.Kind) {
			t.Errorf("%s: %q, warning %v; want %q, %v", e.Reason, e.Message, e.Warn, tt.want, tt.warn)
		}
	}
}
