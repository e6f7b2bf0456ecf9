// Package observe watches the lab from outside: what is on the wire, who holds the VIP, and what is in the kernel's tables.
//
// Nothing here asks a daemon, and nothing shares code with one: VRRP and ARP are parsed from packets that a third host
// received, addresses come from the kernel's own notifications, tables from /proc/net/ip_vs. Packets carry the kernel's receive time
// stamp, so it does not matter how late an observer reads them.
//
// In a network of two directors alone a [Tap] does the same at the switch: it knows who sent a packet by the port that it came in by, and
// sees unicast too.
//
// Every observer appends to a [Tape]; the drill cuts windows out of the tapes afterwards.
package observe
