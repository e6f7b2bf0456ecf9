package kernel

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// connectionSample has one line for each kind of entry, as Linux 6.1 writes them.
const connectionSample = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A090002 D431 0A090064 0050 0A090003 1F90 ESTABLISHED     899
UDP 0A090002 0000 0A090064 0000 0A090003 0000 NONE            300
IP  0A090002 0000 0000000A 0000 0A090003 0000 ASSURED         120
TCP 2001:0db8:0000:0000:0000:0000:0000:0002 8B3C 2001:0db8:0000:0000:0000:0000:0000:0100 01BB 2001:0db8:0000:0000:0000:0000:0000:0003 01BB FIN_WAIT         59
IP  2001:0db8:0000:0000:0000:0000:0000:0002 0000 0000:000b:0000:0000:0000:0000:0000:0000 0000 2001:0db8:0000:0000:0000:0000:0000:0003 0000 NONE              1
TCP 0A090002 D431 0A090064 0050 2001:0db8:0000:0000:0000:0000:0000:0003 0050 SYN_RECV         60
UDP 0A090002 0000 0A090064 13C4 0A090003 13C4 NONE            300 sip a84b4c76e66710 and  more
`

func TestReadConnections(t *testing.T) {
	list, err := ReadConnections(strings.NewReader(connectionSample))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s %v %v > %v %s %v template=%v %q %q = %s\n",
			c.Protocol, c.Client, c.Virtual, c.Server, c.State, c.Expires, c.Template, c.Engine, c.EngineData, c.Service())
	}
	const want = `tcp 10.9.0.2:54321 10.9.0.100:80 > 10.9.0.3:8080 ESTABLISHED 14m59s template=false "" "" = tcp/10.9.0.100:80
udp 10.9.0.2:0 10.9.0.100:0 > 10.9.0.3:0 NONE 5m0s template=true "" "" = udp/10.9.0.100:0
ip 10.9.0.2:0 invalid AddrPort > 10.9.0.3:0 ASSURED 2m0s template=true "" "" = fwmark/10/ipv4
tcp [2001:db8::2]:35644 [2001:db8::100]:443 > [2001:db8::3]:443 FIN_WAIT 59s template=false "" "" = tcp/[2001:db8::100]:443
ip [2001:db8::2]:0 invalid AddrPort > [2001:db8::3]:0 NONE 1s template=true "" "" = fwmark/11/ipv6
tcp 10.9.0.2:54321 10.9.0.100:80 > [2001:db8::3]:80 SYN_RECV 1m0s template=false "" "" = tcp/10.9.0.100:80
udp 10.9.0.2:0 10.9.0.100:5060 > 10.9.0.3:5060 NONE 5m0s template=true "sip" "a84b4c76e66710 and  more" = udp/10.9.0.100:5060
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// TestReadConnectionsErrors checks that a line that makes no sense costs neither
// the others nor its place.
func TestReadConnectionsErrors(t *testing.T) {
	const good = "TCP 0A090002 D431 0A090064 0050 0A090003 1F90 ESTABLISHED     899\n"
	for _, tt := range []struct {
		text  string
		lines int
		want  string
	}{
		{"", 0, "<nil>"},
		{good + "TCP 0A090002\n" + good, 2, "line 2: fewer than 9 fields"},
		{"TCP 0A09000 D431 0A090064 0050 0A090003 1F90 NONE 1\n" + good, 1, `line 1: client: "0A09000" is no address`},
		{"TCP 0A090002 D431 0A090064 10050 0A090003 1F90 NONE 1\n", 0, `line 1: virtual address: "10050" is no port`},
		{"TCP 0A090002 D431 0A090064 0050 ::1%lo 1F90 NONE 1\n", 0, `line 1: server: "::1%lo" is no address`},
		{"TCP 0A090002 D431 0A090064 0050 0A090003 1F90 NONE -1\n" + good + "x\ny\n", 1, `line 1: expires: "-1" is no number of seconds; and 2 more lines`},
		{good + strings.Repeat("x", maxConnectionLine+1), 1, "line 2: bufio.Scanner: token too long"},
	} {
		list, err := ReadConnections(strings.NewReader(tt.text))
		if got := fmt.Sprint(err); got != tt.want || len(list) != tt.lines {
			t.Errorf("%q: %d connections, %s; want %d, %s", tt.text, len(list), got, tt.lines, tt.want)
		}
	}
}

func FuzzReadConnections(f *testing.F) {
	f.Add(connectionSample)
	for line := range strings.Lines(connectionSample) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := ReadConnections(strings.NewReader(text))
		for _, c := range list {
			if !c.Client.IsValid() || !c.Server.IsValid() || c.Virtual.IsValid() == (c.Template && c.Protocol == "ip") {
				t.Errorf("%q has %+v", text, c)
			}
			if c.Expires < 0 || c.Expires%time.Second != 0 || c.Template && c.Client.Port() != 0 {
				t.Errorf("%q has %+v", text, c)
			}
			_ = c.Service().String()
		}
	})
}
