package drive

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// Where FRR ran, another daemon finds a host as if it had never been there, however it ended.
func TestAfterFRRTheHostIsAsBefore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := os.Stat(FRRDaemon); err != nil {
		t.Skip("FRR is not installed")
	}
	n, err := netlab.Pair(fmt.Sprintf("f%d", os.Getpid()), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	dir, err := os.MkdirTemp("", "frr") // not that of the test, where FRR's user may not go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir); os.Remove(configPath(dir)) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &Director{Kind: FRR, Host: n.D1, daemon: frr{}, dir: dir}
	if err := d.Configure(Settings{Name: "d1", Routers: []Router{{
		Name: "web", VRID: 51, Version: 3, Priority: 200, Interval: 100 * time.Millisecond, VIPs: []netip.Prefix{netip.PrefixFrom(netlab.VIP, 32)},
	}}}); err != nil {
		t.Fatal(err)
	}
	host := func() string {
		links, err := d.Host.Output("ip", "-brief", "link")
		if err != nil {
			t.Fatal(err)
		}
		ignore, err := d.Host.Output("sysctl", "-n", strings.ReplaceAll(arpIgnore, "/", "."))
		if err != nil {
			t.Fatal(err)
		}
		return links + "arp_ignore " + ignore
	}
	before := host()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Kill)
	up := func() bool {
		return strings.Contains(host(), "vrrp4-51@eth0    UP ") && len(d.Processes()) == d.Complete()
	}
	for deadline := time.Now().Add(20 * time.Second); !up(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is not master after 20 s: %s\n%v\n%s", host(), d.Processes(), d.Log(0, d.LogSize()))
		}
	}
	d.Kill()
	if !strings.Contains(host(), "vrrp4-51") {
		t.Error("whoever kills FRR takes nothing back for it: that is what the scenarios show")
	}
	if err := d.Retire(); err != nil {
		t.Fatal(err)
	}
	if after := host(); after != before || len(d.Processes()) > 0 {
		t.Errorf("before:\n%s\nafter:\n%s\n%v", before, after, d.Processes())
	}
}
