package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
)

// configure writes a configuration with these instances.
func (d *daemon) configure(instances string) {
	d.t.Helper()
	text := fmt.Sprintf("[global]\nname = %q\ncontrol = %q\nstate_dir = %q\nlog = { format = \"text\" }\n%s",
		d.host, filepath.Join(d.dir, "lbha.sock"), d.dir, instances)
	if err := os.WriteFile(filepath.Join(d.dir, "lbha.toml"), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) reload() {
	d.t.Helper()
	if r, err := d.client.Reload(d.t.Context(), admin.ReloadRequest{}); err != nil || !r.OK {
		d.t.Fatalf("reload: %+v, %v", r, err)
	}
}

// router is one instance of a configuration.
func router(name string, id int, addresses string) string {
	return fmt.Sprintf("[[vrrp]]\nname = %q\ninterface = \"eth0\"\nid = %d\npriority = 200\ninterval = \"100ms\"\naddresses = [%s]\n", name, id, addresses)
}

// shows is what the ip command says of an address of d: one line for each interface that has it.
func (d *daemon) shows(addr string) string {
	out, _ := exec.Command("ip", "-n", d.host, "-4", "-o", "addr", "show", "to", addr).Output()
	return string(out)
}

// stays fails the test if d loses an address, or shows it without the word, in the time after a reload in which a loss
// would go unnoticed.
func (d *daemon) stays(addr, word string) {
	d.t.Helper()
	for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got := d.shows(addr); !strings.Contains(got, word) || strings.Count(got, "\n") != 1 {
			d.t.Fatalf("%s is shown as %q, want it once, with %q", addr, got, word)
		}
	}
}

func (d *daemon) untilShown(addr, word string) {
	d.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(d.shows(addr), word); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s is shown as %q, want %q", addr, d.shows(addr), word)
		}
	}
}

func TestAReloadMovesAddressesWithoutLosingThem(t *testing.T) {
	l := newLAN(t)
	d := l.director(0, 200, "100ms")
	d.configure(router("one", 51, `"10.9.0.100/32"`) + router("two", 52, `"10.9.0.101/32", "10.9.0.102/32"`))
	d.start()
	d.untilShown("10.9.0.100", "/32")
	d.untilShown("10.9.0.102", "/32")
	for _, title := range []string{"lbha: vrrp", "lbha: director"} {
		if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", d.child(title))); string(name) != title+"\n" {
			t.Errorf("%s is called %q by ps and the journal", title, name)
		}
	}

	// To an instance that takes it before the former one gives it up.
	d.configure(router("one", 51, `"10.9.0.100/32", "10.9.0.102/32"`) + router("two", 52, `"10.9.0.101/32"`))
	d.reload()
	d.stays("10.9.0.102", "/32")

	d.configure(router("one", 51, `"10.9.0.100/32", { address = "10.9.0.102/32", label = "eth0:vip" }`) + router("two", 52, `"10.9.0.101/32"`))
	d.reload()
	d.stays("10.9.0.102", "eth0:vip")

	// The first of a subnet, with which the kernel takes the second off.
	d.configure(router("one", 51, `"10.8.0.1/24", "10.8.0.2/24"`))
	d.reload()
	d.untilShown("10.8.0.2", "secondary")
	d.configure(router("one", 51, `"10.8.0.2/24"`))
	d.reload()
	d.stays("10.8.0.2", "/24")

	// And leased or not.
	d.configure(router("one", 51, `"10.8.0.2/24"`) + "address_lease = \"2s\"\n")
	d.reload()
	d.stays("10.8.0.2", "valid_lft 2sec")
	d.configure(router("one", 51, `"10.8.0.2/24"`))
	d.reload()
	d.stays("10.8.0.2", "valid_lft forever")
}

func TestAnAddressFollowsTheNameOfItsInterface(t *testing.T) {
	l := newLAN(t)
	ip := func(args ...string) { l.ip(append([]string{"-n", l.hosts[0]}, args...)...) }
	veth := func(name, peer string) {
		ip("link", "add", name, "type", "veth", "peer", "name", peer)
		ip("link", "set", name, "up")
		ip("link", "set", peer, "up")
	}
	veth("in0", "peer0")
	d := l.director(0, 200, "100ms")
	d.configure(router("web", 51, `"10.9.0.100/32", { address = "10.7.0.1/24", interface = "in0" }`))
	d.start()
	d.untilShown("10.7.0.1", "in0")
	d.untilShown("10.9.0.100", "eth0")

	veth("in9", "peer9")
	ip("link", "set", "in9", "down")
	ip("link", "set", "in0", "down")
	ip("link", "set", "in0", "name", "old0")
	ip("link", "set", "in9", "name", "in0")
	ip("link", "set", "old0", "up")
	ip("link", "set", "in0", "up")
	d.untilShown("10.7.0.1", "in0")
	for deadline := time.Now().Add(3 * time.Second); strings.Contains(d.shows("10.7.0.1"), "old0"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the address is still on the renamed interface: %s", d.shows("10.7.0.1"))
		}
	}
}
