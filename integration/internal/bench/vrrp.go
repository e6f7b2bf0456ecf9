package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/interop"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
)

// The parts of a bench.
const (
	PartFailover = "failover" // outage of a pinged VIP
	PartMany     = "many"     // 255 virtual routers: start, processor, memory
	PartAnnounce = "announce" // 1,000 VIPs
	PartBusy     = "busy"     // 10 ms beside busy processors
	PartChurn    = "churn"    // 10 ms beside network namespaces that come and go
	PartOutage   = "outage"   // outage of an IPVS service
	PartChecks   = "checks"   // health checks of thousands of servers
)

// VRRPParts lists those that need no IPVS, in the order in which they run.
func VRRPParts() []string {
	return []string{PartFailover, PartMany, PartAnnounce, PartBusy, PartChurn}
}

// Parts lists all.
func Parts() []string { return append(VRRPParts(), PartOutage, PartChecks) }

// Options is what the caller may choose. It crosses into the world as JSON.
type Options struct {
	Runs   int           `json:"runs"` // of each daemon in a series at 1 s; quicker ones run more often
	Binary string        `json:"binary"`
	Only   []string      `json:"only"`   // parts; empty: all
	Rest   time.Duration `json:"rest"`   // how long 255 virtual routers are watched in a run
	Busy   time.Duration `json:"busy"`   // how long a pair is watched beside busy processors
	Checks time.Duration `json:"checks"` // how long a daemon is watched that checks servers
	Kills  int           `json:"kills"`  // of servers, for each daemon
}

// Has reports whether a part is wanted.
func (o Options) Has(part string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, part) }

// RunVRRP measures everything that needs no IPVS.
func RunVRRP(ctx context.Context, o Options, say func(string, ...any)) ([]Section, error) {
	// Observers block in system calls, and must not wait for one of Go's processors when they return.
	runtime.GOMAXPROCS(16)
	if err := os.MkdirAll("/run/lab", 0o755); err != nil {
		return nil, err
	}
	var list []Section
	for _, part := range []struct {
		name string
		run  func(context.Context, Options, func(string, ...any)) (*Section, error)
	}{{PartFailover, failover}, {PartMany, many}, {PartAnnounce, announce}, {PartBusy, busy}, {PartChurn, churn}} {
		if !o.Has(part.name) {
			continue
		}
		section, err := part.run(ctx, o, say)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		section.Name = part.name
		list = append(list, *section)
	}
	return list, nil
}

// Priorities of the two directors.
const (
	priorityMaster = 150
	priorityBackup = 100
)

// lan is a network with a pair of directors of one kind.
type lan struct {
	*netlab.Network
	tap    *observe.Tap
	d1, d2 *drive.Director
	begin  mono.Time
}

// pairOf makes a network and two directors that do not run yet. routers gives the virtual routers for a priority.
func pairOf(kind drive.Kind, binary string, routers func(priority int) []drive.Router) (*lan, error) {
	l := &lan{begin: mono.Now()}
	var err error
	if l.Network, err = netlab.Pair("bench", false); err != nil {
		return nil, err
	}
	if l.tap, err = observe.Listen(l.Network); err != nil {
		l.end()
		return nil, err
	}
	if l.d1, err = drive.New(kind, l.D1, binary, drive.Settings{Name: l.D1.Name, Routers: routers(priorityMaster)}); err != nil {
		l.end()
		return nil, err
	}
	if l.d2, err = drive.New(kind, l.D2, binary, drive.Settings{Name: l.D2.Name, Routers: routers(priorityBackup)}); err != nil {
		l.end()
		return nil, err
	}
	return l, nil
}

// end kills the pair and removes the network and everything that the daemons keep.
func (l *lan) end() {
	for _, d := range []*drive.Director{l.d1, l.d2} {
		if d != nil {
			d.Kill()
			_ = d.Forget() // what stays is in a directory that ends with the world
		}
	}
	if l.tap != nil {
		l.tap.Close()
	}
	l.Close()
}

// masters counts the virtual routers that a host alone has advertised since a moment.
func (l *lan) masters(h *netlab.Host, since mono.Time) int {
	own, others := map[uint8]bool{}, map[uint8]bool{}
	for _, a := range l.tap.Adverts.Between(since, mono.Now()) {
		switch {
		case a.Priority == 0:
		case a.Host == h.Name:
			own[a.VRID] = true
		default:
			others[a.VRID] = true
		}
	}
	for vrid := range others {
		delete(own, vrid)
	}
	return len(own)
}

// startLimit is how long daemons may take to their first adverts.
const startLimit = 30 * time.Second

// untilMaster waits until the first director is the one master of n virtual routers.
func (l *lan) untilMaster(ctx context.Context, n int, interval time.Duration) error {
	deadline := mono.Now().Add(startLimit)
	for mono.Now() < deadline && ctx.Err() == nil {
		if l.masters(l.D1, mono.Now().Add(-interval*3/2)) == n {
			return nil
		}
		time.Sleep(max(interval/10, 5*time.Millisecond))
	}
	return fmt.Errorf("%s is not master of %d virtual routers after %v", l.d1.Kind, n, startLimit)
}

// single is one virtual router with the lab's VIP.
func single(interval time.Duration) func(priority int) []drive.Router {
	return func(priority int) []drive.Router {
		return []drive.Router{{
			Name: "web", VRID: 51, Version: 3, Priority: priority, Interval: interval,
			VIPs: []netip.Prefix{netip.PrefixFrom(netlab.VIP, 32)},
		}}
	}
}

// several are n virtual routers with so many VIPs each.
func several(n, vips int, interval time.Duration) func(priority int) []drive.Router {
	return func(priority int) (list []drive.Router) {
		for i := range n {
			r := drive.Router{Name: fmt.Sprintf("vr%d", i+1), VRID: i + 1, Version: 3, Priority: priority, Interval: interval}
			for j := range vips {
				r.VIPs = append(r.VIPs, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 10, byte(i), byte(j + 1)}), 32))
			}
			list = append(list, r)
		}
		return list
	}
}

// busy watches a pair of each daemon at 10 ms while every processor computes.
func busy(ctx context.Context, o Options, say func(string, ...any)) (*Section, error) {
	about := "a pair at 10 ms while other processes compute on every processor; both daemons in a real-time class"
	return beside(ctx, o, interop.Compute, o.Busy, about, say)
}

// churnTime is long enough to see what there is to see.
const churnTime = 10 * time.Second

// churn watches a pair of each daemon at 10 ms while network namespaces come and go.
func churn(ctx context.Context, o Options, say func(string, ...any)) (*Section, error) {
	about := "a pair at 10 ms while another process makes and removes network namespaces; both daemons in a real-time class"
	return beside(ctx, o, interop.Churn, churnTime, about, say)
}

func beside(ctx context.Context, o Options, load interop.Load, length time.Duration, about string, say func(string, ...any)) (*Section, error) {
	section := &Section{About: about}
	for _, kind := range kinds {
		say("%s at 10 ms for %v beside %s", kind, length, load)
		b, err := interop.PlayBusy(ctx, kind, o.Binary, load, length)
		if err != nil {
			return nil, err
		}
		section.Busy = append(section.Busy, b)
	}
	return section, nil
}
