// Package lvs shows in the lab, on the real kernel, what a director forwards and how: the packets of each forwarding method and each tunnel, the
// property of each scheduler, every kind of virtual service, how servers drain, the load that a pair carries while its pools are changed, the
// connections that survive a failover, and that nothing writes to a table that is as it should be.
//
// Each part acts and records what it saw as plain data ([Frame]s of the wire, draws of a scheduler, requests of a client); what that
// must look like is said by functions of the data alone, which are tested with data that was written, and spoiled, by hand.
//
// The network has two segments, because NAT needs one:
//
//	outside 10.8.0.0/24, fd08::/64    client .10 (eth1)    d1 .1, d2 .2 (eth1)
//	inside  10.9.0.0/24, fd09::/64    client .10 (eth0)    d1 .1, d2 .2 (eth0)    rs1 .3, rs2 .4 (eth0)
//
// The client asks NAT services from the outside, DR and TUN services from the inside: it is on the real servers' segment there, so that they
// can answer it themselves. More virtual addresses are behind d1: 10.10.0.0/16 and fd10::/64 are asked from the outside, 10.11.0.0/16 and
// fd11::/64 from the inside. The default route of the real servers leads to 10.9.0.254, which the master holds.
package lvs
