package drive

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// frr drives the vrrpd of Debian's FRR. It learns of interfaces from zebra, which must be there first: a vrrpd that does not find it asks again
// only ten seconds later. The virtual addresses are on macvlans that somebody must have prepared; vrrpd sets them up and down.
type frr struct{}

// frrDir is where Debian keeps FRR's daemons.
const frrDir = "/usr/lib/frr"

// FRRDaemon is the file that tells whether FRR is installed.
const FRRDaemon = frrDir + "/vrrpd"

func (frr) config(s Settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "hostname %s\nlog stdout\ninterface %s\n", s.Name, netlab.Interface)
	for _, r := range s.routers() {
		family := "ip"
		if r.IPv6() {
			family = "ipv6"
		}
		fmt.Fprintf(&b, " vrrp %[1]d version %[2]d\n vrrp %[1]d priority %[3]d\n vrrp %[1]d advertisement-interval %[4]d\n",
			r.VRID, r.Version, r.Priority, r.Interval.Milliseconds())
		for _, vip := range r.VIPs {
			fmt.Fprintf(&b, " vrrp %d %s %s\n", r.VRID, family, vip.Addr())
		}
	}
	return b.String()
}

func (frr) command(dir string) *exec.Cmd {
	return exec.Command(FRRDaemon, "--config_file", configPath(dir), "--pid_file", filepath.Join(dir, "vrrpd.pid"),
		"--socket", zserv(dir), "--vty_socket", dir, "--vty_port", "0")
}

// zserv is the socket on which zebra serves vrrpd.
func zserv(dir string) string { return filepath.Join(dir, "zserv") }

const (
	zebraPID   = "zebra.pid"
	zebraLimit = 10 * time.Second
)

const arpIgnore = "net/ipv4/conf/all/arp_ignore"

// macvlan is the interface that vrrpd takes for a virtual router's own: it finds it by its MAC address, RFC 9568 §7.3.
func macvlan(r Router) (name string, mac net.HardwareAddr) {
	if r.IPv6() {
		return fmt.Sprintf("vrrp6-%d", r.VRID), net.HardwareAddr{0, 0, 0x5e, 0, 2, byte(r.VRID)}
	}
	return fmt.Sprintf("vrrp4-%d", r.VRID), net.HardwareAddr{0, 0, 0x5e, 0, 1, byte(r.VRID)}
}

func (f frr) recruit(d *Director) error {
	if err := ownedByFRR(d.dir); err != nil {
		return err
	}
	for _, r := range d.Settings.routers() {
		name, mac := macvlan(r)
		if err := d.Host.AddVirtualInterface(name, mac, r.VIPs); err != nil {
			return err
		}
	}
	// The address of a macvlan that is down is still the host's own, and the host would answer for it on eth0: with vrrpd alone, a backup
	// answers like the master.
	if err := d.Host.Sysctl(arpIgnore, "1"); err != nil {
		return err
	}
	if err := setTable(d); err != nil {
		return err
	}
	if runningPID(filepath.Join(d.dir, zebraPID)) != 0 {
		return nil
	}
	return f.startZebra(d)
}

func (frr) startZebra(d *Director) error {
	if err := os.Remove(zserv(d.dir)); err != nil && !os.IsNotExist(err) {
		return err
	}
	empty := filepath.Join(d.dir, "zebra.conf")
	if err := os.WriteFile(empty, []byte("log stdout\n"), 0o644); err != nil {
		return err
	}
	log, err := d.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(frrDir+"/zebra", "--config_file", empty, "--pid_file", filepath.Join(d.dir, zebraPID),
		"--socket", zserv(d.dir), "--vty_socket", d.dir, "--vty_port", "0")
	cmd.Stdout, cmd.Stderr = log, log
	if err := d.Host.Start(cmd); err != nil {
		return fmt.Errorf("start zebra: %w", err)
	}
	go func() { _ = cmd.Wait() }() // it is killed with the rest
	for deadline := time.Now().Add(zebraLimit); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(zserv(d.dir)); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("zebra did not serve within %v", zebraLimit)
		}
	}
}

func (frr) dismiss(d *Director) {
	if pid := runningPID(filepath.Join(d.dir, zebraPID)); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
	}
}

// restore removes the macvlans, whatever state a killed vrrpd left them in.
func (frr) restore(d *Director) error {
	for _, r := range d.Settings.routers() {
		name, _ := macvlan(r)
		if err := d.Host.RemoveVirtualInterface(name); err != nil {
			return err
		}
	}
	if err := d.Host.Sysctl(arpIgnore, "0"); err != nil {
		return err
	}
	return os.Chown(d.dir, 0, 0)
}

// ownedByFRR gives the daemon's directory to the user that it becomes.
func ownedByFRR(dir string) error {
	u, err := user.Lookup("frr")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(dir, uid, gid)
}

// processes finds zebra; vrrpd itself is the first process.
func (frr) processes(dir string, _ int) map[Part]int {
	parts := map[Part]int{}
	if pid := runningPID(filepath.Join(dir, zebraPID)); pid != 0 {
		parts[Companion] = pid
	}
	return parts
}

// reload tells vrrpd and zebra every line of the file as an operator would: they read no file again. A line that is gone from the file stays
// in force. The table is the operator's own.
func (frr) reload(d *Director) (string, error) {
	said, err := d.Host.Output("vtysh", "--vty_socket", d.dir, "--inputfile", configPath(d.dir))
	if err != nil {
		return said, err
	}
	return said, setTable(d)
}

func (frr) status(*Director) (string, error) { return "", ErrNotOffered }

func (frr) journal(*Director) (string, error) { return "", ErrNotOffered }
