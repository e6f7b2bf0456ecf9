package rehearse

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// unit is as much of systemd as a director of [LabSSH] needs: its daemon, and a systemctl in a directory of its own that passes on what it is
// asked for. As with the package's unit, what dies is started again, and what was stopped is not.
type unit struct {
	host *netlab.Host
	dir  string

	mu       sync.Mutex // of what follows
	director *drive.Director
	stopping bool
	err      error // of the last order
}

// systemctl answers by itself which process is the unit's first, and passes everything else on.
const systemctl = `#!/bin/sh
case "$*" in
"show --property=MainPID --value lbha") exec cat "$(dirname "$0")/pid" ;;
esac
echo "$*" >"$(dirname "$0")/orders"
`

// newUnit makes a director's unit, without a daemon yet. It listens for as long as the world lives.
func newUnit(h *netlab.Host) (*unit, error) {
	u := &unit{host: h, dir: filepath.Join(sshdDir, "unit-"+h.Name)}
	orders := filepath.Join(u.dir, "orders")
	if err := errors.Join(os.MkdirAll(u.dir, 0o755), os.WriteFile(filepath.Join(u.dir, "systemctl"), []byte(systemctl), 0o755), unix.Mkfifo(orders, 0o600)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(orders, os.O_RDWR, 0) // for writing, too: it never ends
	if err != nil {
		return nil, err
	}
	go func() {
		for lines := bufio.NewScanner(f); lines.Scan(); {
			u.obey(lines.Text())
		}
	}()
	return u, nil
}

// replace starts a daemon with these settings in place of the one there was.
func (u *unit) replace(binary string, s drive.Settings) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return u.err
	}
	if d := u.director; d != nil {
		d.Kill()
		if err := errors.Join(d.Forget(), u.host.Flush(netip.PrefixFrom(netlab.VIP, netlab.VIP.BitLen()))); err != nil {
			return err
		}
	}
	d, err := drive.New(drive.LBHA, u.host, binary, s)
	if err != nil {
		return err
	}
	u.director, u.stopping = d, false
	return u.start()
}

// start starts the daemon, unless it runs.
func (u *unit) start() error {
	if u.director.Running() {
		return nil
	}
	if err := u.director.Start(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(u.dir, "pid"), fmt.Appendln(nil, u.director.Processes()[drive.Supervisor]), 0o644)
}

// obey does what systemctl was asked for.
func (u *unit) obey(order string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch order {
	case "--no-block stop lbha":
		u.err, u.stopping = u.director.Stop(), true
	case "start lbha":
		u.err = nil
		if u.stopping { // systemd waits for the end, too
			u.err, u.stopping = u.director.Wait(endLimit), false
		}
		u.err = errors.Join(u.err, u.start())
	case "kill --signal=KILL lbha":
		u.err = errors.Join(u.director.SignalAll(syscall.SIGKILL), u.director.Wait(endLimit), u.start())
	case "kill --kill-who=main --signal=KILL lbha":
		u.err = errors.Join(u.director.Signal(drive.Supervisor, syscall.SIGKILL), u.director.Wait(endLimit), u.start())
	default:
		u.err = fmt.Errorf("the lab's systemctl does not know %q", strings.TrimSpace(order))
	}
}
