// Package netlab builds the lab's network: one bridge, and hosts that are network namespaces with one interface on it.
//
//	d1 10.9.0.1      d2 10.9.0.2        two directors
//	rs1 10.9.0.3     rs2 10.9.0.4       two real servers, and rs3 10.9.0.5, which no configuration names at first
//	client 10.9.0.10 observer 10.9.0.20
//	VIP 10.9.0.100   on a director's eth0, and on the loopback of each real server (direct routing)
//
// The bridge lives in a namespace of its own ("sw"). It floods multicast instead of learning groups, as an unmanaged switch does,
// so that the observer hears every advertisement.
//
// A network of [Pair] is smaller, and there may be many: two directors, and a switch that is the third host itself.
//
// Namespaces are named as iproute2 names them: `ip netns exec d1 ipvsadm -Ln` works inside a lab.
package netlab
