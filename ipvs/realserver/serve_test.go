//go:build linux

package realserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// An answer from the VIP, for a client whose packets come by way of a director:
// unchanged (DR) or in a tunnel (TUN).
func TestServe(t *testing.T) {
	tests := []struct {
		want     string
		director []string // what brings the packets to the real server
	}{
		{vip4 + " dr", []string{"route add " + vip4 + "/32 via 10.77.0.2"}},
		{vip6 + " dr", []string{"-6 route add " + vip6 + "/128 via fd77::2"}},
		{vip4 + " tun", []string{"link add t0 type ipip local 10.77.0.1 remote 10.77.0.2"}},
		{vip6 + " tun", []string{"link add t0 type ip6tnl mode ip6ip6 local fd77::1 remote fd77::2 encaplimit none"}},
		{vip4 + " tun over ipv6", []string{"link add t0 type ip6tnl mode ipip6 local fd77::1 remote fd77::2 encaplimit none"}},
		{vip6 + " tun tunnel gre over ipv4", []string{"link add t0 type gre local 10.77.0.1 remote 10.77.0.2"}},
		// The others are for the lab, where IPVS sends them: the tunnels of its kernel do not send GUE.
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			hosts := segment(t, 3)
			director, rs, client := hosts[0], hosts[1], hosts[2]
			w := want(t, test.want)
			w.Interface = "eth0"
			vip := w.VIP.String()
			if w.Mode == ipvs.TUN {
				needTunnel(t, rs, w)
				// The hard case: strict everywhere.
				rs.sysctl("net/ipv4/conf/all/rp_filter", "1")
			}
			for _, key := range []string{"ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"} {
				director.sysctl("net/"+key, "1")
			}
			for _, on := range []string{"all", "eth0"} {
				director.sysctl("net/ipv4/conf/"+on+"/send_redirects", "0")
			}
			director.ip(test.director...)
			if w.Mode == ipvs.TUN {
				director.ip("link set t0 up", fmt.Sprintf("-%d route add %v dev t0", uint8(w.family()), w.prefix()))
			}
			if w.VIP.Is4() {
				client.ip("route add " + vip + "/32 via 10.77.0.1")
			} else {
				client.ip("-6 route add " + vip + "/128 via fd77::1")
			}
			before, dir := rs.all(), t.TempDir()
			if err := exchange(rs, client, vip); err == nil {
				t.Error("served before up")
			}
			rs.up(dir, w)
			if wrong := rs.wrong(dir); wrong != "" {
				t.Errorf("show:\n%s", wrong)
			}
			if err := exchange(rs, client, vip); err != nil {
				t.Errorf("up, but not served: %v", err)
			}
			if got := client.answers(vip, rs.mac); got != nil {
				t.Errorf("%v answer for the VIP", got)
			}
			if w.Mode == ipvs.TUN && w.VIP.Is4() {
				rs.sysctl("net/ipv4/conf/"+w.device()+"/rp_filter", "1")
				if rs.wrong(dir) == "" || exchange(rs, client, vip) == nil {
					t.Errorf("strict filtering on %s does no harm, or show does not see it", w.device())
				}
				rs.up(dir, w)
			}
			rs.down(dir)
			same(t, "the real server", before, rs.all())
		})
	}
}

// needTunnel loads the tunnel's module, as Up would, or skips.
func needTunnel(t *testing.T, h *host, w Wanted) {
	t.Helper()
	h.do(func() {
		if err := loadTunnel(w.device()); err != nil {
			t.Skipf("only where the kernel has tunnels (the lab's user-mode kernel does): %v", err)
		}
	})
}

// exchange lets the client ask the VIP who it seems to be.
func exchange(rs, client *host, vip string) error {
	var l net.Listener
	var err error
	rs.do(func() { l, err = net.Listen("tcp", net.JoinHostPort(vip, "80")) })
	if err != nil {
		return err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, c.RemoteAddr().String())
			c.Close()
		}
	}()
	defer func() { l.Close(); <-served }()
	var said []byte
	var seen string
	client.do(func() {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", net.JoinHostPort(vip, "80"), 500*time.Millisecond); err != nil {
			return
		}
		defer c.Close()
		seen = c.LocalAddr().String()
		c.SetDeadline(time.Now().Add(500 * time.Millisecond))
		said, err = io.ReadAll(c)
	})
	if err == nil && string(said) != seen {
		err = errors.New("the real server sees " + string(said) + ", not " + seen)
	}
	return err
}

// Without tunnels in the kernel, TUN is refused and nothing is left.
func TestNoTunnelOnTheKernel(t *testing.T) {
	rs := segment(t, 1)[0]
	rs.do(func() {
		if loadTunnel("tunl0") == nil {
			t.Skip("only where the kernel has no tunl0, and cannot load it")
		}
	})
	before, dir := rs.all(), t.TempDir()
	rs.with(dir, func(s *Setup) {
		_, err := s.Up(t.Context(), Wanted{VIP: netip.MustParseAddr(vip4), Mode: ipvs.TUN, Interface: "eth0"})
		if err == nil || !strings.Contains(err.Error(), "the kernel has no tunl0 and cannot load the module ipip") {
			t.Errorf("error: %v", err)
		}
	})
	same(t, "host", before, rs.all())
	if file(t, dir) != "" {
		t.Error("the state is left")
	}
}
