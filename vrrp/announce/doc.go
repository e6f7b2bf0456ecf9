// Package announce tells an Ethernet segment where a virtual IP address (VIP)
// lives, by gratuitous ARP and unsolicited neighbour advertisements, and listens
// for others who say that they have it. It is for Linux, over
// github.com/mdlayher/arp, ethernet and packet, and golang.org/x/net.
//
// Everything is called from one thread and nothing blocks. There is no timer
// here: when to repeat is the machine's to say.
//
// # Announcing
//
// A [Sender] sends each IPv4 address in two forms (RFC 5227 §3), as an ARP
// request and as an ARP reply, for there are receivers that honour only one of
// them. Both are broadcast, and name the VIP as sender and as target:
//
//	ff:ff:ff:ff:ff:ff < MAC  request  VIP is at MAC, who has VIP (ff:ff:ff:ff:ff:ff)
//	ff:ff:ff:ff:ff:ff < MAC  reply    VIP is at MAC, to VIP (ff:ff:ff:ff:ff:ff)
//
// MAC is the interface's, or the virtual router's 00:00:5e:00:01:VRID, which
// then is the frame's source too, so that switches learn it. The socket only
// sends: its protocol is 0, the kernel delivers nothing to it. arp.Client is
// not used because it refuses an interface without an IPv4 address, as each
// fresh virtual MAC interface is.
//
// Of an IPv6 address it sends one neighbour advertisement (RFC 4861 §7.2.6) from
// that address to all nodes, which overrides what they have:
//
//	33:33:00:00:00:01 < MAC  VIP > ff02::1  VIP is at MAC  (override, router or not)
//
// The router flag has to tell the truth: whoever has the VIP as its default router drops
// it when the flag goes. Nothing has to be known of the interface's own IPv6
// addresses, so that an announcement waits for no duplicate address detection.
//
// A Linux neighbour changes an entry that it has at once, and makes none that
// it has not; one frame suffices if it arrives.
//
// # Listening
//
// A [Listener] hears ARP packets, of either operation, whose sender is one of
// our VIPs at a MAC that is not ours: another host has the address. A BPF
// program in the kernel lets through nothing else, so the normal ARP traffic of
// a segment costs the loop nothing. An ARP probe, whose sender is 0.0.0.0,
// claims nothing yet and is not reported.
//
// A second one hears neighbour advertisements for our IPv6 addresses in the same
// way, solicited or not, on a raw ICMPv6 socket. A solicitation, with which
// duplicate address detection asks, claims nothing yet.
package announce
