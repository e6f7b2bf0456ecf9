package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/ipvstest"
	"github.com/lbha/lbha/ipvs/kernel"
)

// fakeIPVS is the fake kernel with what the command line needs besides. Each invocation of the command closes it.
type fakeIPVS struct {
	*ipvstest.Kernel
	zeroed []ipvs.Key
	closed int
}

func (f *fakeIPVS) Info(context.Context) (kernel.Info, error) {
	return kernel.Info{Major: 1, Minor: 2, Patch: 1, ConnectionTableSize: 4096}, nil
}

func (f *fakeIPVS) Zero(_ context.Context, k ipvs.Key) error {
	f.zeroed = append(f.zeroed, k)
	return nil
}

func (f *fakeIPVS) Flush(context.Context) error {
	f.Foreign(ipvs.Diff(nil, f.Table())...)
	return nil
}

func (f *fakeIPVS) Close() error { f.closed++; return nil }

// ipvsShell runs `lbha ipvs` on a fake kernel.
type ipvsShell struct {
	t    *testing.T
	fake *fakeIPVS
}

func newIPVSShell(t *testing.T, rules string) *ipvsShell {
	t.Helper()
	s := &ipvsShell{t, &fakeIPVS{Kernel: ipvstest.NewKernel()}}
	table, err := ipvs.ParseRules(rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.fake.Foreign(ipvs.Diff(table, nil)...)
	return s
}

// run runs a command line and returns what it prints: output, then what main prints of the error, and the exit status if it is not 0.
func (s *ipvsShell) run(stdin, line string) string {
	s.t.Helper()
	tool := &ipvsTool{
		ports: func(p ipvs.Protocol, name string) (uint16, error) {
			if name == "http" {
				return 80, nil
			}
			return 0, fmt.Errorf("port name %q is not known", name)
		},
		open: func() ipvsKernel { return s.fake },
		connections: func() ([]kernel.Connection, error) {
			return kernel.ReadConnections(strings.NewReader("TCP 0A090002 D431 0A090064 0050 0A090003 1F90 ESTABLISHED     899\nTCP 0A090002 0000 0A090064 0050 0A090003 1F90 NONE     30\nbad\n"))
		},
	}
	cmd := tool.command()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(strings.Fields(line))
	closed := s.fake.closed
	err := cmd.Execute()
	if code, ok := err.(exit); ok {
		fmt.Fprintf(&out, "exit %d\n", int(code))
	} else if err != nil {
		fmt.Fprintf(&out, "lbha: %v\nexit 1\n", err)
	}
	if s.fake.closed > closed+1 {
		s.t.Errorf("%s: closed the kernel %d times", line, s.fake.closed-closed)
	}
	return out.String()
}

const ipvsSample = `-A -t 10.9.0.100:80 -s sh -p 300 -M 255.255.255.0 -b sh-port
-a -t 10.9.0.100:80 -r 10.9.0.3:8080 -m -w 1 -x 10000 -y 8000
-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 3
-A -f 10 -6 -s wlc
-a -f 10 -6 -r [2001:db8::3]:0 -i --tun-type gue --tun-port 6080 -w 2
`

// TestIPVSEdit drives add, edit and delete: what is typed, and the op that comes of it or the error.
func TestIPVSEdit(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"add -t 10.9.0.101:80", "-A -t 10.9.0.101:80 -s wlc\n"},
		{"add -t 10.9.0.101:http -s rr -p 60", "-A -t 10.9.0.101:80 -s rr -p 60\n"},
		{"add -t 10.9.0.101:80 -p -s rr", "-A -t 10.9.0.101:80 -s rr -p 360\n"},
		{"add tcp/10.9.0.101:80 -p 60 -M 24", "-A -t 10.9.0.101:80 -s wlc -p 60 -M 255.255.255.0\n"},
		{"add -t [2001:db8::1]:80 -p=60 -M 64", "-A -t [2001:db8::1]:80 -s wlc -p 60 -M 64\n"},
		{"add -u 10.9.0.101:53 -o --pe sip", "-A -u 10.9.0.101:53 -s wlc -o --pe sip\n"},
		{"add --sctp-service 10.9.0.101:132 -s mh -b mh-port,mh-fallback", "-A --sctp-service 10.9.0.101:132 -s mh -b mh-fallback,mh-port\n"},
		{"add -f 10 -s sed", "-A -f 10 -s sed\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5", "-a -t 10.9.0.100:80 -r 10.9.0.5:80 -g -w 1\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5:81 -m -w 9 -x 5 -y 2", "-a -t 10.9.0.100:80 -r 10.9.0.5:81 -m -w 9 -x 5 -y 2\n"},
		{"add -t 10.9.0.100:80 -r 2001:db8::5 -i --tun-type gre --tun-csum", "-a -t 10.9.0.100:80 -r [2001:db8::5]:80 -i --tun-type gre --tun-csum -w 1\n"},
		{"edit -t 10.9.0.100:80 -r 10.9.0.3:8080 -w 0", "-e -t 10.9.0.100:80 -r 10.9.0.3:8080 -m -w 0 -x 10000 -y 8000\n"},
		{"edit -t 10.9.0.100:80 -r 10.9.0.4 -m", "-e -t 10.9.0.100:80 -r 10.9.0.4:80 -m -w 3\n"},
		{"edit -t 10.9.0.100:80 -r 10.9.0.4 -w 3", "it is so already: nothing to do\n"},
		{"edit fwmark/10/ipv6 -r 2001:db8::3 --tun-type ipip", "-e -f 10 -6 -r [2001:db8::3]:0 -i --tun-type ipip -w 2\n"},
		{"edit -f 10 -6 -r 2001:db8::3 -w 4", "-e -f 10 -6 -r [2001:db8::3]:0 -i --tun-type gue --tun-port 6080 -w 4\n"},
		{"edit -t 10.9.0.100:80 -p 60", "-E -t 10.9.0.100:80 -s sh -p 60 -M 255.255.255.0 -b sh-port\n"},
		{"edit -t 10.9.0.100:80 -p 0 -b none", "-E -t 10.9.0.100:80 -s sh\n"},
		{"edit -t 10.9.0.100:80 -s rr", "-E -t 10.9.0.100:80 -s rr -p 300 -M 255.255.255.0\n"},
		{"delete -t 10.9.0.100:80 -r 10.9.0.4", "-d -t 10.9.0.100:80 -r 10.9.0.4:80\n"},
		{"delete fwmark/10/ipv6", "-D -f 10 -6\n"},

		{"add", "lbha: want one service, by its name (tcp/10.9.0.100:80) or by -t, -u, --sctp-service or -f, not 0\nexit 1\n"},
		{"add -t www:80", `lbha: tcp service "www:80": want ADDRESS or ADDRESS:PORT (IPv6: [ADDRESS]:PORT); names of hosts are not looked up` + "\nexit 1\n"},
		{"add -t 10.9.0.101:smtp", `lbha: tcp service "10.9.0.101:smtp": port name "smtp" is not known` + "\nexit 1\n"},
		{"add -t 10.9.0.101:65536", `lbha: tcp service "10.9.0.101:65536": want a port from 0 to 65535` + "\nexit 1\n"},
		{"add tcp/x", `lbha: service "tcp/x": want a name as tcp/10.9.0.100:80, udp/[2001:db8::1]:53 or fwmark/10[/ipv6], or -t, -u, --sctp-service or -f` + "\nexit 1\n"},
		{"add -t 10.9.0.100:80", "lbha: there is a service tcp/10.9.0.100:80 already; change it with \"lbha ipvs edit\"\nexit 1\n"},
		{"add -t 10.9.0.101:0", "lbha: a service with port 0 (every port) needs persistence: give -p\nexit 1\n"},
		{"add -t 10.9.0.101:80 -o", "lbha: -o: one-packet scheduling is for UDP services and firewall marks\nexit 1\n"},
		{"add -t 10.9.0.101:80 -M 24", "lbha: -M belongs to persistence: give -p too\nexit 1\n"},
		{"add -t 10.9.0.101:80 -b sh-port", `lbha: -b: scheduler flag "sh-port" does not belong to scheduler "wlc"` + "\nexit 1\n"},
		{"add -t 10.9.0.101:80 -w 3", "lbha: --weight belongs to a server: name it with -r\nexit 1\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5 -s rr", "lbha: --scheduler belongs to the service: leave out -r\nexit 1\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5 -g -m", "lbha: want one of -g, -m and -i\nexit 1\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5:81", "lbha: dr cannot change the port: the server's is that of the service, 80 (leave it out), or use -m\nexit 1\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5 -m -x 1 -y 2", "lbha: -y 2 is above -x 1\nexit 1\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5 -w 2147483648", "lbha: -w 2147483648: want 0 to 2147483647\nexit 1\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5 -i --tun-type gue", "lbha: --tun-type gue needs --tun-port\nexit 1\n"},
		{"add -t 10.9.0.100:80 -r 10.9.0.5 --tun-type gre", "lbha: --tun-… belongs to -i\nexit 1\n"},
		{"add -t 10.9.0.100:80 -r 2001:db8::5 -m", "lbha: a server of the other address family needs tunnelling: -i\nexit 1\n"},
		{"add -t 10.9.0.101:80 -s nosuch", `lbha: -A -t 10.9.0.101:80 -s nosuch: refused by the kernel: the kernel does not have the scheduler "nosuch"; try "modprobe ip_vs_nosuch"` + "\nexit 1\n"},
		{"edit -t 10.9.0.100:80 -r 10.9.0.9 -w 0", "lbha: the service tcp/10.9.0.100:80 has no server 10.9.0.9:80; see \"lbha ipvs list tcp/10.9.0.100:80\"\nexit 1\n"},
		{"delete -t 10.9.0.101:80", "lbha: there is no service tcp/10.9.0.101:80; the table has tcp/10.9.0.100:80, fwmark/10/ipv6\nexit 1\n"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			s := newIPVSShell(t, ipvsSample)
			if diff := cmp.Diff(tt.want, s.run("", tt.line+" --dry-run")); diff != "" && !strings.Contains(tt.want, "refused") {
				t.Errorf("dry run (-want +got):\n%s", diff)
			}
			if ops := s.fake.Ops(); len(ops) > 0 {
				t.Errorf("a dry run did %v", ops)
			}
			if diff := cmp.Diff(tt.want, s.run("", tt.line)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			done := ""
			for _, op := range s.fake.Ops() {
				done += op.String() + "\n"
			}
			if strings.HasPrefix(tt.want, "-") && done != tt.want {
				t.Errorf("the kernel was told\n%swant\n%s", done, tt.want)
			}
		})
	}
}

