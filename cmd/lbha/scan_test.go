package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// on runs the command on a host.
func (l *lan) on(i int, args ...string) (stdout, stderr string) {
	l.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.hosts[i], exe}, args...)...)
	cmd.Env = append(os.Environ(), playMain+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		l.t.Fatalf("%q: %v\n%s", args, err, &errs)
	}
	return out.String(), errs.String()
}

// TestScan: a standby hears what its master announces, and a master itself, of either
// family and version.
func TestScan(t *testing.T) {
	l := newLAN(t)
	web := "[[vrrp]]\nname = \"web\"\ninterface = \"eth0\"\nid = 51\npriority = PRIORITY\ninterval = \"200ms\"\naddresses = [\"10.9.0.100\", \"10.9.0.101\"]\n"
	a, b := l.director(0, 0, ""), l.director(1, 0, "")
	a.configure(strings.Replace(web, "PRIORITY", "150", 1) + "[[vrrp]]\nname = \"old\"\ninterface = \"eth0\"\nid = 7\nversion = 2\naddresses = [\"10.9.0.107\"]\nauth = { type = \"pass\", key = \"secret\" }\n")
	b.configure(strings.Replace(web, "PRIORITY", "50", 1) + "[[vrrp]]\nname = \"six\"\ninterface = \"eth0\"\nid = 254\ninterval = \"200ms\"\naddresses = [\"fe80::100\"]\n")
	a.start()
	a.untilHeld(true, 15*time.Second)
	b.start()
	want := `INTERFACE  ID   VERSION  PRIORITY  INTERVAL  FROM  TO  AUTH  ADDRESSES
eth0       7    2  100  1s  10.9.0.1  group  pass  10.9.0.107
eth0       51   3  150  200ms  10.9.0.1  group  none  10.9.0.100 10.9.0.101
eth0       254  3  100  200ms  LINK  group  none  fe80::100
eth0: free ids: 1-6, 8-50, 52-253, 255
`
	local, blanks := regexp.MustCompile(`fe80::[0-9a-f]+:[0-9a-f:]+`), regexp.MustCompile(` +`)
	tidy := func(text string) string { return blanks.ReplaceAllString(local.ReplaceAllString(text, "LINK"), " ") }
	for _, host := range []int{0, 1} {
		var out, errs string
		for deadline := time.Now().Add(20 * time.Second); ; { // IPv6 makes its addresses sure first
			if out, errs = l.on(host, "scan", "-i", "eth0", "--for", "1500ms"); tidy(out) == tidy(want) || time.Now().After(deadline) {
				break
			}
		}
		if diff := cmp.Diff(tidy(want), tidy(out)); diff != "" {
			t.Errorf("on host %d (-want +got)\n%s", host, diff)
		}
		if errs != "listening on eth0 for 1.5s\n" {
			t.Errorf("progress: %q", errs)
		}
	}
	if out, _ := l.on(1, "scan", "--json", "--for", "1500ms"); !strings.Contains(out, `"interval": "200ms"`) || !strings.Contains(out, `"52-253"`) {
		t.Errorf("%s", out)
	}
}
