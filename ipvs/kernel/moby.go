package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/lbha/lbha/ipvs"
	moby "github.com/moby/ipvs"
	"github.com/sirupsen/logrus"
)

// errStale is a handle that does not reach the kernel's IPVS though the family
// is there.
var errStale = errors.New("moby/ipvs does not reach the kernel's IPVS: it looks the family up once in the life of a process, and the module was loaded again since; restart this program")

// handle is a moby/ipvs handle. Its methods run on goroutines of their own, one
// at a time, because they know no deadline.
type handle struct{ *moby.Handle }

// openHandle opens a handle and has it prove that it reaches the kernel.
func openHandle(namespace string) (h *handle, err error) {
	// The first New of a process runs modprobe and logs through logrus's global
	// logger. We know by then that IPVS is there, and nobody else uses logrus.
	logrus.SetOutput(io.Discard)
	m, err := moby.New(namespace)
	if err != nil {
		return nil, err
	}
	h = &handle{m}
	defer func() {
		if recover() != nil { // GetConfig does, if moby has no family number
			h.Handle.Close()
			h, err = nil, errStale
		}
	}()
	if _, err := m.GetConfig(); errors.Is(err, syscall.ENOENT) {
		m.Close()
		return nil, errStale
	}
	return h, nil
}

// close ends the handle and makes a call that waits in it return. It does not
// wait itself: the kernel may still be busy with that call.
func (h *handle) close() { go h.Handle.Close() }

// callMoby runs f with a handle. A call that is not done when the context ends,
// or after the timeout, is given up together with its handle.
func callMoby[T any](ctx context.Context, c *Conn, what string, f func(*moby.Handle) (T, error)) (T, error) {
	var none T
	// The supplement finds the family, or loads the module, first: without it
	// moby reports success.
	if err := c.with(ctx, what, func(*socket) error { return nil }); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	type result struct {
		handle *handle
		value  T
		err    error
	}
	done := make(chan result, 1)
	go func(h *handle) {
		r := result{handle: h}
		if r.handle == nil {
			r.handle, r.err = openHandle(c.options.Namespace)
		}
		if r.err == nil {
			r.value, r.err = f(r.handle.Handle)
		}
		done <- r
	}(c.moby)
	select {
	case r := <-done:
		c.moby = r.handle
		return r.value, c.judge(ctx, what, r.err)
	case <-ctx.Done():
		if c.moby != nil {
			c.moby.close() // makes the call return
		}
		c.moby = nil
		go func() {
			if r := <-done; r.handle != nil {
				r.handle.close()
			}
		}()
		return none, fmt.Errorf("%s: %w", what, ctx.Err())
	}
}

// applyService makes, edits or deletes a service. It returns the errno with
// which the kernel refused, or 0.
func (c *Conn) applyService(ctx context.Context, op ipvs.Op) (syscall.Errno, error) {
	s := toMoby(op.Service)
	return callMoby(ctx, c, "change IPVS services", func(h *moby.Handle) (syscall.Errno, error) {
		var err error
		switch op.Action {
		case ipvs.AddService:
			err = h.NewService(s)
		case ipvs.EditService:
			err = h.UpdateService(s)
		case ipvs.DeleteService:
			err = h.DelService(s)
		default:
			return 0, fmt.Errorf("%v is no op on a service", op.Action)
		}
		if errno, ok := answer(err); ok && errno != syscall.EPERM {
			return errno, nil
		}
		return 0, err
	})
}

// toMoby writes every field: what is left out is reset. The persistence mask is
// never 0 by default, which the kernel refuses for IPv6, and for IPv4 would bind
// all clients to one server.
func toMoby(s ipvs.Service) *moby.Service {
	k := s.Key
	m := &moby.Service{
		AddressFamily: familyNumber(k.Family()),
		FWMark:        k.Mark(),
		SchedName:     string(s.Scheduler),
		PEName:        s.Engine,
		Flags:         uint32(s.Flags) << schedulerShift,
		Netmask:       uint32(ipvs.HostNetmask(k.Family())),
	}
	if k.Mark() == 0 {
		m.Protocol = uint16(k.Protocol())
		m.Address = net.IP(k.Addr().Addr().AsSlice())
		m.Port = k.Addr().Port()
	}
	if s.OnePacket {
		m.Flags |= flagOnePacket
	}
	if s.Persistence != 0 {
		m.Flags |= flagPersistent
		m.Timeout = uint32(s.Persistence.Seconds())
		m.Netmask = uint32(s.Netmask)
	}
	if k.Family() == ipvs.IPv4 {
		m.Netmask = uint32(maskFromKernel(ipvs.Netmask(m.Netmask)))
	}
	return m
}