// TestIPVSRestore checks the whole rules: nothing on an error, one difference, the line of what the kernel refuses.
func TestIPVSRestore(t *testing.T) {
	s := newIPVSShell(t, ipvsSample)
	if got := s.run("", "save"); got != ipvsSample {
		t.Errorf("save:\n%s", got)
	}
	if got := s.run(ipvsSample, "restore"); got != "restored: 0 changes, 0 refused\n" {
		t.Errorf("restore of what is so: %s", got)
	}
	if got := s.run("", "restore"); !strings.Contains(got, "no rules in the input") || s.fake.Table().String() != ipvsSample {
		t.Errorf("restore of nothing: %s", got)
	}
	if got := s.run("-A -t 10.9.0.101:80\n-A -t 10.9.0.102:80 -X\n\n-a -f 1 -r 10.9.0.3\n", "restore"); got != "lbha: the rules have errors, nothing is changed:\n"+
		"line 2: -X: unknown option\nline 4: no -A line for the service fwmark/1/ipv4 before\nexit 1\n" || len(s.fake.Ops()) > 0 {
		t.Errorf("restore of errors: %s%v", got, s.fake.Ops())
	}
	change := "-A -t 10.9.0.100:http -s sh -p 300 -M 255.255.255.0 -b sh-port\n-a -t 10.9.0.100:http -r 10.9.0.4:http -g -w 3\n-a -t 10.9.0.100:80 -r 10.9.0.5:80 -g\n"
	const diff = "-a -t 10.9.0.100:80 -r 10.9.0.5:80 -g -w 1\n-d -t 10.9.0.100:80 -r 10.9.0.3:8080\n-D -f 10 -6\n"
	if got := s.run(change, "restore --dry-run"); got != diff || len(s.fake.Ops()) > 0 {
		t.Errorf("dry run: %s%v", got, s.fake.Ops())
	}
	if got := s.run(change, "restore --dry-run --merge"); got != "-a -t 10.9.0.100:80 -r 10.9.0.5:80 -g -w 1\n" {
		t.Errorf("merge: %s", got)
	}
	if got := s.run(change, "restore"); got != "restored: 3 changes, 0 refused\n" {
		t.Errorf("restore: %s", got)
	}

	s = newIPVSShell(t, "")
	refused := "# comment\n-A -f 7 -s nosuch\n-a -f 7 -r 10.9.0.3:0 -g\n-a -f 7 -r 10.9.0.4:0 -g\n\n" +
		"-A -t 10.9.0.100:80\n-a -t 10.9.0.100:80 -r 10.9.0.3 -x 1 -y 2\n-a -t 10.9.0.100:80 -r 10.9.0.4\n"
	want := "restored: 2 changes, 4 refused\n" +
		`lbha: line 2: -A -f 7 -s nosuch: refused by the kernel: the kernel does not have the scheduler "nosuch"; try "modprobe ip_vs_nosuch" (and so 2 servers of it)` + "\n" +
		"lbha: line 7: -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1 -x 1 -y 2: refused by the kernel: the lower threshold is above the upper, or the weight above 2147483647\nexit 1\n"
	if d := cmp.Diff(want, s.run(refused, "restore")); d != "" {
		t.Errorf("refused rules (-want +got):\n%s", d)
	}
	if got := s.run(refused, "restore --json"); !strings.Contains(got, `"line": 2,`) || !strings.Contains(got, `"followers": 2`) || !strings.HasSuffix(got, "exit 1\n") {
		t.Errorf("refused rules as JSON: %s", got)
	}
}

