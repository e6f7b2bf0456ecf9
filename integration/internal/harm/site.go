package harm

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Site is hosts on one kernel.
type Site struct {
	Net  *netlab.Network
	Self string // this program: it is what floods and claims
	// Processes are the parts of a director's daemon that run.
	Processes func(host string) map[drive.Part]int
	// Disk is where the file system of a director's state is mounted; nil: none has one of its own.
	Disk func(host string) string

	// What a scenario may leave behind.
	turned  time.Duration // the wall clock, from the right time
	strange []int         // prefix lengths of virtual addresses that were added by hand
}

// directors are the hosts with a daemon.
var directors = []string{"d1", "d2"}

// Do does one thing. It is not done, and no error, when it concerns a daemon as a whole or a real server's.
func (s *Site) Do(c script.Clause) (said string, done bool, err error) {
	switch c.Form {
	case script.Cut, script.Loss, script.Delay, script.Link:
		return "", true, s.network(c)
	case script.Heal:
		return "", true, s.Heal()
	case script.Flood:
		said, err = s.party("forge", c)
	case script.Claim:
		said, err = s.party("claim", c)
	case script.IPVS:
		err = s.ipvs(c.Up)
	case script.Clock:
		days := c.Number
		if !c.Up {
			days = -days
		}
		err = s.turnClock(time.Duration(days) * 24 * time.Hour)
	case script.Disk:
		err = stage.FillDisk(s.Disk(c.Host()), c.Up)
	case script.Starve, script.Feed:
		err = s.starve(c.Host(), drive.Part(c.Part), c.Form == script.Starve)
	case script.AddVIP, script.DeleteVIP, script.ClearTable:
		err = s.hand(c)
	case script.Kill, script.Pause, script.Continue:
		if c.Part == "" {
			return "", false, nil
		}
		err = s.signal(c.Host(), drive.Part(c.Part), signals[c.Form])
	default:
		return "", false, nil
	}
	return said, true, err
}

var signals = map[string]syscall.Signal{script.Kill: syscall.SIGKILL, script.Pause: syscall.SIGSTOP, script.Continue: syscall.SIGCONT}

// part is a process of a director's daemon.
func (s *Site) part(host string, part drive.Part) (pid int, err error) {
	if pid = s.Processes(host)[part]; pid == 0 {
		return 0, fmt.Errorf("%s has no running %s", host, part)
	}
	return pid, nil
}

func (s *Site) signal(host string, part drive.Part, sig syscall.Signal) error {
	pid, err := s.part(host, part)
	if err != nil {
		return err
	}
	return syscall.Kill(pid, sig)
}

// party has the observer send something for a while.
func (s *Site) party(what string, c script.Clause) (said string, err error) {
	o := s.Net.Observer
	return o.Output(s.Self, stage.PartyCommand, what, strconv.Itoa(c.Number), c.Time.String(), o.MAC.String())
}

// hand does what an operator would do by hand to what a director has in the kernel.
func (s *Site) hand(c script.Clause) error {
	h, err := s.Net.Host(c.Host())
	if err != nil {
		return err
	}
	bits := netlab.VIP.BitLen()
	if c.Option {
		bits = c.Number
	}
	switch c.Form {
	case script.DeleteVIP:
		return h.DeletePrefix(netlab.VIP, bits)
	case script.AddVIP:
		s.strange = append(s.strange, bits)
		return h.AddAddress(h.Interface(), netip.PrefixFrom(netlab.VIP, bits).String())
	}
	_, err = h.Output("ipvsadm", "-C")
	return err
}

// starve takes from a process every descriptor that it does not have yet, or gives them back.
func (s *Site) starve(host string, part drive.Part, hungry bool) error {
	pid, err := s.part(host, part)
	if err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		return err
	}
	// The soft limit alone: the hard one remembers what the process may have.
	limit.Cur = limit.Max
	if hungry {
		limit.Cur = 0
	}
	return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil)
}

// ipvs removes the kernel's IPVS with all that it has, whoever it belongs to, or loads it again.
func (s *Site) ipvs(up bool) error {
	if up {
		return exec.Command("modprobe", "ip_vs").Run()
	}
	// A daemon may put something into its table between the two, which keeps the module.
	for deadline := time.Now().Add(5 * time.Second); ; {
		for _, h := range []*netlab.Host{s.Net.D1, s.Net.D2} {
			if _, err := h.Output("ipvsadm", "-C"); err != nil {
				return err
			}
		}
		// The schedulers hold the module; those that are not there are no matter.
		out, err := exec.Command("sh", "-c", `modprobe -r $(sed -n 's/^\(ip_vs_[a-z_]*\) .*/\1/p' /proc/modules) ip_vs`).CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove ip_vs: %w: %s", err, strings.TrimSpace(string(out)))
		}
	}
}

// turnClock moves the wall clock of the kernel.
func (s *Site) turnClock(by time.Duration) error {
	now := unix.NsecToTimeval(time.Now().Add(by).UnixNano())
	if err := unix.Settimeofday(&now); err != nil {
		return err
	}
	s.turned += by
	return nil
}

// Undo undoes all that a scenario may have left behind, but for the network: see [Site.Heal].
func (s *Site) Undo() error {
	for _, host := range directors {
		if s.Disk != nil {
			if err := stage.FillDisk(s.Disk(host), false); err != nil {
				return err
			}
		}
		for part := range s.Processes(host) {
			if err := s.starve(host, part, false); err != nil {
				return err
			}
		}
		h, err := s.Net.Host(host)
		if err != nil {
			return err
		}
		for _, bits := range s.strange {
			_ = h.DeletePrefix(netlab.VIP, bits) // on the other one, or gone already
		}
	}
	s.strange = nil
	if s.turned != 0 {
		return s.turnClock(-s.turned)
	}
	return nil
}
