package director

import (
	"slices"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/cmd/internal/synced"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// newSyncWatch makes what finds out whether the directors synchronise connections with each other. It runs on its own, and
// changes nothing.
func newSyncWatch(d *director) *synced.Watch {
	return synced.New(synced.Options{
		Self:   d.syncSelf,
		Listen: func(ifname string) (synced.Source, error) { return synced.Listen(ifname) },
		Tell: func(f synced.Finding, gone bool) {
			e := observe.Event{Kind: "finding", Object: f.Object, Reason: f.Reason, Message: f.Message, Warn: true}
			if gone {
				e.Message, e.Warn = "no longer seen: "+f.Message, false
			}
			d.record(e)
		},
	})
}

// syncSelf is what we know of ourselves and of the others, as published last.
func (d *director) syncSelf() synced.Self {
	v := d.board.view.Load()
	if v == nil || v.cfg.Global.IPVS.Sync == nil || d.tableless {
		return synced.Self{}
	}
	s := v.cfg.Global.IPVS.Sync
	self := synced.Self{
		Interface: s.Interface, ID: s.ID,
		Shared: slices.ContainsFunc(v.cfg.Instances, func(in config.Instance) bool { return in.Interface == s.Interface }),
		Serves: len(v.vrrp.Instances) > 0,
	}
	for _, in := range v.vrrp.Instances {
		self.Serves = self.Serves && in.State == vrrp.Master
		for _, p := range in.Peers {
			self.Others = append(self.Others, p.Address)
		}
	}
	return self
}

// syncFindings is what is wrong now.
func (d *director) syncFindings() (found []observe.Finding) {
	for _, f := range d.syncWatch.Findings() {
		found = append(found, observe.Finding{Object: f.Object, Reason: f.Reason, Message: f.Message})
	}
	return found
}
