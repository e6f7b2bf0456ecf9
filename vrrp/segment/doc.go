// Package segment is the VRRP socket of one family on one interface, over
// golang.org/x/net/ipv4 and ipv6, for Linux.
//
// A [Conn] belongs to a single-threaded event loop. Nothing in it blocks,
// starts a goroutine or takes a lock; it must be used from one goroutine. Its
// descriptor, [Conn.FD], goes into the loop's own epoll set.
//
// # What reaches the loop
//
// The socket is bound to its interface (SO_BINDTODEVICE), hears only the groups
// that it joined itself (IP_MULTICAST_ALL=0), and does not hear itself
// (IP_MULTICAST_LOOP=0). A classic BPF program, attached before the socket
// joins the group so that nothing slips in before it, lets through whole
// packets to the group with TTL 255, a version and VRID that the [Filter]
// wants, and enough bytes for a message. The rest dies in the kernel: a flood
// of garbage wakes nobody. That matters, because a userspace VRRP that reads
// garbage loses real adverts in the queue behind it, and a false takeover is
// the result.
//
// # The audit
//
// Garbage still has to be counted by its reason. A second socket on the same
// group carries the exact inverse of the filter. Every packet that reaches the
// interface is therefore in one socket or the other and never in both. The
// audit socket has a small receive buffer and stands in no epoll set. The loop
// reads it with [Conn.Audit] on its own schedule, at most as many packets as it
// likes; what did not fit is a number (SO_RXQ_OVFL), so the total is right even
// under a flood.
//
// # IPv6
//
// A raw IPv6 socket is given the message without the IP header. The filter
// reaches the header all the same (SKF_NET_OFF), so that the rules are those of
// IPv4: the group ff02::12, hop limit 255. Adverts of more than some 90 addresses
// are longer than a frame of Ethernet; the kernels cut them up and put them
// together. The kernel is not asked to make or test the checksum: what it tests
// and finds bad is gone without a reason.
//
// # No poller
//
// A net.PacketConn of package net is registered with the Go runtime's own epoll
// set, and every packet would wake an idle runtime thread, the audited garbage
// included. The descriptors here are opened directly and given to x/net in the
// shape of a net.IPConn, with every call passing MSG_DONTWAIT: x/net does the
// socket options, group membership, BPF, and batched I/O (recvmmsg, sendmmsg),
// and the runtime knows of no descriptor.
//
// # Time
//
// The kernel stamps a packet when it arrives (SO_TIMESTAMPNS), on the wall
// clock, which may be set at any moment. A [Packet] therefore carries no time
// of day but its Age: how long before Receive read it the packet had arrived,
// never below 0. The caller subtracts it from its monotonic clock, after
// limiting it to the time since it last drained the socket.
//
// # Interfaces come and go
//
// [Open] takes a name and [Conn.Index] says which interface that was. The
// socket follows the index: after the interface was deleted and made again Send
// fails with [ErrNoInterface] and nothing is received. The caller, who watches
// links anyway, closes the Conn and opens another.
package segment
