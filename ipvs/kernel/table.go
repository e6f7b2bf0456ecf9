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

// Apply implements [ipvs.Kernel]. Ops on services go one by one, ops on servers
// many at once; the order is kept.
func (c *Conn) Apply(ctx context.Context, ops []ipvs.Op) error {
	var refused []*ipvs.OpError
	for i := 0; i < len(ops); {
		if !onServer(ops[i]) {
			errno, err := c.applyService(ctx, ops[i])
			if err != nil {
				return err
			}
			if errno != 0 {
				refused = append(refused, &ipvs.OpError{Index: i, Op: ops[i], Err: errno})
			}
			i++
			continue
		}
		end := i
		for end < len(ops) && onServer(ops[end]) {
			end++
		}
		errnos, err := c.applyServers(ctx, ops[i:end])
		if err != nil {
			return err
		}
		for j := i; j < end; j++ {
			if errno, ok := errnos[j-i]; ok {
				refused = append(refused, &ipvs.OpError{Index: j, Op: ops[j], Err: errno})
			}
		}
		i = end
	}
	if len(refused) > 0 {
		return &ipvs.ApplyError{Refused: refused}
	}
	return nil
}

func onServer(op ipvs.Op) bool {
	switch op.Action {
	case ipvs.AddServer, ipvs.EditServer, ipvs.DeleteServer:
		return true
	}
	return false
}

func (c *Conn) applyServers(ctx context.Context, ops []ipvs.Op) (errnos map[int]syscall.Errno, err error) {
	requests := make([]request, len(ops))
	for i, op := range ops {
		requests[i] = serverRequest(op)
	}
	const what = "change IPVS servers"
	err = c.with(ctx, what, func(s *socket) error {
		errnos, err = s.batch(requests)
		return err
	})
	for _, errno := range errnos {
		if errno == syscall.EPERM {
			return nil, fmt.Errorf("%s: %w", what, ipvs.ErrPermission)
		}
	}
	return errnos, err
}

func serverRequest(op ipvs.Op) request {
	r := request{cmd: cmdDelDest}
	switch op.Action {
	case ipvs.AddServer:
		r.cmd = cmdNewDest
	case ipvs.EditServer:
		r.cmd = cmdSetDest
	}
	r.attrs = encode(func(e *netlink.AttributeEncoder) {
		encodeKey(e, op.Key())
		encodeServer(e, op.Server, op.Action != ipvs.DeleteServer)
	})
	return r
}
