package director

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inOwnNetwork in the environment says that the test binary has a network of its own.
const inOwnNetwork = "LBHA_TEST_OWN_NETWORK"

// A director without a local port for its checks knows that it is its own lack: no server fails for it. When there are ports again, one
// that died meanwhile is out.
func TestOutOfPortsNoServerFails(t *testing.T) {
	if os.Getenv(inOwnNetwork) == "" {
		t.Parallel()
		if os.Geteuid() != 0 {
			t.Skip("network namespaces need root")
		}
		again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		again.Env = append(os.Environ(), inOwnNetwork+"=1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("in a network of its own: %v\n%s", err, out)
		}
		return
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	h, a, b := startPair(t)
	written := h.writes()

	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40001"), 0); err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	for _, s := range []net.Listener{a, b} { // both ports to each; a check may have one for a moment
		for n := 0; n < 2; {
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				time.Sleep(time.Millisecond)
				continue
			}
			held, n = append(held, c), n+1
		}
	}
	lacking := func(n int) bool { // checks of this moment end for want of a port
		st, err := h.client.Status(t.Context())
		return err == nil && strings.Contains(st.Services[0].Servers[n].Detail, "cannot assign requested address")
	}
	h.until("the ports are used up", func() bool { return lacking(0) && lacking(1) })
	b.Close()
	time.Sleep(time.Second) // ten checks of each, where two failures would do
	if !lacking(0) || !lacking(1) {
		t.Error("there are ports")
	}
	if got := written(); got != "" {
		t.Errorf("for want of ports:\n%s", got)
	}
	for _, c := range held {
		if err := c.(*net.TCPConn).SetLinger(0); err != nil { // nothing stays in TIME_WAIT
			t.Error(err)
		}
		c.Close()
	}
	h.until("the dead one is out", func() bool { return h.inTable(a) && !h.inTable(b) })
}
