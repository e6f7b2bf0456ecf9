package ipvs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Kernel is what this package asks of an IPVS table. The real one is in
// package ipvs/kernel, a fake with the same errors in ipvs/ipvstest; both pass
// ipvstest.Conformance.
//
// A Kernel has one user: calls do not overlap. Each call ends soon after its
// context does, at the latest at a deadline of the implementation's own.
type Kernel interface {
	// List reads the whole table with its counters in one pass.
	List(ctx context.Context) (Snapshot, error)
	// Apply carries out the ops in their order. An op that fails does not stop
	// those after it. The error is an *ApplyError if every op was answered and
	// some were refused; any other error leaves open which took effect.
	Apply(ctx context.Context, ops []Op) error
	// Settings reads what is not part of the table. Daemons is not nil.
	Settings(ctx context.Context) (Settings, error)
	// Configure brings about what s says, see [Settings], and touches nothing
	// that already is so.
	Configure(ctx context.Context, s Settings) error
}

// Errors of a [Kernel] that concern it as a whole, for errors.Is.
var (
	// ErrUnavailable: the kernel has no IPVS, and none could be loaded.
	ErrUnavailable = errors.New("the kernel has no IPVS (module ip_vs)")
	// ErrPermission: the caller lacks CAP_NET_ADMIN in the network namespace.
	ErrPermission = errors.New("no permission to use IPVS (CAP_NET_ADMIN)")
)

// OpError is an op that the kernel refused. Err is its errno, as a
// syscall.Errno.
type OpError struct {
	Index int // in the slice given to Apply
	Op    Op
	Err   error
}

// Error names the op, as an action and as a rule, the errno, and the module that
// it means.
func (e *OpError) Error() string {
	return fmt.Sprintf("%s (%s): %v%s", e.Op.Action, e.Op, e.Err, e.missing())
}

// missing names what the kernel lacks. It loads the modules of schedulers and
// engines by itself (ip_vs_scheduler_get in net/netfilter/ipvs/ip_vs_sched.c), so
// ENOENT for a service means that there are none to load.
func (e *OpError) missing() string {
	s := e.Op.Service
	switch {
	case !errors.Is(e.Err, syscall.ENOENT) || e.Op.Action != AddService && e.Op.Action != EditService:
		return ""
	case s.Engine != "":
		return fmt.Sprintf(": the kernel has no module ip_vs_%s, or no ip_vs_pe_%s", s.Scheduler, s.Engine)
	}
	return fmt.Sprintf(": the kernel has no module ip_vs_%s", s.Scheduler)
}

// Unwrap returns the errno.
func (e *OpError) Unwrap() error { return e.Err }

// ApplyError are the ops of one Apply that the kernel refused, in their order.
// The others took effect.
type ApplyError struct {
	Refused []*OpError // never empty
}

// Error lists the first refusals and counts the rest.
func (e *ApplyError) Error() string {
	const shown = 3
	var b strings.Builder
	for i, r := range e.Refused {
		if i == shown {
			fmt.Fprintf(&b, "; and %d more", len(e.Refused)-shown)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(r.Error())
	}
	return b.String()
}

// Unwrap lets errors.Is find an errno among the refusals.
func (e *ApplyError) Unwrap() []error {
	errs := make([]error, len(e.Refused))
	for i, r := range e.Refused {
		errs[i] = r
	}
	return errs
}
