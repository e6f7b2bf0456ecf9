package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/mdlayher/netlink"
	moby "github.com/moby/ipvs"
)

// Settings implements [ipvs.Kernel].
func (c *Conn) Settings(ctx context.Context) (ipvs.Settings, error) {
	t, err := callMoby(ctx, c, "read the IPVS timeouts", (*moby.Handle).GetConfig)
	if err != nil {
		return ipvs.Settings{}, err
	}
	daemons, err := c.daemons(ctx)
	return ipvs.Settings{
		Timeouts: ipvs.Timeouts{TCP: t.TimeoutTCP, TCPFin: t.TimeoutTCPFin, UDP: t.TimeoutUDP},
		Daemons:  daemons,
	}, err
}

// Configure implements [ipvs.Kernel].
func (c *Conn) Configure(ctx context.Context, want ipvs.Settings) error {
	have, err := c.Settings(ctx)
	if err != nil {
		return err
	}
	missing := have.Missing(want)
	if t := missing.Timeouts; t != (ipvs.Timeouts{}) {
		for _, d := range []time.Duration{t.TCP, t.TCPFin, t.UDP} {
			if d%time.Second != 0 || d < 0 {
				return fmt.Errorf("set the IPVS timeouts: %v is not a number of whole seconds", d)
			}
		}
		_, err := callMoby(ctx, c, "set the IPVS timeouts", func(h *moby.Handle) (none struct{}, err error) {
			return none, h.SetConfig(&moby.Config{TimeoutTCP: t.TCP, TimeoutTCPFin: t.TCPFin, TimeoutUDP: t.UDP})
		})
		if err != nil {
			return err
		}
	}
	if missing.Daemons == nil {
		return nil
	}
	return c.replaceDaemons(ctx, have, missing.Daemons)
}

// replaceDaemons stops the daemons that are not wanted and starts those that
// are missing. The kernel cannot change a running one.
func (c *Conn) replaceDaemons(ctx context.Context, have ipvs.Settings, want []ipvs.Daemon) error {
	for _, d := range have.Daemons {
		if slices.ContainsFunc(want, d.Satisfies) {
			continue
		}
		if err := c.stopDaemon(ctx, d); err != nil {
			return err
		}
	}
	for _, w := range want {
		if slices.ContainsFunc(have.Daemons, func(d ipvs.Daemon) bool { return d.Satisfies(w) }) {
			continue
		}
		err := c.command(ctx, fmt.Sprintf("start the IPVS sync %s on %s", w.Role, w.Interface), cmdNewDaemon,
			encode(func(e *netlink.AttributeEncoder) { encodeDaemon(e, w, true) }))
		if errors.Is(err, syscall.EINVAL) && c.crossesFamilies(ctx) {
			return fmt.Errorf("%w: the table has a server of another family than its service's, which may be one that drains", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// crossesFamilies reports whether the table has what no daemon can tell of.
func (c *Conn) crossesFamilies(ctx context.Context) bool {
	snap, err := c.List(ctx)
	if err != nil {
		return false // the refusal is the news
	}
	for k, p := range snap.Table {
		if slices.ContainsFunc(p.Servers, func(s ipvs.Server) bool { return s.Addr.Addr().Is4() != (k.Family() == ipvs.IPv4) }) {
			return true
		}
	}
	return false
}

// stopDaemon stops a daemon. It asks for no acknowledgement, and lists the
// daemons instead: one that is stopped before its thread first ran ends with
// EINTR, and netlink swallows that error and the acknowledgement with it.
func (c *Conn) stopDaemon(ctx context.Context, d ipvs.Daemon) error {
	what := fmt.Sprintf("stop the IPVS sync %s", d.Role)
	return c.with(ctx, what, func(s *socket) error {
		s.arm()
		attrs := encode(func(e *netlink.AttributeEncoder) { encodeDaemon(e, d, false) })
		if _, err := s.Send(s.message(cmdDelDaemon, attrs, 0)); err != nil {
			return err
		}
		left, err := s.daemons() // an error of the stop comes first
		if err != nil {
			c.Close() // the listing is still to come
			return err
		}
		if slices.ContainsFunc(left, func(o ipvs.Daemon) bool { return o.Role == d.Role }) {
			return errors.New("it still runs")
		}
		return nil
	})
}

func (c *Conn) daemons(ctx context.Context) (daemons []ipvs.Daemon, err error) {
	err = c.with(ctx, "list the IPVS sync daemons", func(s *socket) error {
		daemons, err = s.daemons()
		return err
	})
	return daemons, err
}

// daemons lists the daemons; the list is not nil.
func (s *socket) daemons() ([]ipvs.Daemon, error) {
	bodies, err := s.dump(cmdGetDaemon, nil)
	if err != nil {
		return nil, err
	}
	daemons := make([]ipvs.Daemon, len(bodies))
	for i, body := range bodies {
		if daemons[i], err = decodeDaemon(body); err != nil {
			return nil, fmt.Errorf("decode a daemon: %w", err)
		}
	}
	return daemons, nil
}

// command carries out one command that has no reply.
func (c *Conn) command(ctx context.Context, what string, cmd uint8, attrs []byte) error {
	return c.with(ctx, what, func(s *socket) error {
		_, err := s.ask(cmd, attrs, netlink.Acknowledge)
		return err
	})
}

// Info is the version of the kernel's IPVS and the number of buckets of its
// connection table.
type Info struct {
	Major, Minor, Patch uint8
	ConnectionTableSize uint32
}

// String returns the version: "1.2.1".
func (i Info) String() string { return fmt.Sprintf("%d.%d.%d", i.Major, i.Minor, i.Patch) }

// Info asks the kernel for its version of IPVS.
func (c *Conn) Info(ctx context.Context) (Info, error) {
	var info Info
	err := c.with(ctx, "read the IPVS version", func(s *socket) error {
		bodies, err := s.ask(cmdGetInfo, nil, 0)
		if err != nil {
			return err
		}
		for _, body := range bodies {
			d, err := netlink.NewAttributeDecoder(body)
			if err != nil {
				return err
			}
			for d.Next() {
				switch d.Type() {
				case infoAttrVersion:
					v := d.Uint32()
					info.Major, info.Minor, info.Patch = uint8(v>>16), uint8(v>>8), uint8(v)
				case infoAttrConnSize:
					info.ConnectionTableSize = d.Uint32()
				}
			}
			if err := d.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	return info, err
}

// Zero sets the counters of a service and its servers to 0; of all, for the zero
// Key. The kernel's answer for a service that is not there is ESRCH.
func (c *Conn) Zero(ctx context.Context, k ipvs.Key) error {
	var attrs []byte
	if k.IsValid() {
		attrs = encode(func(e *netlink.AttributeEncoder) { encodeKey(e, k) })
	}
	return c.command(ctx, "zero the IPVS counters", cmdZero, attrs)
}

// Flush deletes every service, whoever made it. The open connections of all of
// them break.
func (c *Conn) Flush(ctx context.Context) error {
	_, err := callMoby(ctx, c, "flush IPVS", func(h *moby.Handle) (none struct{}, err error) {
		return none, h.Flush()
	})
	return err
}
