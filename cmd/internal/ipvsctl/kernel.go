package ipvsctl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/kernel"
)

// Kernel is what the commands ask of IPVS; *kernel.Conn has it.
type Kernel interface {
	List(ctx context.Context) (ipvs.Snapshot, error)
	Apply(ctx context.Context, ops []ipvs.Op) error
	Settings(ctx context.Context) (ipvs.Settings, error)
	Info(ctx context.Context) (kernel.Info, error)
	Zero(ctx context.Context, k ipvs.Key) error
	Flush(ctx context.Context) error
}

// Result is what came of ops.
type Result struct {
	Operations []ipvs.Op `json:"operations"` // those that were to be done; not nil
	DryRun     bool      `json:"dry_run"`    // nothing was done
	Refused    []Refusal `json:"refused,omitempty"`
}

// Done returns the number of ops that took effect.
func (r Result) Done() int {
	if r.DryRun {
		return 0
	}
	n := len(r.Operations)
	for _, x := range r.Refused {
		n -= 1 + x.Followers
	}
	return n
}

// Refusal is an op that the kernel refused.
type Refusal struct {
	Line      int     `json:"line,omitempty"` // of the rule that asked for it, from 1
	Operation ipvs.Op `json:"operation"`
	Reason    string  `json:"reason"`
	Followers int     `json:"followers,omitempty"` // servers that could not be added because their service was not
}

// String returns the refusal on one line, with the place of its rule.
func (r Refusal) String() string {
	var b strings.Builder
	if r.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", r.Line)
	}
	fmt.Fprintf(&b, "%s: refused by the kernel: %s", r.Operation, r.Reason)
	if r.Followers > 0 {
		fmt.Fprintf(&b, " (and so %s of it)", plural(r.Followers, "server"))
	}
	return b.String()
}

// Carry carries the ops out. What the kernel refuses is part of the result, and no error: the other ops took effect.
func Carry(ctx context.Context, k Kernel, ops []ipvs.Op) (Result, error) {
	r := Result{Operations: append([]ipvs.Op{}, ops...)}
	if len(ops) == 0 {
		return r, nil
	}
	err := k.Apply(ctx, ops)
	if refused, ok := errors.AsType[*ipvs.ApplyError](err); ok {
		r.Refused = refusals(refused.Refused)
		return r, nil
	}
	return r, err
}

// refusals explains the errors. The servers of a service that was refused are counted, not listed.
func refusals(errs []*ipvs.OpError) []Refusal {
	var list []Refusal
	missing := map[ipvs.Key]int{} // service that could not be added: its place in list
	for _, e := range errs {
		i, follows := missing[e.Op.Key()]
		if follows && e.Op.Action == ipvs.AddServer && errors.Is(e.Err, syscall.ESRCH) {
			list[i].Followers++
			continue
		}
		if e.Op.Action == ipvs.AddService {
			missing[e.Op.Key()] = len(list)
		}
		list = append(list, Refusal{Operation: e.Op, Reason: reason(e.Op, e.Err)})
	}
	return list
}

// reason says what an errno means for an op, and what to do.
func reason(op ipvs.Op, err error) string {
	onServer := op.Action == ipvs.AddServer || op.Action == ipvs.EditServer || op.Action == ipvs.DeleteServer
	s := op.Service
	switch {
	case errors.Is(err, syscall.ESRCH):
		return "there is no such service"
	case errors.Is(err, syscall.EEXIST) && onServer:
		return "the service has this server already; edit it"
	case errors.Is(err, syscall.EEXIST):
		return "there is such a service already; edit it"
	case errors.Is(err, syscall.ENOENT) && onServer:
		return "the service has no such server"
	case errors.Is(err, syscall.ENOENT) && s.Engine != "":
		return fmt.Sprintf("the kernel does not have the scheduler %q or the persistence engine %q; try \"modprobe -a ip_vs_%s ip_vs_pe_%s\"", s.Scheduler, s.Engine, s.Scheduler, s.Engine)
	case errors.Is(err, syscall.ENOENT):
		return fmt.Sprintf("the kernel does not have the scheduler %q; try \"modprobe ip_vs_%s\"", s.Scheduler, s.Scheduler)
	case errors.Is(err, syscall.ERANGE):
		return "the lower threshold is above the upper, or the weight above 2147483647"
	case errors.Is(err, syscall.EINVAL) && onServer && op.Server.Addr.Addr().Is4() != (op.Key().Family() == ipvs.IPv4):
		return "a server of the other address family needs tunnelling (-i), and no sync daemon that runs"
	case errors.Is(err, syscall.EINVAL) && onServer:
		return "the address is none of a server: it is not unicast, or no interface of this network namespace is up"
	}
	return err.Error()
}

// Advise adds to an error of a Kernel what can be done about it.
func Advise(err error) error {
	switch {
	case errors.Is(err, ipvs.ErrUnavailable):
		return fmt.Errorf("%w; load it with \"modprobe ip_vs\"; if there is no such module, the kernel's package of modules is missing", err)
	case errors.Is(err, ipvs.ErrPermission):
		return fmt.Errorf("%w; run this as root", err)
	}
	return err
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
