package ground

import (
	"net/netip"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRead looks at a network namespace of its own, in which only the loopback interface is, and is down.
func TestRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a network namespace can be made by root only")
	}
	server, local := netip.MustParseAddr("10.9.0.3"), netip.MustParseAddr("127.0.0.1")
	asked := Ask(load(t, service("nat", "")))
	asked.Targets = append(asked.Targets, local)
	type outcome struct {
		facts Facts
		err   error
	}
	done := make(chan outcome)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		var o outcome
		if o.err = unix.Unshare(unix.CLONE_NEWNET); o.err == nil {
			o.facts, o.err = Read(t.Context(), asked)
		}
		done <- o
	}()
	o := <-done
	if o.err != nil {
		t.Fatal(o.err)
	}
	f := o.facts
	if f.Sysctls["net/ipv4/conf/all/rp_filter"] == "" {
		t.Errorf("sysctls %v", f.Sysctls)
	}
	if _, there := f.Sysctls["net/ipv4/conf/eth0/rp_filter"]; there {
		t.Error("there is a sysctl of an interface that is not there")
	}
	if len(f.Links) != 1 || f.Links[0].Name != "lo" || f.Links[0].Up || f.Links[0].MTU != 65536 {
		t.Errorf("links %+v", f.Links)
	}
	if r := f.Routes[server]; r.Error == "" || f.Outside != "" {
		t.Errorf("route %+v, outside %q", r, f.Outside)
	}
	if f.Files == 0 {
		t.Error("no limit of descriptors")
	}
}

// TestReadHere looks at this host's own loopback interface.
func TestReadHere(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	f, err := Read(t.Context(), Asked{Targets: []netip.Addr{local, netip.IPv6Loopback()}})
	if err != nil {
		t.Fatal(err)
	}
	if lo, ok := f.link("lo"); !ok || !lo.Up || !f.owns(local) || f.owns(netip.MustParseAddr("203.0.113.1")) {
		t.Errorf("lo %+v", lo)
	}
	if r := f.Routes[local]; r.Interface != "lo" || r.MTU < 65535 || r.Error != "" {
		t.Errorf("route %+v", r)
	}
}

func TestModules(t *testing.T) {
	list := t.TempDir() + "/modules.dep"
	write(t, list, "kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/lib/libcrc32c.ko\nkernel/net/netfilter/ipvs/ip_vs_rr.ko: x.ko\nkernel/net/nf-nat.ko.zst:\nnonsense\n")
	found := make(map[string]bool)
	if err := listed(list, found); err != nil || len(found) != 3 || !found["ip_vs"] || !found["ip_vs_rr"] || !found["nf_nat"] {
		t.Errorf("%v, %v", found, err)
	}
	if listed(list+".none", found) == nil {
		t.Error("a list that is not there")
	}
}
