package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/stage"
	"golang.org/x/sys/unix"
)

// failovers are the intervals, the ratio that is wanted, and how many times more often than at 1 s each is run.
var failovers = []struct {
	interval time.Duration
	want     float64
	times    int
}{
	{time.Second, 1.05, 1},
	{100 * time.Millisecond, 1.05, 2},
	{10 * time.Millisecond, 1.05, 4},
}

// failover measures for how long nobody answers a ping of the VIP after the crash of the master.
func failover(ctx context.Context, o Options, say func(string, ...any)) (*Section, error) {
	section := &Section{About: "longest time without an answer from the VIP, pinged at 1 kHz; all processes of the master killed and its cable out"}
	for _, f := range failovers {
		gap := Series{What: fmt.Sprintf("crash at %v: gap", f.interval), Unit: "ms", Want: f.want}
		from := Series{What: fmt.Sprintf("crash at %v: last advert to first advert", f.interval), Unit: "ms"}
		runs := o.Runs * f.times
		say("crash at an interval of %v: %d runs each, in turn", f.interval, runs)
		for i := range runs {
			phase := (float64(i) + 0.5) / float64(runs)
			for _, kind := range kinds {
				c, err := crashOnce(ctx, kind, o.Binary, f.interval, phase)
				for again := 0; errors.Is(err, errUnsteady) && again < mostRepeats; again++ {
					say("  %-10s phase %.2f: %v: once more", kind, phase, err)
					c, err = crashOnce(ctx, kind, o.Binary, f.interval, phase)
				}
				if err != nil {
					return nil, fmt.Errorf("%s at %v: %w", kind, f.interval, err)
				}
				gap.addTime(kind, c.gap)
				from.addTime(kind, c.takeover)
				if c.late > f.interval/2 {
					say("  %-10s phase %.2f: gap %v; the client itself was late by %v", kind, phase, c.gap, c.late)
				}
			}
		}
		say("  %s", gap.line())
		section.Series = append(section.Series, gap, from)
	}
	return section, nil
}

// errUnsteady means that a run is no measure: the machine itself stood still.
var errUnsteady = errors.New("the machine stood still")

// mostRepeats is how often a run is repeated for that.
const mostRepeats = 5

// crashed is one crash.
type crashed struct {
	gap      time.Duration // longest time without an answer
	takeover time.Duration // last advert of the old master to the first of the new one
	late     time.Duration // by how much the client was late at most
}

// crashOnce starts a pair and crashes its master at a phase of the advertisement interval.
func crashOnce(ctx context.Context, kind drive.Kind, binary string, interval time.Duration, phase float64) (crashed, error) {
	l, err := pairOf(kind, binary, single(interval))
	if err != nil {
		return crashed{}, err
	}
	defer l.end()
	if err := errors.Join(l.d1.Start(), l.d2.Start()); err != nil {
		return crashed{}, err
	}
	p, err := ping(l.Switch, netlab.VIP.As4())
	if err != nil {
		return crashed{}, err
	}
	defer p.stop()
	if err := l.untilMaster(ctx, 1, interval); err != nil {
		return crashed{}, err
	}
	// Longer than the announcements' first repeats, and so that the backup has heard some adverts.
	time.Sleep(300*time.Millisecond + 2*interval)
	if err := l.untilMaster(ctx, 1, interval); err != nil {
		return crashed{}, err
	}
	advert := lastAdvert(l.tap.Adverts.Between(l.begin, mono.Now()), l.D1.Name)
	next := advert.Add(interval)
	for next < mono.Now().Add(20*time.Millisecond) {
		next = next.Add(interval) // finding the processes takes a while
	}
	planned := next.Add(time.Duration(phase * float64(interval)))
	stage.SleepUntil(ctx, planned)
	p.late.Store(0) // daemons that start in real time may have made it late before
	at := mono.Now()
	if err := errors.Join(l.d1.SignalAll(syscall.SIGKILL), l.Port(l.D1, false)); err != nil {
		return crashed{}, err
	}
	end := at.Add(l.d2.Settings.Routers[0].MasterDown() + interval + 200*time.Millisecond)
	stage.SleepUntil(ctx, end)
	heard := l.tap.Adverts.Between(l.begin, end)
	first := firstAdvert(heard, l.D2.Name, at)
	c := crashed{gap: longestGap(l.tap.Echoes.Between(at.Add(-100*time.Millisecond), end)), late: time.Duration(p.late.Load())}
	// It must have happened at its phase, to a master that was the only one and on time.
	if before := l.tap.Adverts.Between(at.Add(-interval*3/2), at); at.Sub(planned) > interval/4+5*time.Millisecond ||
		lastAdvert(before, l.D1.Name) == 0 || lastAdvert(before, l.D2.Name) != 0 {
		return crashed{}, errUnsteady
	}
	if first == 0 {
		return crashed{}, errors.New("the backup did not take over")
	}
	c.takeover = first.Sub(lastAdvert(heard, l.D1.Name))
	return c, nil
}

func lastAdvert(heard []observe.Heard, host string) (last mono.Time) {
	for _, a := range heard {
		if a.Host == host {
			last = a.At
		}
	}
	return last
}

func firstAdvert(heard []observe.Heard, host string, after mono.Time) mono.Time {
	for _, a := range heard {
		if a.Host == host && a.At > after {
			return a.At
		}
	}
	return 0
}

// longestGap is the longest time between two answers.
func longestGap(answers []observe.Claim) (longest time.Duration) {
	for i := 1; i < len(answers); i++ {
		longest = max(longest, answers[i].At.Sub(answers[i-1].At))
	}
	return longest
}

// pingPeriod is the client's rhythm.
const pingPeriod = time.Millisecond

// pinger sends echo requests; the switch's tap sees the answers.
type pinger struct {
	done, ended chan struct{}
	late        atomic.Int64 // nanoseconds, at most
}

// ping starts a client on the switch, which resolves the address as every client does.
func ping(from *netlab.Host, to [4]byte) (*pinger, error) {
	fd := -1
	err := from.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMP)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: ping: %w", from.Name, err)
	}
	p := &pinger{done: make(chan struct{}), ended: make(chan struct{})}
	go p.run(fd, to)
	return p, nil
}

func (p *pinger) run(fd int, to [4]byte) {
	defer close(p.ended)
	defer unix.Close(fd)
	// The thread ends with the goroutine, and its real-time class with it.
	runtime.LockOSThread()
	load.RealTime(0)
	request := []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0} // echo, with its checksum
	address := &unix.SockaddrInet4{Addr: to}
	for due := mono.Now(); ; due = due.Add(pingPeriod) {
		select {
		case <-p.done:
			return
		default:
		}
		if wait := due.Until(); wait > 0 {
			ts := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&ts, nil) // one that a signal ends early is made up for by the next
		}
		if late := -due.Until(); int64(late) > p.late.Load() {
			p.late.Store(int64(late))
		}
		_ = unix.Sendto(fd, request, 0, address) // while nobody answers there are errors
	}
}

func (p *pinger) stop() {
	close(p.done)
	<-p.ended
}
