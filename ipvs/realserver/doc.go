// Package realserver makes this host a real server: what DR, TUN and NAT ask of
// the host behind the director, done, checked and undone.
//
//	k, err := realserver.Dial()
//	defer k.Close()
//	s := realserver.New(k, "/run/lbha")
//	steps, err := s.Up(ctx, realserver.Wanted{VIP: vip, Mode: ipvs.DR, ARP: realserver.BySysctl})
//
// # The ARP problem
//
// In DR the director changes nothing of a packet but the destination MAC, and in
// TUN it wraps the packet whole. Either way the real server finds a packet to the
// VIP, and must hold the VIP itself to accept it and to answer from it. But the
// director holds the VIP too, on the same segment, and only the director may be
// found there: the client's router takes whichever ARP answer it hears last, and
// a router that hears the real server's sends it all of the traffic, unbalanced
// and unchecked, until its cache runs out. The fault is intermittent and looks
// like a health-check problem.
//
// Putting the VIP on the loopback interface does not hide it. Linux is a weak
// host (RFC 1122, section 3.3.4.2): an address belongs to the host, not to the
// interface, so the host answers ARP for it on every interface. Worse, it
// announces it unasked: an ARP request carries the source address of the packet
// that waits for it as the sender, and an answer to a client waits with the VIP
// as its source. Everybody who hears such a request learns that the VIP is here.
// Both must stop, by one of two means:
//
//   - BySysctl: arp_ignore=1 answers only for addresses of the interface on which
//     the question came; arp_announce=2 asks with an address of the interface on
//     which the question leaves. Both are set on "all", because the kernel uses
//     the greater of "all" and the interface's own value, and on the interface,
//     so that whoever lowers "all" one day does not break it.
//   - ByFilter: an nftables table of the family arp drops every question for the
//     VIP, and rewrites the sender of our own questions from the VIP to an address
//     of the interface. It is for hosts whose other addresses rely on the weak
//     host model. It is bound to the addresses that the interface has now, and
//     needs a kernel with CONFIG_NF_TABLES_ARP.
//
// The VIP goes up only when its guard stands, and the guard falls only when the
// VIP is gone: there is no moment at which the host answers.
//
// # IPv6 needs no guard
//
// Linux is a strict host in neighbour discovery. It answers a solicitation only
// for an address of the interface that received it (ndisc_recv_ns in
// net/ipv6/ndisc.c looks the target up with that device, strictly), and solicits
// with the packet's source only if the sending interface has it (ndisc_solicit).
// The tests measure both with a third host. Two things could still answer, and
// are refused: the VIP on an interface that takes part in neighbour discovery,
// and a proxy entry for it. The address is added as deprecated
// (preferred_lft 0), as keepalived adds its own, so that the host never chooses
// it as the source of its own connections, and without duplicate address
// detection, which it would rightly fail.
//
// # The mask
//
// The VIP has the full prefix, /32 or /128. A shorter one on the loopback
// interface would make the whole network local, and on a tunnel would route it
// into the tunnel.
//
// # TUN
//
// The VIP is on the device out of which the packets come. Which one that is
// depends on the encapsulation, on the family of the VIP, and on that of the
// packets around, which is the family of the real server's own address:
//
//	                      around it IPv4    around it IPv6
//	ipip, gue  IPv4 VIP   tunl0             ip6tnl0, its mode "any"
//	           IPv6 VIP   sit0              ip6tnl0
//	gre        both       gre0              ip6gre0
//
// GUE is IPIP in UDP: a port of the kernel's foo over UDP unwraps it, and what it
// has unwrapped goes on as IPIP. It checks and undoes every checksum that a
// director may add. gre0 and ip6gre0 drop GRE with a checksum: the director's
// tunnel must have none there.
//
// Each is the fallback device that the kernel makes with the module; it accepts
// from every sender, so a firewall should let IP protocol 4 (41 for IPv6, 47 for
// GRE, the UDP port of GUE) in from the directors alone. A client's packet on
// tunl0 has a source that routes elsewhere, so strict reverse-path filtering
// (rp_filter=1) drops it. The kernel uses the greater of "all" and the
// interface's value, but 2, loose, is greater than 1, strict. So the device gets 0
// where "all" is not strict, and 2 where it is: "all", and with it every other
// interface, keeps its protection. Loose accepts any source that has a route, and
// without one there is no answer either.
//
// # NAT
//
// The director rewrites the answer too, so the answer must pass it: the default
// route must lead to the director's inside address. Routes are the host's own
// affair, so Up only checks, and says what to do.
//
// # Undoing
//
// Before anything is changed, what was there is written to realserver.json. Down
// restores that: a value that somebody has changed since is left, an address
// that was there before is left, a tunnel device that was down is set down. A
// module that was loaded stays loaded: removing it would take every tunnel of
// every namespace with it. A failure in the middle of Up or Down undoes what
// that call did. Several VIPs share their sysctls: the last one restores them.
//
// # Structure
//
// A [Host] is a snapshot of what matters. Requirements, plan and findings are
// pure functions of the wanted VIPs, the saved state and a snapshot. A [Kernel]
// takes snapshots and carries out one [Step] at a time; [Linux] is the real one.
// Nothing here starts a goroutine. A [Setup] excludes other processes by a lock
// on its directory.
package realserver
