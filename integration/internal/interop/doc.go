// Package interop plays lbha against keepalived and FRR's vrrpd: who is master when, as the wire says it.
//
// A [Cell] is one pairing: which of the two daemons has the higher priority, which peer, version, family, cast, authentication. Each
// cell is a network of its own (netlab.Pair), in which the pair is started, its master is killed, returns, is stopped, returns, and
// then both have the same priority and are cut off from each other. Cells share nothing, mostly wait, and run side by side.
//
// Nobody is asked who is master. The switch between the two records each advertisement with the kernel's time stamp and the port that it
// came in by, and asks by ARP or neighbour discovery, as a client would, who has the virtual address. From that
// record a [Span] is a time in which a host advertised, and every demand is a statement about spans and holders.
package interop
