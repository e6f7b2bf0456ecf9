//go:build linux

package segment

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/lan"
	"github.com/lbha/lbha/vrrp/wire"
)

// keepalived as the oracle: as a backup it stays one exactly as long as it
// accepts our adverts, and as a master it sends adverts for us to accept.
func TestKeepalived(t *testing.T) {
	path, err := exec.LookPath("keepalived")
	if err != nil {
		t.Skipf("the command keepalived (package keepalived) is missing: %v", err)
	}
	password, err := wire.Password("secret12")
	if err != nil {
		t.Fatal(err)
	}
	addrs := func(texts ...string) (addrs []netip.Addr) {
		for _, text := range texts {
			addrs = append(addrs, netip.MustParseAddr(text))
		}
		return addrs
	}
	for _, tt := range []struct {
		name     string
		six      bool
		filter   Filter
		config   string
		advert   wire.Advert
		interval time.Duration
		form     wire.ChecksumForm
		spoil    func(a *wire.Advert, form *wire.ChecksumForm)
		reason   string // what keepalived says of the spoilt advert
	}{{
		name:   "version 3",
		filter: wants51,
		config: "version 3\n advert_int 0.1",
		advert: wire.Advert{Version: 3, Interval: 100 * time.Millisecond, Addresses: addrs("10.77.0.100")},
		form:   wire.FormPseudo,
		// keepalived takes the other form for a wrong checksum: this is why the
		// pseudo header is the default.
		spoil:  func(_ *wire.Advert, form *wire.ChecksumForm) { *form = wire.FormMessage },
		reason: "checksum",
	}, {
		name:   "version 2 with a password",
		filter: Filter{V2: []uint8{51}},
		config: "version 2\n advert_int 1\n authentication {\n auth_type PASS\n auth_pass secret12\n }",
		advert: wire.Advert{Version: 2, Interval: time.Second, AuthType: wire.AuthPassword, AuthData: password, Addresses: addrs("10.77.0.100")},
		form:   wire.FormMessage,
		spoil:  func(a *wire.Advert, _ *wire.ChecksumForm) { a.AuthData[0] ^= 1 },
		reason: "passw",
	}, {
		name:   "version 3 on IPv6",
		six:    true,
		filter: wants51,
		config: "version 3\n advert_int 0.1\n native_ipv6",
		advert: wire.Advert{Version: 3, Interval: 100 * time.Millisecond, Addresses: addrs("fe80::100", "2001:db8:77::100")},
		form:   wire.FormPseudo,
		// Of a bad checksum it would not hear: its kernel throws that away.
		spoil:  func(a *wire.Advert, _ *wire.ChecksumForm) { a.Addresses = a.Addresses[:1] },
		reason: "address",
	}, {
		name:   "version 3 on IPv6, without a link-local address",
		six:    true,
		filter: wants51,
		config: "version 3\n advert_int 0.1\n native_ipv6",
		advert: wire.Advert{Version: 3, Interval: 100 * time.Millisecond, Addresses: addrs("2001:db8:77::100")},
		form:   wire.FormPseudo,
		spoil:  func(a *wire.Advert, _ *wire.ChecksumForm) { a.Addresses = addrs("2001:db8:77::101") },
		reason: "address",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hosts := lan.New(t, 2)
			open, self, group := openOn, hosts[0].Addr, group4
			if tt.six {
				lan.WithIPv6(hosts)
				open, self, group = openOn6, hosts[0].Link6, wire.Group6()
			}
			us := open(t, hosts[0], tt.filter)
			log := start(t, hosts[1], path, tt.config, tt.advert.Addresses)

			a, form := tt.advert, tt.form
			a.VRID, a.Priority = 51, 200
			send := func() {
				t.Helper()
				msg, err := wire.Append(nil, &a, self, group, form)
				if err == nil {
					err = us.Send(msg, self, group)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			// until sends adverts until keepalived is in a state, for the n-th
			// time.
			until := func(state string, n int) {
				t.Helper()
				deadline := time.Now().Add(20 * time.Second)
				for strings.Count(log.String(), "Entering "+state+" STATE") < n {
					if time.Now().After(deadline) {
						t.Fatalf("keepalived is not %s for the %d. time:\n%s", state, n, log)
					}
					send()
					time.Sleep(tt.advert.Interval / 4)
				}
			}

			until("BACKUP", 1)
			for end := time.Now().Add(4*a.Interval + a.Interval/2); time.Now().Before(end); time.Sleep(a.Interval / 4) {
				send()
			}
			if strings.Contains(log.String(), "MASTER STATE") {
				t.Fatalf("keepalived did not accept our adverts:\n%s", log)
			}

			// Spoilt, they keep nobody from becoming master, and the master
			// says why it refuses them.
			tt.spoil(&a, &form)
			until("MASTER", 1)
			if !strings.Contains(strings.ToLower(log.String()), tt.reason) {
				t.Errorf("no word of %q:\n%s", tt.reason, log)
			}

			// What it sends as master is accepted, in the form we send by
			// default.
			p := receiveOne(t, us)
			var got wire.Advert
			gotForm, drop := wire.Decode(&got, p.Payload, p.Meta())
			want := fmt.Sprintf("accepted %v: VRID 51, priority 100, every %v, %v", tt.form, tt.advert.Interval, tt.advert.Addresses)
			if s := fmt.Sprintf("%v %v: VRID %d, priority %d, every %v, %v",
				drop, gotForm, got.VRID, got.Priority, got.Interval, got.Addresses); s != want {
				t.Errorf("its advert: %s; want %s", s, want)
			}
			expect := wire.Expect{
				Version: tt.advert.Version, VRID: 51, Interval: tt.advert.Interval, IfIndex: us.Index(),
				AuthType: tt.advert.AuthType, Password: tt.advert.AuthData, Self: self,
			}
			if drop := expect.Check(&got, p.Meta()); drop != wire.Accepted {
				t.Errorf("its advert is not wanted: %v", drop)
			}

			// And it yields again.
			a.AuthData, a.Addresses, form = tt.advert.AuthData, tt.advert.Addresses, tt.form
			until("BACKUP", 2)
		})
	}
}

// start runs keepalived's VRRP part in a host until the test ends, and returns
// its growing log.
func start(t *testing.T, h *lan.Host, path, instance string, vips []netip.Addr) *output {
	dir := t.TempDir()
	config := filepath.Join(dir, "keepalived.conf")
	var addresses strings.Builder
	for _, vip := range vips {
		fmt.Fprintf(&addresses, "  %v/%d\n", vip, vip.BitLen())
	}
	text := fmt.Sprintf(`vrrp_instance test {
 interface %s
 virtual_router_id 51
 state BACKUP
 priority 100
 %s
 virtual_ipaddress {
%s }
}
`, lan.Interface, instance, &addresses)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := new(output)
	cmd := exec.Command(path, "-n", "-l", "-D", "-P", "-f", config,
		"-p", filepath.Join(dir, "pid"), "-r", filepath.Join(dir, "vrrp.pid"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	h.Do(func() {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() {
		// It ends its child itself, if it is let; killed, it would leave it
		// behind.
		cmd.Process.Signal(syscall.SIGTERM)
		hung := time.AfterFunc(5*time.Second, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		cmd.Wait()
		hung.Stop()
	})
	return log
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
