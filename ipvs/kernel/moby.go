package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

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
