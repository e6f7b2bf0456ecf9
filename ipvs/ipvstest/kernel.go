package ipvstest

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// Kernel is an IPVS in memory. It may be used by several goroutines.
type Kernel struct {
	mu       sync.Mutex
	table    ipvs.Table
	stats    map[ipvs.Key]ipvs.PoolStats
	settings ipvs.Settings
	ops      []ipvs.Op
	counts   Counts
	fail     error
	hang     bool
	refuse   func(ipvs.Op) error
	watch    func(op ipvs.Op, before, after ipvs.Table)
}

// Counts are the calls that a [Kernel] got.
type Counts struct {
	Lists, Applies, Configures int
}

var _ ipvs.Kernel = (*Kernel)(nil)

// NewKernel returns an empty kernel with the kernel's default timeouts.
func NewKernel() *Kernel {
	return &Kernel{
		table: ipvs.Table{},
		stats: map[ipvs.Key]ipvs.PoolStats{},
		settings: ipvs.Settings{
			Timeouts: ipvs.Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute},
			Daemons:  []ipvs.Daemon{},
		},
	}
}

// Table returns the table.
func (k *Kernel) Table() ipvs.Table {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table.Clone()
}

// Ops returns the ops that Apply was given and did not refuse, oldest first.
func (k *Kernel) Ops() []ipvs.Op {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.ops)
}

// Counts returns the number of calls.
func (k *Kernel) Counts() Counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counts
}

// Foreign carries out ops as another program would: they are not counted, and
// no fault meets them. It panics if one is refused.
func (k *Kernel) Foreign(ops ...ipvs.Op) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, op := range ops {
		if errno := k.do(op); errno != 0 {
			panic(fmt.Sprintf("ipvstest: %s: %v", op, errno))
		}
	}
}

// SetStats sets the counters of a service and its servers. Those of a server, or
// service, are lost when it is deleted.
func (k *Kernel) SetStats(key ipvs.Key, s ipvs.PoolStats) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stats[key] = s
}

// Fail makes every call fail with err; nil ends it.
func (k *Kernel) Fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

// Hang makes every call wait for the end of its context.
func (k *Kernel) Hang(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hang = on
}

// Refuse makes Apply refuse the ops for which f returns an error; nil ends it.
func (k *Kernel) Refuse(f func(ipvs.Op) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refuse = f
}

// Watch calls f for each op of Apply that takes effect, with the table before
// and after it.
func (k *Kernel) Watch(f func(op ipvs.Op, before, after ipvs.Table)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watch = f
}

