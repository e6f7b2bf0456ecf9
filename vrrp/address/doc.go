// Package address puts virtual IP addresses (VIPs) on interfaces and takes them
// off, reads links, and watches both, over rtnetlink.
//
// Everything is called from one thread. Nothing here starts a goroutine, and
// the sockets are unknown to the Go runtime's poller: the descriptor of a
// [Watch] goes into the caller's own epoll set. A request waits for its answers
// for a bounded time (SO_RCVTIMEO). It cannot bound what happens before: the
// kernel carries a request out inside the system call that sends it, and queues
// there for the lock of all network configuration behind whoever holds it.
//
// # Leases
//
// A VIP is claimed for a lease: the kernel itself removes it 0 to 0.4 s after
// that time has passed. A director that renews the lease only together with an
// advertisement that it really sent cannot keep a VIP that it no longer
// defends, be it killed, stopped or starved. The kernel counts whole seconds.
//
// Claim, Renew and Release are idempotent sets. Each sends one request a VIP,
// many in one write, and reads one acknowledgement for each: the round trip,
// not the work, is what costs. Claiming what is there adopts it: lease and mark
// become ours.
//
// # What a VIP does to the interface
//
// The kernel keeps an interface's addresses in order, and takes the first that
// fits as the source of what the host sends. A VIP must not become that:
// replies to what was sent from it would follow it to the next master. Claimed
// after the interface's own address it stands behind it. As a /32 it is
// moreover no neighbour of any router, so the kernel prefers an address that
// is; its scope is global, as keepalived's is. With the prefix of the
// interface's own address it becomes a secondary of that, and goes with it when
// somebody deletes it. What must not depend on the order, adverts above all,
// names its source: [Primary] picks it from the addresses of a link.
//
// Of IPv6 addresses the kernel takes the one that has the longest prefix in
// common with the destination (RFC 6724), which a VIP may well be. A VIP is
// therefore deprecated from the start: its preferred lifetime is 0, as
// keepalived has it for a /128. That says only what the host begins by itself; to
// whoever comes to the VIP nothing is different. Duplicate address detection is
// off for a VIP (IFA_F_NODAD): it was another host's a moment ago, and must be
// usable at once. [Primary6] picks the source of adverts.
//
// # The mark
//
// Every VIP carries IFA_PROTO = 112 (Linux 5.18 and later). A restarted process
// finds by it what it left behind ([Conn.Held]), and a [Watch] tells the loss of
// a VIP from other news. The mark is help, not proof: older kernels keep none,
// and Linux 6.1 leaves it off an IPv4 address that was there before it was
// claimed (6.18 does not). [Conn.Missing] and [Conn.Release] therefore go by the
// address alone.
//
// # Virtual MAC
//
// A virtual router may have a MAC of its own, the same at every director. A
// [Macvlan] on the interface carries it, with the VIPs: down as long as the
// router is a backup, so that no switch sees the MAC at two ports. Beside it the
// interface below must neither answer ARP for the VIPs nor ask in their name
// ([ARP]). What a Macvlan is for stands on it, in its alias.
//
// # Routes and rules
//
// They follow the master as VIPs do, but have no lease: the kernel knows none for
// them. They carry the same mark, as routing protocol 112 (ip route show proto
// 112). [Conn.AddRoutes] never replaces an entry, and [Conn.RemoveRoutes] removes
// only what carries the mark: an entry of the administrator's is never touched.
// To add what is there already costs a request and changes nothing, which is how
// a caller sees to it that it is there still. Whose it is only the list tells
// ([Conn.Routes]): for that the kernel walks its whole table, so it is for the
// start, and for now and then.
//
// # Events are hints
//
// rtnetlink loses events when a queue is full (ENOBUFS) and does not say which.
// A [Watch] therefore reports which links are worth reading again with
// [Conn.Link], and whether all are. Only the deletion of an address is told in
// full, to be acted on in milliseconds. What the Conn itself did is left out:
// the kernel labels the events of IPv4 addresses with the socket that caused
// them.
package address
