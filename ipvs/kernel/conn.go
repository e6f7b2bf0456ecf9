package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/mdlayher/netlink"
)

// Options of a [Conn].
type Options struct {
	// Namespace is the path of a network namespace, as /run/netns/blue. Empty:
	// the one of the process.
	Namespace string
	// Timeout bounds each exchange with the kernel. Default 5 s; loading the
	// module of a scheduler is part of the exchange that first names it.
	Timeout time.Duration
}

const (
	defaultTimeout  = 5 * time.Second
	modprobeTimeout = 5 * time.Second
)

// Conn is a connection to the IPVS of a network namespace. It implements
// [ipvs.Kernel], and like that has one user: calls do not overlap.
type Conn struct {
	options   Options
	sock      *socket // nil: not connected
	moby      *handle // nil: not open
	modprobed bool    // loading the module was tried
}

var _ ipvs.Kernel = (*Conn)(nil)

// New returns a connection that connects when it is used.
func New(o Options) *Conn {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	return &Conn{options: o}
}

// Open returns a connection to a kernel that has IPVS and lets the caller use
// it. Errors: [ipvs.ErrUnavailable], [ipvs.ErrPermission].
func Open(ctx context.Context, o Options) (*Conn, error) {
	c := New(o)
	if _, err := c.Info(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection. The Conn may be used again, and connects again.
func (c *Conn) Close() error {
	if c.moby != nil {
		c.moby.close()
	}
	var err error
	if c.sock != nil {
		err = c.sock.Close()
	}
	c.moby, c.sock = nil, nil
	return err
}

// with runs f on a connected socket whose exchanges end with the context, or
// after the timeout. An error that is not an answer of the kernel closes the
// connection: what else is on its way would be taken for the next answer.
func (c *Conn) with(ctx context.Context, what string, f func(*socket) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if c.sock == nil {
		if err := c.connect(ctx); err != nil {
			return err
		}
	}
	c.sock.ctx = ctx
	stop := context.AfterFunc(ctx, c.sock.interrupt)
	err := f(c.sock)
	if !stop() {
		c.Close() // the interruption may yet hit the next call
	}
	return c.judge(ctx, what, err)
}

// judge gives an error its meaning, and closes the connection if need be.
func (c *Conn) judge(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	errno, answered := answer(err)
	if !answered {
		c.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	if errno == syscall.EPERM {
		return fmt.Errorf("%s: %w", what, ipvs.ErrPermission)
	}
	return fmt.Errorf("%s: %w", what, errno)
}

// answer returns the errno with which the kernel answered a request, and false
// if err is something else: a failure to ask, or to hear.
func answer(err error) (syscall.Errno, bool) {
	if e, ok := errors.AsType[*netlink.OpError](err); ok {
		err = e.Err
	}
	errno, ok := err.(syscall.Errno)
	return errno, ok
}

// connect opens the socket and finds the family, loading the module if it is
// not there.
func (c *Conn) connect(ctx context.Context) error {
	s, err := dial(c.options)
	if err != nil {
		return fmt.Errorf("connect to IPVS: %w", err)
	}
	s.ctx = ctx
	err = s.findFamily()
	hint := ""
	if errors.Is(err, os.ErrNotExist) && !c.modprobed {
		c.modprobed = true
		hint = modprobe(ctx)
		err = s.findFamily()
	}
	if err != nil {
		s.Close()
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w%s", ipvs.ErrUnavailable, hint)
		}
		return fmt.Errorf("find the IPVS family: %w", err)
	}
	c.sock = s
	return nil
}

// modprobe loads the module. What went wrong is a hint only: the module may be
// built in, or loaded by then.
func modprobe(ctx context.Context) (hint string) {
	ctx, cancel := context.WithTimeout(ctx, modprobeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "modprobe", "ip_vs").CombinedOutput()
	if err == nil {
		return ""
	}
	if text := strings.TrimSpace(string(out)); text != "" {
		return ": " + text
	}
	return fmt.Sprintf(": modprobe ip_vs: %v", err)
}
