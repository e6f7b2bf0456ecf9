package rehearse

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// harm does what concerns the machine of a director rather than its daemon.
func (l *Lab) harm(c script.Clause) (said string, done bool, err error) {
	switch c.Form {
	case script.IPVS:
		return "", true, l.ipvs(c.Up)
	case script.Clock:
		days := c.Number
		if !c.Up {
			days = -days
		}
		return "", true, l.turnClock(time.Duration(days) * 24 * time.Hour)
	case script.Claim:
		o := l.stage.Net.Observer
		said, err = o.Output(l.stage.Self, stage.PartyCommand, "claim", strconv.Itoa(c.Number), c.Time.String(), o.MAC.String())
		return said, true, err
	case script.Disk:
		return "", true, l.stage.FillDisk(c.Host(), c.Up)
	case script.Starve, script.Feed:
		return "", true, l.starve(c.Host(), drive.Part(c.Part), c.Form == script.Starve)
	}
	return "", false, nil
}

// starve takes from a process every descriptor that it does not have yet, or gives them back.
func (l *Lab) starve(host string, part drive.Part, hungry bool) error {
	d := l.side(host)
	pid := d.Processes()[part]
	if pid == 0 {
		return fmt.Errorf("%s has no running %s", host, part)
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
func (l *Lab) ipvs(up bool) error {
	if up {
		return exec.Command("modprobe", "ip_vs").Run()
	}
	// A daemon may put something into its table between the two, which keeps the module.
	for deadline := time.Now().Add(5 * time.Second); ; {
		for _, d := range l.stage.Directors() {
			if _, err := d.Host.Output("ipvsadm", "-C"); err != nil {
				return err
			}
		}
		// The schedulers hold the module; those that are not there are no matter.
		out, err := exec.Command("sh", "-c", `modprobe -r $(sed -n 's/^\(ip_vs_[a-z_]*\) .*/\1/p' /proc/modules) ip_vs`).CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove ip_vs: %w: %s", err, out)
		}
	}
}

// turnClock moves the wall clock of the kernel.
func (l *Lab) turnClock(by time.Duration) error {
	now := unix.NsecToTimeval(time.Now().Add(by).UnixNano())
	if err := unix.Settimeofday(&now); err != nil {
		return err
	}
	l.turned += by
	return nil
}

// unharm undoes all that a scenario may have left behind.
func (l *Lab) unharm() error {
	for _, d := range l.stage.Directors() {
		if err := l.stage.FillDisk(d.Host.Name, false); err != nil {
			return err
		}
		for part := range d.Processes() {
			if err := l.starve(d.Host.Name, part, false); err != nil {
				return err
			}
		}
		for _, bits := range l.strange {
			_ = d.Host.DeletePrefix(netlab.VIP, bits) // on the other one, or gone already
		}
	}
	l.strange = nil
	if l.turned != 0 {
		if err := l.turnClock(-l.turned); err != nil {
			return err
		}
	}
	return nil
}

// garbageSize is that of a file of garbage: as long as a configuration.
const garbageSize = 4096

// wreck puts something else in the place of a director's configuration.
func wreck(d *drive.Director, what string) error {
	path, text := d.ConfigPath(), []byte(d.Text(d.Settings))
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	switch what {
	case "missing":
		return nil
	case "directory":
		return os.Mkdir(path, 0o755)
	case "fifo":
		return unix.Mkfifo(path, 0o644)
	case "empty":
		text = nil
	case "half":
		text = text[:len(text)/2]
	case "garbage":
		text = make([]byte, garbageSize)
		random := rand.NewChaCha8([32]byte{})
		_, _ = random.Read(text) // never fails
	}
	return os.WriteFile(path, text, 0o644)
}
