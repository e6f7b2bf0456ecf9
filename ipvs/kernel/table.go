package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/lbha/lbha/ipvs"
	"github.com/mdlayher/netlink"
)

// List implements [ipvs.Kernel].
func (c *Conn) List(ctx context.Context) (ipvs.Snapshot, error) {
	snap, err := c.list(ctx)
	if errors.Is(err, syscall.ENOENT) {
		// Not an answer that a listing can get: the family has another number
		// since the module was loaded again.
		c.Close()
		snap, err = c.list(ctx)
	}
	return snap, err
}

func (c *Conn) list(ctx context.Context) (snap ipvs.Snapshot, err error) {
	err = c.with(ctx, "list IPVS services", func(s *socket) error {
		snap, err = s.list()
		return err
	})
	return snap, err
}

func (s *socket) list() (ipvs.Snapshot, error) {
	none := ipvs.Snapshot{}
	bodies, err := s.dump(cmdGetService, nil)
	if err != nil {
		return none, err
	}
	pools := make([]ipvs.Pool, 0, len(bodies))
	stats := make(map[ipvs.Key]ipvs.PoolStats, len(bodies))
	for _, body := range bodies {
		svc, st, err := decodeService(body)
		if err != nil {
			return none, fmt.Errorf("decode a service: %w", err)
		}
		servers, serverStats, err := s.listServers(svc.Key)
		if err != nil {
			return none, fmt.Errorf("%s: %w", svc.Key, err)
		}
		pools = append(pools, ipvs.Pool{Service: svc, Servers: servers})
		stats[svc.Key] = ipvs.PoolStats{Service: st, Servers: serverStats}
	}
	return ipvs.Snapshot{Table: ipvs.NewTable(pools...), Stats: stats}, nil
}

// listServers lists the servers of a service; none if the service is gone.
func (s *socket) listServers(k ipvs.Key) ([]ipvs.Server, map[netip.AddrPort]ipvs.ServerStats, error) {
	bodies, err := s.dump(cmdGetDest, encode(func(e *netlink.AttributeEncoder) { encodeKey(e, k) }))
	if err != nil {
		return nil, nil, err
	}
	servers := make([]ipvs.Server, 0, len(bodies))
	stats := make(map[netip.AddrPort]ipvs.ServerStats, len(bodies))
	for _, body := range bodies {
		server, st, err := decodeServer(body, k.Family())
		if err != nil {
			return nil, nil, fmt.Errorf("decode a server: %w", err)
		}
		servers = append(servers, server)
		stats[server.Addr] = st
	}
	return servers, stats, nil
}

// Apply implements [ipvs.Kernel]. Many ops go in one write, in their order.
func (c *Conn) Apply(ctx context.Context, ops []ipvs.Op) error {
	if len(ops) == 0 {
		return nil
	}
	requests := make([]request, len(ops))
	for i, op := range ops {
		r, err := requestOf(op)
		if err != nil {
			return err
		}
		requests[i] = r
	}
	const what = "change the IPVS table"
	var errnos map[int]syscall.Errno
	if err := c.with(ctx, what, func(s *socket) (err error) {
		errnos, err = s.batch(requests)
		return err
	}); err != nil {
		return err
	}
	var refused []*ipvs.OpError
	for i, op := range ops {
		switch errno, ok := errnos[i]; {
		case !ok:
		case errno == syscall.EPERM:
			return fmt.Errorf("%s: %w", what, ipvs.ErrPermission)
		default:
			refused = append(refused, &ipvs.OpError{Index: i, Op: op, Err: errno})
		}
	}
	if len(refused) > 0 {
		return &ipvs.ApplyError{Refused: refused}
	}
	return nil
}

// commands are those that carry out an op.
var commands = map[ipvs.Action]uint8{
	ipvs.AddService: cmdNewService, ipvs.EditService: cmdSetService, ipvs.DeleteService: cmdDelService,
	ipvs.AddServer: cmdNewDest, ipvs.EditServer: cmdSetDest, ipvs.DeleteServer: cmdDelDest,
}

func requestOf(op ipvs.Op) (request, error) {
	cmd, ok := commands[op.Action]
	if !ok {
		return request{}, fmt.Errorf("change the IPVS table: %v is no action", op.Action)
	}
	return request{cmd, encode(func(e *netlink.AttributeEncoder) {
		switch op.Action {
		case ipvs.AddService, ipvs.EditService:
			encodeService(e, op.Service)
			return
		}
		encodeKey(e, op.Key())
		if op.Action != ipvs.DeleteService {
			encodeServer(e, op.Server, op.Action != ipvs.DeleteServer)
		}
	})}, nil
}
