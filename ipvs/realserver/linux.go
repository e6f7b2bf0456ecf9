//go:build linux

package realserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/ipvs"
)

const (
	procSys        = "/proc/sys"
	requestTimeout = 5 * time.Second
	nftTimeout     = 10 * time.Second
	dumpTries      = 5
	forever        = 1<<32 - 1 // INFINITY_LIFE_TIME in linux/if_addr.h
)

// Linux is the host of the calling thread: its network namespace.
type Linux struct{ h *netlink.Handle }

// Dial opens the host's network configuration. All calls must come from threads
// of the same network namespace: sysctls and nft follow the thread.
func Dial() (*Linux, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	if err := h.SetSocketTimeout(requestTimeout); err != nil {
		h.Close()
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	return &Linux{h}, nil
}

// Close closes it.
func (l *Linux) Close() error { return l.h.Close() }

// Observe takes a snapshot.
func (l *Linux) Observe(ctx context.Context, also Extra) (Host, error) {
	h := Host{Sysctls: make(map[string]string)}
	names := make(map[int]string)
	var err error
	if h.Links, err = l.links(names); err != nil {
		return Host{}, err
	}
	if err := readSysctls(h); err != nil {
		return Host{}, err
	}
	for family, number := range families {
		hops, err := l.gateways(family, number, names)
		if err != nil {
			return Host{}, fmt.Errorf("list %v routes: %w", family, err)
		}
		h.Gateways = append(h.Gateways, hops...)
	}
	proxies, err := dump(func() ([]netlink.Neigh, error) { return l.h.NeighProxyList(0, netlink.FAMILY_V6) })
	if err != nil {
		return Host{}, fmt.Errorf("list proxy entries: %w", err)
	}
	for _, p := range proxies {
		if ip, ok := netip.AddrFromSlice(p.IP); ok {
			h.Proxies = append(h.Proxies, Proxy{ip, names[p.LinkIndex]})
		}
	}
	if also.Listeners {
		if h.Listeners, err = l.listeners(); err != nil {
			return Host{}, fmt.Errorf("list the ports of foo over UDP: %w", err)
		}
	}
	if also.Filter {
		h.Filter, err = l.filter(ctx)
	}
	return h, err
}

// links are the interfaces with their addresses; their names, by index, go into names.
func (l *Linux) links(names map[int]string) ([]Link, error) {
	links, err := dump(func() ([]netlink.Link, error) { return l.h.LinkList() })
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	addrs, err := dump(func() ([]netlink.Addr, error) { return l.h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var all []Link
	for _, link := range links {
		a := link.Attrs()
		names[a.Index] = a.Name
		l := Link{Name: a.Name, Up: a.Flags&net.FlagUp != 0, Speaks: a.RawFlags&(unix.IFF_LOOPBACK|unix.IFF_NOARP) == 0, Mode: modeOf(link)}
		for _, addr := range addrs {
			if ip, ok := netip.AddrFromSlice(addr.IP); ok && addr.LinkIndex == a.Index {
				bits, _ := addr.Mask.Size()
				l.Addrs = append(l.Addrs, netip.PrefixFrom(ip.Unmap(), bits))
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// readSysctls reads the settings that matter, for all interfaces together and for each; one that is absent is left out.
func readSysctls(h Host) error {
	conf := []string{"all"}
	for _, l := range h.Links {
		conf = append(conf, l.Name)
	}
	for _, name := range conf {
		for _, key := range []string{"ipv4/conf/%s/arp_ignore", "ipv4/conf/%s/arp_announce", "ipv4/conf/%s/rp_filter", "ipv6/conf/%s/disable_ipv6"} {
			path := "net/" + fmt.Sprintf(key, name)
			switch value, err := os.ReadFile(filepath.Join(procSys, path)); {
			case err == nil:
				h.Sysctls[path] = strings.TrimSpace(string(value))
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
		}
	}
	return nil
}

var families = map[ipvs.Family]int{ipvs.IPv4: netlink.FAMILY_V4, ipvs.IPv6: netlink.FAMILY_V6}

// gateways are the next hops of the default route with the lowest metric.
func (l *Linux) gateways(family ipvs.Family, number int, names map[int]string) ([]Gateway, error) {
	routes, err := dump(func() ([]netlink.Route, error) { return l.h.RouteList(nil, number) })
	if err != nil {
		return nil, err
	}
	routes = slices.DeleteFunc(routes, func(r netlink.Route) bool {
		if r.Dst == nil {
			return false
		}
		bits, _ := r.Dst.Mask.Size()
		return bits > 0 || !r.Dst.IP.IsUnspecified()
	})
	if len(routes) == 0 {
		return nil, nil
	}
	best := slices.MinFunc(routes, func(a, b netlink.Route) int { return a.Priority - b.Priority })
	hop := func(gw net.IP, via netlink.Destination, index int) Gateway {
		if v, ok := via.(*netlink.Via); ok && gw == nil {
			gw = v.Addr
		}
		addr, _ := netip.AddrFromSlice(gw)
		return Gateway{family, addr.Unmap(), names[index]}
	}
	if len(best.MultiPath) == 0 {
		return []Gateway{hop(best.Gw, best.Via, best.LinkIndex)}, nil
	}
	var hops []Gateway
	for _, n := range best.MultiPath {
		hops = append(hops, hop(n.Gw, n.Via, n.LinkIndex))
	}
	return hops, nil
}

// dump repeats a listing that changed under the kernel's hands.
func dump[T any](list func() ([]T, error)) (all []T, err error) {
	for range dumpTries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, err
}

// Apply carries out a step.
func (l *Linux) Apply(ctx context.Context, s Step) error {
	switch s.Kind {
	case Sysctl:
		return os.WriteFile(filepath.Join(procSys, s.Name), []byte(s.To), 0)
	case LinkSet:
		return l.setLink(s)
	case Address:
		return l.setAddress(s)
	case Filter:
		return l.setFilter(ctx, s)
	case TunnelMode:
		return setMode(s)
	case Listener:
		return l.setListener(ctx, s)
	}
	return fmt.Errorf("unknown kind of setting %q", s.Kind)
}

func (l *Linux) setLink(s Step) error {
	if s.From == absent {
		return loadTunnel(s.Name)
	}
	link, err := l.h.LinkByName(s.Name)
	if err != nil {
		return err
	}
	if s.To == up {
		return l.h.LinkSetUp(link)
	}
	return l.h.LinkSetDown(link)
}

func (l *Linux) setAddress(s Step) error {
	p, device, err := s.parts()
	if err != nil {
		return err
	}
	link, err := l.h.LinkByName(device)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
	if s.To == absent {
		return l.h.AddrDel(link, addr)
	}
	if p.Addr().Is6() {
		// Deprecated for ever: never a source by choice.
		addr.Flags, addr.ValidLft, addr.PreferedLft = unix.IFA_F_NODAD, forever, 0
	}
	return l.h.AddrAdd(link, addr)
}

// filter is our table as nft lists it, without counters.
func (l *Linux) filter(ctx context.Context) (string, error) {
	tables, err := nft(ctx, "", "list", "tables", "arp")
	if err != nil || !slices.Contains(strings.Split(tables, "\n"), "table arp "+table) {
		return "", err
	}
	return nft(ctx, "", "--stateless", "list", "table", "arp", table)
}

// setFilter replaces the table in one transaction. It is added before it is
// deleted because deleting what is not there is an error.
func (l *Linux) setFilter(ctx context.Context, s Step) error {
	rules := fmt.Sprintf("add table arp %s\ndelete table arp %s\n%s", s.Name, s.Name, s.To)
	_, err := nft(ctx, rules, "-f", "-")
	return err
}

func nft(ctx context.Context, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, nftTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nft", args...)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(input)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	switch err := cmd.Run(); {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("the program nft is missing: install nftables, or guard the VIP by sysctl (--arp sysctl)")
	case err != nil:
		// The first line says what is wrong; the rest repeats the input.
		said, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		if strings.Contains(said, "Operation not supported") {
			return "", errors.New("this kernel's nftables lack the family arp (CONFIG_NF_TABLES_ARP): guard the VIP by sysctl (--arp sysctl)")
		}
		return "", fmt.Errorf("nft %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return out.String(), nil
}