// enter is the beginning of every call.
func (k *Kernel) enter(ctx context.Context) error {
	k.mu.Lock()
	hang, fail := k.hang, k.fail
	k.mu.Unlock()
	if hang {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fail
}

// List implements [ipvs.Kernel].
func (k *Kernel) List(ctx context.Context) (ipvs.Snapshot, error) {
	if err := k.enter(ctx); err != nil {
		return ipvs.Snapshot{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts.Lists++
	snap := ipvs.Snapshot{Table: k.table.Clone(), Stats: map[ipvs.Key]ipvs.PoolStats{}}
	for key, p := range k.table {
		st := ipvs.PoolStats{Service: k.stats[key].Service, Servers: map[netip.AddrPort]ipvs.ServerStats{}}
		for _, s := range p.Servers {
			st.Servers[s.Addr] = k.stats[key].Servers[s.Addr]
		}
		snap.Stats[key] = st
	}
	return snap, nil
}

// Apply implements [ipvs.Kernel].
func (k *Kernel) Apply(ctx context.Context, ops []ipvs.Op) error {
	if err := k.enter(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts.Applies++
	var refused []*ipvs.OpError
	for i, op := range ops {
		var err error
		if k.refuse != nil {
			err = k.refuse(op)
		}
		if err == nil {
			before := k.table
			if errno := k.do(op); errno != 0 {
				err = errno
			} else if k.watch != nil {
				k.watch(op, before, k.table)
			}
		}
		if err != nil {
			refused = append(refused, &ipvs.OpError{Index: i, Op: op, Err: err})
			continue
		}
		k.ops = append(k.ops, op)
	}
	if len(refused) > 0 {
		return &ipvs.ApplyError{Refused: refused}
	}
	return nil
}

// Settings implements [ipvs.Kernel].
func (k *Kernel) Settings(ctx context.Context) (ipvs.Settings, error) {
	if err := k.enter(ctx); err != nil {
		return ipvs.Settings{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.settings
	s.Daemons = slices.Clone(s.Daemons)
	return s, nil
}

// Configure implements [ipvs.Kernel]. Every interface exists and is up, but for
// those named "absent" (ENODEV) and "down" (ENETUNREACH).
func (k *Kernel) Configure(ctx context.Context, want ipvs.Settings) error {
	if err := k.enter(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts.Configures++
	missing := k.settings.Missing(want)
	for _, t := range []struct{ to, from *time.Duration }{
		{&k.settings.Timeouts.TCP, &missing.Timeouts.TCP},
		{&k.settings.Timeouts.TCPFin, &missing.Timeouts.TCPFin},
		{&k.settings.Timeouts.UDP, &missing.Timeouts.UDP},
	} {
		if *t.from%time.Second != 0 || *t.from < 0 {
			return fmt.Errorf("set the IPVS timeouts: %v is not a number of whole seconds", *t.from)
		}
		if *t.from != 0 {
			*t.to = *t.from
		}
	}
	if missing.Daemons == nil {
		return nil
	}
	running := []ipvs.Daemon{}
	for _, w := range missing.Daemons {
		switch w.Interface {
		case "absent":
			return fmt.Errorf("start the IPVS sync %s on %s: %w", w.Role, w.Interface, syscall.ENODEV)
		case "down":
			return fmt.Errorf("start the IPVS sync %s on %s: %w", w.Role, w.Interface, syscall.ENETUNREACH)
		}
		for key, p := range k.table {
			if slices.ContainsFunc(p.Servers, func(s ipvs.Server) bool { return crosses(key, s) }) {
				return fmt.Errorf("start the IPVS sync %s on %s: %w", w.Role, w.Interface, syscall.EINVAL)
			}
		}
		if !w.Group.IsValid() {
			w.Group = netip.MustParseAddr("224.0.0.81")
		}
		if w.MaxLen == 0 {
			w.MaxLen = 1472
		}
		if w.Port == 0 {
			w.Port = 8848
		}
		if w.TTL == 0 {
			w.TTL = 1
		}
		running = append(running, w)
	}
	k.settings.Daemons = running
	return nil
}

// do carries out one op, or answers as net/netfilter/ipvs/ip_vs_ctl.c does.
func (k *Kernel) do(op ipvs.Op) syscall.Errno {
	if errno := k.check(op); errno != 0 {
		return errno
	}
	key := op.Key()
	if k.watch != nil {
		k.table = maps.Clone(k.table) // who watches has what was
	}
	pool := ipvs.Table{}
	if p, ok := k.table[key]; ok {
		pool[key] = p
	}
	if p, ok := pool.After([]ipvs.Op{op})[key]; ok {
		k.table[key] = p
	} else {
		delete(k.table, key)
	}
	switch op.Action {
	case ipvs.DeleteService:
		delete(k.stats, key)
	case ipvs.DeleteServer:
		if st, ok := k.stats[key]; ok {
			st.Servers = maps.Clone(st.Servers)
			delete(st.Servers, op.Server.Addr)
			k.stats[key] = st
		}
	}
	return 0
}

func (k *Kernel) check(op ipvs.Op) syscall.Errno {
	p, exists := k.table[op.Key()]
	switch op.Action {
	case ipvs.AddService:
		if exists {
			return syscall.EEXIST
		}
		return checkService(op.Service)
	case ipvs.EditService:
		if !exists {
			return syscall.ESRCH
		}
		return checkService(op.Service)
	}
	if !exists {
		return syscall.ESRCH
	}
	if op.Action == ipvs.DeleteService {
		return 0
	}
	known := slices.ContainsFunc(p.Servers, func(s ipvs.Server) bool { return s.Addr == op.Server.Addr })
	switch op.Action {
	case ipvs.DeleteServer:
		if !known {
			return syscall.ENOENT
		}
		return 0
	case ipvs.AddServer:
		if crosses(op.Key(), op.Server) && len(k.settings.Daemons) > 0 {
			return syscall.EINVAL
		}
		return cmpErrno(checkServer(op.Key(), op.Server), known, syscall.EEXIST)
	}
	return cmpErrno(checkServer(op.Key(), op.Server), !known, syscall.ENOENT)
}

// cmpErrno returns the first that applies.
func cmpErrno(first syscall.Errno, wrong bool, second syscall.Errno) syscall.Errno {
	if first != 0 || !wrong {
		return first
	}
	return second
}

func checkService(s ipvs.Service) syscall.Errno {
	known := append(ipvs.Schedulers(), ipvs.NoScheduler)
	if !slices.Contains(known, s.Scheduler) {
		return syscall.ENOENT
	}
	if s.Engine != "" && s.Engine != "sip" {
		return syscall.ENOENT
	}
	if s.Key.Family() == ipvs.IPv6 && s.Persistence != 0 && (s.Netmask < 1 || s.Netmask > 128) {
		return syscall.EINVAL
	}
	return 0
}

// crosses reports whether a server is of another family than its service.
func crosses(key ipvs.Key, s ipvs.Server) bool {
	return s.Addr.Addr().Is4() != (key.Family() == ipvs.IPv4)
}

func checkServer(key ipvs.Key, s ipvs.Server) syscall.Errno {
	if crosses(key, s) && s.Forward != ipvs.TUN {
		return syscall.EINVAL
	}
	if s.Weight > ipvs.MaxWeight || s.LowerThreshold > s.UpperThreshold {
		return syscall.ERANGE
	}
	return 0
}
