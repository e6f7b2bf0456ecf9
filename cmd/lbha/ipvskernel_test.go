package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// ipvsHost runs shell scripts in a network namespace of its own for each, with the real kernel and the real ipvsadm. In a script lbha is this
// program.
type ipvsHost struct {
	t   *testing.T
	bin string
}

func newIPVSHost(t *testing.T) *ipvsHost {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"bash", "ip", "ipvsadm", "setpriv"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the command %s is missing", tool)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &ipvsHost{t, t.TempDir()}
	if err := os.Symlink(exe, filepath.Join(h.bin, "lbha")); err != nil {
		t.Fatal(err)
	}
	if out, err := h.bash(t, "lbha ipvs list"); err != nil {
		if strings.Contains(out, "has no IPVS") {
			t.Skip("kernel has no IPVS; run by the lab inside the user-mode kernel")
		}
		t.Fatalf("lbha ipvs list: %v: %s", err, out)
	}
	return h
}

// bash runs a script; it fails at the first command that does. everything is a file of rules for it. The loopback interface is up: without any,
// the kernel knows no unicast address, and takes no server.
func (h *ipvsHost) bash(t *testing.T, script string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-o", "pipefail", "-c", "ip link set lo up\n"+script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), playMain+"=1", "PATH="+h.bin+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := os.WriteFile(filepath.Join(cmd.Dir, "everything"), []byte(ipvsEverything), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ipvsEverything is what ipvsadm's rule format carries, as `lbha ipvs save` writes it. It does not carry thresholds, nor the third flag of sh and
// mh, for which ipvsadm 1.31 prints "-b" and no name.
const ipvsEverything = `-A -t 10.9.0.100:0 -s rr -p 60
-a -t 10.9.0.100:0 -r 10.9.0.3:0 -g -w 1
-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1
-a -t 10.9.0.100:80 -r 10.9.0.4:8080 -m -w 0
-a -t 10.9.0.100:80 -r 10.9.0.5:80 -i --tun-type ipip -w 2147483647
-a -t 10.9.0.100:80 -r 10.9.0.6:80 -i --tun-type gue --tun-port 6080 --tun-csum -w 70000
-a -t 10.9.0.100:80 -r 10.9.0.7:80 -i --tun-type gue --tun-port 6081 --tun-remcsum -w 1
-a -t 10.9.0.100:80 -r 10.9.0.8:80 -i --tun-type gre --tun-csum -w 1
-a -t 10.9.0.100:80 -r 10.9.0.9:80 -i --tun-type gre -w 1
-A -t 10.9.0.100:443 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port
-A -t 10.9.0.100:8443 -s mh -b mh-port
-a -t 10.9.0.100:8443 -r 10.9.0.3:8443 -g -w 1
-A -u 10.9.0.101:53 -s rr -o
-a -u 10.9.0.101:53 -r 10.9.0.3:53 -m -w 1
-A -u 10.9.0.101:5060 -s rr -p 360 --pe sip
-A --sctp-service 10.9.0.102:132 -s wrr -b flag-1,flag-3
-a --sctp-service 10.9.0.102:132 -r 10.9.0.3:1320 -m -w 5
-A -u [2001:db8::100]:53 -s lblcr
-a -u [2001:db8::100]:53 -r [2001:db8::3]:5353 -m -w 1
-A -t [2001:db8::100]:443 -s sed -p 60 -M 64
-a -t [2001:db8::100]:443 -r [2001:db8::3]:443 -g -w 1
-A -f 10 -s nq -p 5 -M 0.0.0.0
-a -f 10 -r 10.9.0.3:0 -g -w 1
-A -f 10 -6 -s lc
-a -f 10 -6 -r [2001:db8::3]:0 -i --tun-type ipip -w 1
-A -f 4294967295 -s fo
`

// TestIPVSKernel holds `lbha ipvs` against ipvsadm on the real kernel.
func TestIPVSKernel(t *testing.T) {
	h := newIPVSHost(t)
	for _, tt := range []struct{ name, script, want string }{
		{"ipvsadm's rules restored into an empty table are the same table", `
			ipvsadm -R <everything
			ipvsadm -Sn >before
			ipvsadm -C
			lbha ipvs restore <before
			ipvsadm -Sn >after
			sort before >one
			sort after | diff one -
			ipvsadm -Sn | lbha ipvs restore`,
			"restored: 27 changes, 0 refused\nrestored: 0 changes, 0 refused\n"},
		{"names of ports", `
			ipvsadm -A -t 10.9.0.100:80 -s rr
			ipvsadm -a -t 10.9.0.100:80 -r 10.9.0.3:443 -m
			ipvsadm -S >named
			grep -q http named
			grep -q https named
			lbha ipvs restore named`,
			"restored: 0 changes, 0 refused\n"},
		{"saved rules are byte for byte what was restored", `
			lbha ipvs restore everything
			lbha ipvs save >saved
			diff everything saved
			ipvsadm -C
			ipvsadm -R <saved
			lbha ipvs save >again
			diff saved again`,
			"restored: 27 changes, 0 refused\n"},
		{"thresholds survive lbha, and ipvsadm reads them", `
			echo '-A -t 10.9.0.100:80 -s rr' >rules
			echo '-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1 -x 70000 -y 8000' >>rules
			lbha ipvs restore rules
			lbha ipvs save | diff rules -
			lbha ipvs clear --yes
			ipvsadm -R <rules
			lbha ipvs save | diff rules -
			lbha ipvs list`,
			"restored: 2 changes, 0 refused\ndeleted 1 service with 1 server\n" +
				"SERVICE / SERVER   SCHEDULER / FORWARD  WEIGHT  ACTIVE  INACTIVE  PERSISTENT  UPPER  LOWER  OPTIONS\n" +
				"tcp/10.9.0.100:80  rr                           0       0         0\n" +
				"  10.9.0.3:80      dr                   1       0       0         0           70000  8000\n"},
		{"a rule that the kernel refuses is an error with its line", `
			printf '%s\n' '-A -t 10.9.0.100:80 -s nosuch' '-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1' '-A -f 1 -s rr' '-a -f 1 -r 10.9.0.3:0 -g -w 1 -x 1 -y 2' '-a -f 1 -r 10.9.0.4:0 -g -w 1' >rules
			lbha ipvs restore rules || echo status $?
			lbha ipvs save`,
			"restored: 2 changes, 3 refused\n" +
				`lbha: line 1: -A -t 10.9.0.100:80 -s nosuch: refused by the kernel: the kernel does not have the scheduler "nosuch"; try "modprobe ip_vs_nosuch" (and so 1 server of it)` + "\n" +
				"lbha: line 4: -a -f 1 -r 10.9.0.3:0 -g -w 1 -x 1 -y 2: refused by the kernel: the lower threshold is above the upper, or the weight above 2147483647\n" +
				"status 1\n-A -f 1 -s rr\n-a -f 1 -r 10.9.0.4:0 -g -w 1\n"},
		{"single edits, as ipvsadm sees them", `
			lbha ipvs add -t 10.9.0.100:80 -s wrr -p 60
			lbha ipvs add -t 10.9.0.100:80 -r 10.9.0.3:8080 -m -w 2
			lbha ipvs add -t 10.9.0.100:80 -r 10.9.0.4
			lbha ipvs edit -t 10.9.0.100:80 -r 10.9.0.3:8080 -w 0
			lbha ipvs edit -t 10.9.0.100:80 -s rr
			lbha ipvs delete -t 10.9.0.100:80 -r 10.9.0.4
			echo table; ipvsadm -Sn`,
			"-A -t 10.9.0.100:80 -s wrr -p 60\n-a -t 10.9.0.100:80 -r 10.9.0.3:8080 -m -w 2\n-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1\n" +
				"-e -t 10.9.0.100:80 -r 10.9.0.3:8080 -m -w 0\n-E -t 10.9.0.100:80 -s rr -p 60\n-d -t 10.9.0.100:80 -r 10.9.0.4:80\n" +
				"table\n-A -t 10.9.0.100:80 -s rr -p 60\n-a -t 10.9.0.100:80 -r 10.9.0.3:8080 -m -w 0\n"},
		{"a server that can be none", `
			lbha ipvs add -f 1
			lbha ipvs add -f 1 -r 224.0.0.1 || echo status $?`,
			"-A -f 1 -s wlc\nlbha: -a -f 1 -r 224.0.0.1:0 -g -w 1: refused by the kernel: the address is none of a server: it is not unicast, or no interface of this network namespace is up\nstatus 1\n"},
		{"connections and templates", `
			ip addr add 10.9.0.100/32 dev lo
			ip addr add 10.9.0.3/32 dev lo
			ip -6 addr add 2001:db8::100/128 dev lo nodad
			ip -6 addr add 2001:db8::3/128 dev lo nodad
			ipvsadm -A -u 10.9.0.100:53 -s rr -p 60
			ipvsadm -a -u 10.9.0.100:53 -r 10.9.0.3:5353 -m
			ipvsadm -A -u [2001:db8::100]:53 -s rr
			ipvsadm -a -u [2001:db8::100]:53 -r [2001:db8::3]:5353 -m
			echo x >/dev/udp/10.9.0.100/53
			echo x >/dev/udp/2001:db8::100/53
			lbha ipvs connections | sed 's/:[0-9]\{5\} /:PORT /; s/  */ /g; s/[0-9]* s$/TIME/; s/template [A-Z]*/template/'
			lbha ipvs connections --templates -u 10.9.0.100:53 | tail -1
			lbha ipvs connections --json --client 2001:db8::/32 | grep -c '"state": "UDP"'`,
			"PROTOCOL CLIENT SERVICE SERVER STATE EXPIRES\n" +
				"udp 10.9.0.100 10.9.0.100:53 10.9.0.3:5353 template TIME\n" +
				"udp 10.9.0.100:PORT 10.9.0.100:53 10.9.0.3:5353 UDP TIME\n" +
				"udp [2001:db8::100]:PORT [2001:db8::100]:53 [2001:db8::3]:5353 UDP TIME\n" +
				"2 connections, 1 template\n0 connections, 1 template\n1\n"},
		{"settings, counters, clear", `
			ipvsadm --set 600 60 100
			ipvsadm --start-daemon backup --mcast-interface lo --syncid 5
			lbha ipvs list --settings | sed 's/1\.2\.[0-9]*/VERSION/; s/of [0-9]* buckets/of N buckets/; s/of [0-9]* bytes/of N bytes/'
			ipvsadm --stop-daemon backup
			lbha ipvs restore everything
			lbha ipvs stats --exact tcp/10.9.0.100:443
			lbha ipvs rate -f 4294967295
			lbha ipvs zero
			lbha ipvs zero -f 10 -6
			lbha ipvs zero -f 11 || echo status $?
			lbha ipvs clear --yes
			ipvsadm -Sn`,
			"IPVS         VERSION, connection table of N buckets\nTimeouts     tcp 600 s, tcp after FIN 60 s, udp 100 s\n" +
				"Sync backup  on lo, id 5, group 224.0.0.81 port 8848, ttl 1, messages of N bytes\n" +
				"restored: 27 changes, 0 refused\n" +
				"SERVICE / SERVER    CONNECTIONS  PACKETS IN  PACKETS OUT  BYTES IN  BYTES OUT\ntcp/10.9.0.100:443  0            0           0            0         0\nThe kernel refreshes these numbers every 2 seconds.\n" +
				"SERVICE / SERVER        CONNECTIONS/S  PACKETS IN/S  PACKETS OUT/S  BYTES IN/S  BYTES OUT/S\nfwmark/4294967295/ipv4  0              0             0              0           0\nThe kernel refreshes these numbers every 2 seconds.\n" +
				"counters of 12 services set to 0\ncounters of 1 service set to 0\n" +
				"lbha: there is no service fwmark/11/ipv4; the table has tcp/10.9.0.100:0, tcp/10.9.0.100:80, tcp/10.9.0.100:443, tcp/10.9.0.100:8443, udp/10.9.0.101:53, and 7 more\nstatus 1\n" +
				"deleted 12 services with 15 servers\n"},
		{"no rights", `
			setpriv --bounding-set=-net_admin --inh-caps=-net_admin lbha ipvs list || echo status $?`,
			"lbha: list IPVS services: no permission to use IPVS (CAP_NET_ADMIN); run this as root\nstatus 1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := h.bash(t, tt.script)
			if err != nil || got != tt.want {
				t.Errorf("%v\n%s\nwant\n%s", err, got, tt.want)
			}
		})
	}
}