func TestIPVSShow(t *testing.T) {
	s := newIPVSShell(t, ipvsSample)
	web, err := ipvs.ParseKey("tcp/10.9.0.100:80")
	if err != nil {
		t.Fatal(err)
	}
	traffic := ipvs.Traffic{Connections: 12, PacketsIn: 123_456, BytesIn: 1<<64 - 1, ConnectionRate: 3}
	s.fake.SetStats(web, ipvs.PoolStats{
		Service: ipvs.ServiceStats{Traffic: traffic},
		Servers: map[netip.AddrPort]ipvs.ServerStats{netip.MustParseAddrPort("10.9.0.3:8080"): {Traffic: traffic, Active: 5, Inactive: 6, Persistent: 7}},
	})
	if err := s.fake.Configure(t.Context(), ipvs.Settings{
		Timeouts: ipvs.Timeouts{TCP: time.Hour},
		Daemons:  []ipvs.Daemon{{Role: ipvs.SyncMaster, Interface: "eth0", ID: 5, MaxLen: 1472, Group: netip.MustParseAddr("224.0.0.81"), Port: 8848, TTL: 1}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ line, want string }{
		{"list", `
SERVICE / SERVER   SCHEDULER / FORWARD  WEIGHT  ACTIVE  INACTIVE  PERSISTENT  UPPER  LOWER  OPTIONS
tcp/10.9.0.100:80  sh                           5       6         7                         sh-port, persistent 300 s netmask 255.255.255.0
  10.9.0.3:8080    nat                  1       5       6         7           10000  8000
  10.9.0.4:80      dr                   3       0       0         0           -      -
fwmark/10/ipv6     wlc                          0       0         0
  [2001:db8::3]:0  tun                  2       0       0         0           -      -      gue port 6080
`},
		{"list fwmark/10/ipv6", `
SERVICE / SERVER   SCHEDULER / FORWARD  WEIGHT  ACTIVE  INACTIVE  PERSISTENT  OPTIONS
fwmark/10/ipv6     wlc                          0       0         0
  [2001:db8::3]:0  tun                  2       0       0         0           gue port 6080
`},
		{"stats -t 10.9.0.100:http", `
SERVICE / SERVER   CONNECTIONS  PACKETS IN  PACKETS OUT  BYTES IN  BYTES OUT
tcp/10.9.0.100:80  12           123k        0            18.4E     0
  10.9.0.3:8080    12           123k        0            18.4E     0
  10.9.0.4:80      0            0           0            0         0
The kernel refreshes these numbers every 2 seconds.
`},
		{"stats tcp/10.9.0.100:80 --exact", `
SERVICE / SERVER   CONNECTIONS  PACKETS IN  PACKETS OUT  BYTES IN              BYTES OUT
tcp/10.9.0.100:80  12           123456      0            18446744073709551615  0
  10.9.0.3:8080    12           123456      0            18446744073709551615  0
  10.9.0.4:80      0            0           0            0                     0
The kernel refreshes these numbers every 2 seconds.
`},
		{"rate -f 10 -6", `
SERVICE / SERVER   CONNECTIONS/S  PACKETS IN/S  PACKETS OUT/S  BYTES IN/S  BYTES OUT/S
fwmark/10/ipv6     0              0             0              0           0
  [2001:db8::3]:0  0              0             0              0           0
The kernel refreshes these numbers every 2 seconds.
`},
		{"list --settings", `
IPVS         1.2.1, connection table of 4096 buckets
Timeouts     tcp 3600 s, tcp after FIN 120 s, udp 300 s
Sync master  on eth0, id 5, group 224.0.0.81 port 8848, ttl 1, messages of 1472 bytes
`},
		{"list udp/10.9.0.100:80", `
lbha: there is no service udp/10.9.0.100:80; the table has tcp/10.9.0.100:80, fwmark/10/ipv6
exit 1
`},
		{"connections --state established", `
PROTOCOL  CLIENT          SERVICE        SERVER         STATE        EXPIRES
tcp       10.9.0.2:54321  10.9.0.100:80  10.9.0.3:8080  ESTABLISHED  899 s
1 connection, 0 templates
lbha: line 3: fewer than 9 fields
exit 1
`},
		{"connections --service tcp/10.9.0.100:80 --client 10.9.0.0/24 --server 10.9.0.3:8080 --templates", `
PROTOCOL  CLIENT    SERVICE        SERVER         STATE          EXPIRES
tcp       10.9.0.2  10.9.0.100:80  10.9.0.3:8080  template NONE  30 s
0 connections, 1 template
lbha: line 3: fewer than 9 fields
exit 1
`},
		{"connections --client 10.9.0", `
lbha: --client "10.9.0": want ADDRESS, ADDRESS:PORT or a prefix as 10.9.0.0/24
exit 1
`},
		{"zero tcp/10.9.0.100:80", "\ncounters of 1 service set to 0\n"},
		{"zero", "\ncounters of 2 services set to 0\n"},
		{"zero fwmark/1", "\nlbha: there is no service fwmark/1/ipv4; the table has tcp/10.9.0.100:80, fwmark/10/ipv6\nexit 1\n"},
		{"nosuch", "\nlbha: unknown command \"nosuch\" for \"ipvs\"\nexit 1\n"},
	} {
		if diff := cmp.Diff(tt.want, "\n"+s.run("", tt.line)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, diff)
		}
	}
	if diff := cmp.Diff("[tcp/10.9.0.100:80 ]", fmt.Sprint(s.fake.zeroed)); diff != "" {
		t.Errorf("zeroed (-want +got):\n%s", diff)
	}
	if got := s.run("", "list --json tcp/10.9.0.100:80"); !strings.Contains(got, `"service": "tcp/10.9.0.100:80",
      "scheduler": "sh",
      "flags": [
        "sh-port"
      ],
      "persistence": 300,
      "netmask": "255.255.255.0",`) || !strings.Contains(got, `"bytes_in": 18446744073709551615`) {
		t.Errorf("JSON:\n%s", got)
	}
}

func TestIPVSClear(t *testing.T) {
	s := newIPVSShell(t, ipvsSample)
	if got := s.run("y\n", "clear"); !strings.Contains(got, "say --yes") || len(s.fake.Table()) != 2 {
		t.Errorf("clear without a terminal: %s", got)
	}
	if got := s.run("", "clear --yes"); got != "deleted 2 services with 3 servers\n" || len(s.fake.Table()) != 0 {
		t.Errorf("clear: %s", got)
	}
	if got := s.run("", "list"); got != "The table is empty: there are no services.\n" {
		t.Errorf("an empty table: %s", got)
	}
	if got := s.run("", "list --json"); got != "{\n  \"services\": []\n}\n" {
		t.Errorf("an empty table as JSON: %s", got)
	}
}

// TestIPVSErrors checks that what is wrong with the kernel as a whole comes with advice.
func TestIPVSErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{ipvs.ErrUnavailable, "modprobe ip_vs"},
		{ipvs.ErrPermission, "run this as root"},
		{syscall.ENOBUFS, "no buffer space"},
	} {
		s := newIPVSShell(t, ipvsSample)
		s.fake.Fail(tt.err)
		for _, line := range []string{"list", "save", "zero", "restore", "clear --yes", "add -f 1", "list --settings"} {
			if got := s.run(ipvsSample, line); !strings.Contains(got, tt.want) && line != "list --settings" || !strings.HasSuffix(got, "exit 1\n") {
				t.Errorf("%s: %s", line, got)
			}
		}
	}
}
