// Package ipvs says what an IPVS table should be and how to get there.
//
// IPVS is the load balancer inside the Linux kernel. Its table has virtual
// services ([Service], known by their [Key]: protocol, address and port, or a
// firewall mark) and, for each, a pool of real servers ([Server], known by
// their address and port). The kernel tells nobody when its table changes and
// keeps it when its author dies. So this package is level-triggered: it reads
// the table, compares it with the one that is wanted, and changes the
// difference.
//
//	table, outcomes := ipvs.Desired(intents)    // what should be, and why
//	ops := ipvs.Diff(table, have)               // what is to be done, in a safe order
//
// [Desired] and [Diff] are functions: no clock, no socket, no state. The order
// of a Diff never leaves a pool without a server on the way from one non-empty
// pool to another, edits in place what the kernel can edit in place, and has no
// op for a thing that already is as wanted. Applying the same table twice does
// nothing the second time.
//
// The [Reconciler] is the actor around them and the only user of a [Kernel]:
//
//	r := ipvs.NewReconciler(k, ipvs.Options{Observe: journal})
//	go r.Run(ctx)
//	r.Set(ipvs.Want{Table: table})              // latest wins; at once
//	report, err := r.Sync(ctx)                  // applied, and confirmed by the kernel
//	fmt.Print(r.State().Table)                  // never blocks
//
// It owns the services that it was told to want, and those that a former
// process saved as owned. Services of other programs are reported and left
// alone, unless the table is wanted to be exclusive.
//
// # Text
//
// Tables and ops print as the rules an operator would type into ipvsadm
// ("ipvsadm -Sn" and its -x and -y): the form in which tests compare them, plans
// show them and events name them.
//
// # Names
//
// The kernel's "destination" is a real server here, its "masquerading" is NAT,
// its "direct routing" (ipvsadm -g) is "dr".
package ipvs
