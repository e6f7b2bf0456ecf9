package director

import (
	"context"
	"errors"
	"fmt"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/vrrp"
)

// Failover hands instances over. It implements admin.Backend.
func (d *director) Failover(ctx context.Context, req admin.FailoverRequest) error {
	var err error
	doErr := d.do(ctx, func() {
		if err = d.canHandOver(req); err != nil {
			return
		}
		err = d.elector.conn.Send(link.Message{HandOver: &link.HandOver{Instance: req.Instance, Lift: req.Lift}})
		if err == nil {
			d.recordFailover(req)
		}
	})
	return errors.Join(doErr, err)
}

// recordFailover tells each instance's story of the order.
func (d *director) recordFailover(req admin.FailoverRequest) {
	message := "hand-over asked for"
	if req.Lift {
		message = "the order to stay out was lifted"
	}
	for _, in := range d.vrrp.Instances {
		if in.Name == req.Instance || req.Instance == "" && (req.Lift || in.State == vrrp.Master) {
			d.record(observe.Event{Kind: "operation", Object: in.Name, Reason: "failover", Message: message})
		}
	}
}

// canHandOver says why a hand-over, as far as is known here, would do nothing.
func (d *director) canHandOver(req admin.FailoverRequest) error {
	known, master, state := req.Instance == "", false, vrrp.Initialize
	for _, in := range d.cfg.Instances {
		known = known || in.Name == req.Instance
	}
	for _, in := range d.vrrp.Instances {
		if req.Instance == "" || in.Name == req.Instance {
			state, master = in.State, master || in.State == vrrp.Master
		}
	}
	switch {
	case !known:
		return fmt.Errorf("no instance %q in the configuration", req.Instance)
	case req.Lift || master:
		return nil
	case req.Instance == "":
		return errors.New("no instance is master here: there is nothing to hand over")
	}
	return fmt.Errorf("instance %s is %s here: there is nothing to hand over", req.Instance, state)
}
