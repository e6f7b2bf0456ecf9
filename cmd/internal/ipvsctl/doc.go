// Package ipvsctl is what `lbha ipvs` does: an ipvsadm on ipvs/kernel, which needs no daemon and knows of none.
//
// Reading makes documents, which are printed as JSON as they are, or as tables for people:
//
//	snap, err := k.List(ctx)
//	listing, err := ipvsctl.NewListing(snap)      // or of some services only
//	err = listing.WriteTable(os.Stdout)
//
// Writing goes through ops, so that everything can be shown before it is done:
//
//	op, err := ipvsctl.EditServer(snap.Table, key, addr, ipvsctl.ServerChange{Weight: &zero})
//	result, err := ipvsctl.Carry(ctx, k, []ipvs.Op{op})
//
// Restore reads rules to the end before it touches the kernel, applies them as one difference, and names the line of each
// rule that the kernel refuses. (ipvsadm carries out line by line, and exits with 0 when the kernel refuses some.)
//
// Errors say which object, why, and what to do: the kernel's errno alone is ambiguous.
package ipvsctl
