package main

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a master has beside its addresses comes with the role, from the file, and leaves nothing behind.
func TestWhatFollowsTheMasterGoesWithIt(t *testing.T) {
	l := newLAN(t)
	d := l.director(0, 200, "100ms")
	d.configure(fmt.Sprintf(`[[vrrp]]
name = "web"
interface = "eth0"
id = 51
interval = "100ms"
priority = 200
virtual_mac = true
addresses = ["10.9.0.100/32", { address = "10.9.0.101/32", scope = "site" }]
auth = { type = "hmac", key = %q }
[[vrrp.route]]
destination = "default"
via = "10.9.0.254"
metric = 50
[[vrrp.route]]
destination = "198.51.100.0/24"
via = "10.9.0.254"
source = "10.9.0.100"
table = 1000
[[vrrp.rule]]
from = "10.9.0.100/32"
table = 1000
priority = 1000
`, oldKey))
	ip := func(args string) string {
		out, _ := exec.Command("ip", append([]string{"-n", d.host}, strings.Fields(args)...)...).CombinedOutput()
		return string(out)
	}
	until := func(args, word string, there bool) {
		t.Helper()
		for deadline := time.Now().Add(15 * time.Second); strings.Contains(ip(args), word) != there; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("ip %s: %q is there: %v, want %v\n%s", args, word, !there, there, ip(args))
			}
		}
	}
	what := []struct{ args, word string }{
		{"link show v4-51-eth0", "00:00:5e:00:01:33"},
		{"addr show dev v4-51-eth0", "10.9.0.100/32 scope global"},
		{"addr show dev v4-51-eth0", "10.9.0.101/32 scope site"},
		{"route show proto 112", "default via 10.9.0.254 dev eth0 metric 50"},
		{"route show table 1000", "198.51.100.0/24 via 10.9.0.254 dev eth0 proto 112 src 10.9.0.100"},
		{"rule", "from 10.9.0.100 lookup 1000 proto 112"},
	}
	d.start()
	d.until("master")
	for _, w := range what {
		until(w.args, w.word, true)
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("a stop ends with %v", err)
	}
	for _, w := range what {
		if strings.Contains(ip(w.args), w.word) {
			t.Errorf("left behind: ip %s:\n%s", w.args, ip(w.args))
		}
	}
	out, err := exec.Command("ip", "netns", "exec", d.host, "sysctl", "-n", "net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce").Output()
	if err != nil || string(out) != "0\n0\n" {
		t.Errorf("arp_ignore and arp_announce are %q, %v; want them as they were, 0 and 0", out, err)
	}
}
