package lvs

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
)

const (
	runDir  = "/run/lab"
	inside  = "eth0"
	outside = "eth1"
)

// Addresses that the master holds.
var (
	gateway4 = netip.MustParseAddr("10.9.0.254")
	gateway6 = netip.MustParseAddr("fd09::254")
)

// node is a host of the network.
type node struct {
	*netlab.Host
	last byte // of its addresses
}

// at is an address of the node on a segment: inside 10.9.0.LAST, outside 10.8.0.LAST.
func (n node) at(iface string, six bool) netip.Addr {
	return place(iface, six, n.last)
}

func place(iface string, six bool, last byte) netip.Addr {
	net := byte(9)
	if iface == outside {
		net = 8
	}
	if !six {
		return netip.AddrFrom4([4]byte{10, net, 0, last})
	}
	return netip.AddrFrom16([16]byte{0: 0xfd, 1: net, 15: last})
}

// mac is that of an interface of the node.
func (n node) mac(iface string) net.HardwareAddr {
	segment := byte(9)
	if iface == outside {
		segment = 8
	}
	return net.HardwareAddr{2, segment, 0, 0, 0, n.last}
}

// network is the lab without directors.
type network struct {
	sw     *netlab.Host
	client node
	d      [2]node
	real   [2]node
	binary string // lbha
	web    [2]*exec.Cmd
}

// build makes the network. Its real servers are bare hosts still.
func build(binary string) (*network, error) {
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return nil, err
	}
	n := &network{binary: binary}
	var err error
	if n.sw, err = netlab.NewHost("sw"); err != nil {
		return nil, err
	}
	for _, segment := range []string{inside, outside} {
		if err := n.sw.AddBridge("br-" + segment); err != nil {
			return nil, err
		}
	}
	for _, h := range []struct {
		at     *node
		name   string
		last   byte
		ifaces []string
	}{
		{&n.d[0], "d1", 1, []string{inside, outside}}, {&n.d[1], "d2", 2, []string{inside, outside}},
		{&n.real[0], "rs1", 3, []string{inside}}, {&n.real[1], "rs2", 4, []string{inside}},
		{&n.client, "client", 10, []string{inside, outside}},
	} {
		if *h.at, err = n.host(h.name, h.last, h.ifaces); err != nil {
			return nil, err
		}
	}
	for _, d := range n.d {
		// Without the last, a new connection from a port that was that of a connection to a server which is gone is dropped for minutes: a
		// director in DR and TUN does not see how connections end.
		for _, key := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/vs/expire_nodest_conn"} {
			if err := d.Sysctl("net/"+key, "1"); err != nil {
				return nil, err
			}
		}
	}
	for _, rs := range n.real {
		if err := rs.ip("route add default via "+gateway4.String(), "-6 route add default via "+gateway6.String()); err != nil {
			return nil, err
		}
	}
	return n, n.client.Sysctl("net/ipv4/ip_local_port_range", "1024 65000")
}

func (n *network) host(name string, last byte, ifaces []string) (node, error) {
	h, err := netlab.NewHost(name)
	if err != nil {
		return node{}, err
	}
	made := node{h, last}
	for _, iface := range ifaces {
		if err := h.Plug(n.sw, "br-"+iface, iface, made.mac(iface)); err != nil {
			return made, err
		}
		err := made.ip(
			fmt.Sprintf("address add %s/24 dev %s", made.at(iface, false), iface),
			fmt.Sprintf("address add %s/64 dev %s nodad", made.at(iface, true), iface))
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

// ip runs commands of ip(8), one a line.
func (n node) ip(commands ...string) error {
	for _, c := range commands {
		if out, err := n.Output("ip", strings.Fields(c)...); err != nil {
			return fmt.Errorf("ip %s: %w %s", c, err, out)
		}
	}
	return nil
}

// prepare makes a real server of a host by lbha's own command.
func (n *network) prepare(rs node, args ...string) error {
	args = append([]string{"realserver", "up", "--state-dir", filepath.Join(runDir, rs.Name)}, args...)
	_, err := rs.Output(n.binary, args...)
	return err
}

// startWeb starts nginx on a real server and waits until it listens.
func (n *network) startWeb(i int) error {
	rs := n.real[i]
	dir := filepath.Join(runDir, rs.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(nginxConfig(dir, rs.Name)), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("nginx", "-p", dir, "-c", path)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := rs.Start(cmd); err != nil {
		return fmt.Errorf("start nginx on %s: %w", rs.Name, err)
	}
	n.web[i] = cmd
	addr := netip.AddrPortFrom(rs.at(inside, false), drive.PortHTTP)
	return eventually(5*time.Second, fmt.Sprintf("nginx on %s listens", rs.Name), func() error {
		return rs.Do(func() error {
			c, err := net.Dial("tcp", addr.String())
			if err != nil {
				return err
			}
			return c.Close()
		})
	})
}

// killWeb kills nginx on a real server: its port refuses from now on.
func (n *network) killWeb(i int) error {
	cmd := n.web[i]
	n.web[i] = nil
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	_ = cmd.Wait() // killed
	return nil
}

// nginxConfig answers with the server's name and the client's address.
func nginxConfig(dir, name string) string {
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "    %s_temp_path %s/%s;\n", kind, dir, kind)
	}
	return fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log crit;
events { worker_connections 4096; }
http {
    access_log off;
    server_tokens off;
    default_type text/plain;
%[3]s    server {
        listen 80 backlog=4096;
        listen [::]:80 ipv6only=on;
        location / { return 200 "%[2]s $remote_addr"; }
        location = /healthz { return 200 "well"; }
    }
}
`, dir, name, temp.String())
}

// eventually tries until f succeeds.
func eventually(limit time.Duration, what string, f func() error) (err error) {
	for deadline := mono.Now().Add(limit); mono.Now() < deadline; time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("waited %v in vain until %s: %w", limit, what, err)
}
