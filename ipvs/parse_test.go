package ipvs

import (
	"fmt"
	"strings"
	"testing"
)

const sample = `-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1
-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 4 -x 10000 -y 8000
-A -u 10.9.0.101:53 -s rr -o
-a -u 10.9.0.101:53 -r 10.9.0.3:53 -i --tun-type gue --tun-port 6080 --tun-csum -w 1
-A --sctp-service 10.9.0.102:132 -s sh -p 300 -M 255.255.255.0 -b sh-fallback,sh-port
-a --sctp-service 10.9.0.102:132 -r 10.9.0.3:1320 -m -w 0
-A -t [2001:db8::1]:443 -s mh -p 60 -M 64
-a -t [2001:db8::1]:443 -r [2001:db8::3]:443 -i --tun-type ipip -w 1
-A -f 10 -s sed -p 360 --pe sip
-a -f 10 -r 10.9.0.3:0 -m -w 1
-A -f 10 -6 -s rr
-a -f 10 -6 -r [2001:db8::3]:0 -g -w 2147483647
`

func TestRulesRoundTrip(t *testing.T) {
	if got := rules(t, sample).String(); got != sample {
		t.Errorf("got\n%swant\n%s", got, sample)
	}
}

func TestParseRules(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"defaults", "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.2",
			"-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 1\n"},
		{"blank lines, comments, a leading word", "\n  \n# web\nipvsadm -A -t 10.0.0.1:80 -s rr\n",
			"-A -t 10.0.0.1:80 -s rr\n"},
		{"-p alone", "-A -t 10.0.0.1:80 -p -s rr", "-A -t 10.0.0.1:80 -s rr -p 360\n"},
		{"-M without -p", "-A -t 10.0.0.1:80 -s rr -M 255.255.0.0", "-A -t 10.0.0.1:80 -s rr\n"},
		{"-M of all", "-A -t 10.0.0.1:80 -s rr -p 1 -M 0.0.0.0", "-A -t 10.0.0.1:80 -s rr -p 1 -M 0.0.0.0\n"},
		{"long options", "--add-service --tcp-service [::1]:80 --scheduler mh --persistent 5 --netmask 64 --sched-flags mh-port\n" +
			"--add-server --tcp-service [::1]:80 --real-server [::2]:80 --gatewaying --weight 3 --u-threshold 2 --l-threshold 1",
			"-A -t [::1]:80 -s mh -p 5 -M 64 -b mh-port\n-a -t [::1]:80 -r [::2]:80 -g -w 3 -x 2 -y 1\n"},
		{"direct routing keeps the port of the service", "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -g",
			"-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -g -w 1\n"},
		{"but a mark has none", "-A -f 1\n-a -f 1 -r 10.0.0.2:8080 -g",
			"-A -f 1 -s wlc\n-a -f 1 -r 10.0.0.2:8080 -g -w 1\n"},
		{"names of ports", "-A -t 10.0.0.1:http\n-a -t 10.0.0.1:http -r 10.0.0.2:http -m",
			"-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 1\n"},
		{"IPv6 without a port", "-A -t [::1]:80\n-a -t [::1]:80 -r ::2 -m", "-A -t [::1]:80 -s wlc\n-a -t [::1]:80 -r [::2]:80 -m -w 1\n"},
		{"a scheduler of another kernel", "-A -t 10.0.0.1:80 -s nosuch", "-A -t 10.0.0.1:80 -s nosuch\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table, err := ParseRules(tt.text, func(p Protocol, name string) (uint16, error) {
				if p == TCP && name == "http" {
					return 80, nil
				}
				return 0, fmt.Errorf("no %s port %q", p, name)
			})
			if err != nil || table.String() != tt.want {
				t.Errorf("got\n%s%v\nwant\n%s", table, err, tt.want)
			}
		})
	}
}

func TestParseRulesErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"-C", `line 1: "-C": want -A or -a`},
		{"-A", `line 1: no service: want -t, -u, --sctp-service or -f`},
		{"-A -t 10.0.0.1:80 -O", `line 1: -O: unknown option`},
		{"-A -t", `line 1: -t: needs an argument`},
		{"-A -t www:80", `line 1: -t: "www:80": want ADDRESS or ADDRESS:PORT, an IPv6 address in brackets`},
		{"-A -t ::1:80x", `line 1: -t: "::1:80x": want ADDRESS or ADDRESS:PORT, an IPv6 address in brackets`},
		{"-A -t 10.0.0.1:http", `line 1: -t: port "http" is no number`},
		{"-A -t 10.0.0.1:65536", `line 1: -t: port 65536: want a number from 0 to 65535`},
		{"-A -f 0", `line 1: -f: the mark is not 0`},
		{"-A -t 10.0.0.1:80 -p 0", `line 1: -p: a persistence of 0 s is none`},
		{"-A -t 10.0.0.1:80 -p 1 -M 129", `line 1: -M: netmask "129": want a mask as 255.255.255.0, or a prefix length from 1 to 128 for IPv6`},
		{"-A -t 10.0.0.1:80 -s rr -b sh-port", `line 1: scheduler flag "sh-port" does not belong to scheduler "rr"`},
		{"-A -t 10.0.0.1:80 -r 10.0.0.2:80", `line 1: -r belongs to -a`},
		{"-A -f 1\n-A -f 1", `line 2: the service fwmark/1/ipv4 is there already`},
		{"-a -f 1 -r 10.0.0.2:80", `line 1: no -A line for the service fwmark/1/ipv4 before`},
		{"-A -f 1\n-a -f 1", `line 2: no server: want -r`},
		{"-A -f 1\n-a -f 1 -r 10.0.0.2:0\n-a -f 1 -r 10.0.0.2:0 -m", `line 3: the service fwmark/1/ipv4 has the server 10.0.0.2:0 already`},
		{"-A -f 1\n-a -f 1 -r 10.0.0.2 -i --tun-type gue", `line 2: --tun-type gue needs --tun-port`},
		{"-A -f 1\n-a -f 1 -r 10.0.0.2 -w 2147483648", `line 2: -w: "2147483648": want a number from 0 to 2147483647`},
		{"-A -f 1\n-a -f 1 -r 10.0.0.2 -w -1", `line 2: -w: "-1": want a number from 0 to 2147483647`},
		{"-X\n\n-Y", "line 1: \"-X\": want -A or -a\nline 3: \"-Y\": want -A or -a"},
	} {
		table, err := ParseRules(tt.text, nil)
		if err == nil || err.Error() != tt.want || table != nil {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func FuzzParseRules(f *testing.F) {
	f.Add(sample)
	for line := range strings.Lines(sample) {
		f.Add(line)
	}
	f.Add("-A -t [::1 -p -M 64 -b ,")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := ParseRules(text, nil)
		if err != nil {
			return
		}
		again, err := ParseRules(table.String(), nil)
		if err != nil || !again.Equal(table) {
			t.Errorf("%q reads as\n%swhich reads as\n%s%v", text, table, again, err)
		}
	})
}
