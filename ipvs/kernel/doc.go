// Package kernel is the IPVS of the running Linux kernel: the real
// [ipvs.Kernel], and what the command line needs besides.
//
//	k := kernel.New(kernel.Options{})
//	defer k.Close()
//	snap, err := k.List(ctx)
//
// A [Conn] connects when it is first used, and again after a failure that leaves
// the state of its sockets in doubt. Where the kernel has no IPVS each call fails
// with [ipvs.ErrUnavailable]; once, it tries to load the module.
//
// # Two ways into the kernel
//
// The kernel's interface is one generic netlink family. This package speaks it
// in two ways, with exactly one way for each operation:
//
//   - github.com/moby/ipvs reads and sets the timeouts, and flushes. It is right
//     for these: it passes the kernel's errno on, and they are few.
//   - a small supplement over github.com/mdlayher/genetlink does the rest.
//
// Why the rest is not done by moby/ipvs v1.1.0:
//
//   - Listing services: it does not read the persistence engine, so a
//     comparison would never end equal; its counters are the 32-bit ones that
//     wrap; it takes an interrupted listing for a whole one.
//   - Listing servers: it cuts weights to 16 bits and knows neither tunnels nor
//     the number of persistence templates.
//   - Writing servers: it never sends their address family, so a server of the
//     other family is stored as garbage without an error; an edit resets GUE and
//     GRE to plain IPIP.
//   - Writing anything: it waits for an answer to each message, where a table of
//     thousands of services and servers wants many in one write, in one order.
//   - It has no synchronisation daemon, no zeroing of counters, no version.
//
// And why moby/ipvs is kept on a lead where it is used:
//
//   - Without IPVS in the kernel it reports success, or panics. So the
//     supplement finds the family first, and a fresh handle has to prove itself.
//   - A lost answer blocks it for ever. So each call has a goroutine and a
//     deadline; a handle that misses it is closed, and a new one is opened.
//   - It looks the family up once in the life of a process. If the module was
//     unloaded and loaded again since, the proof fails and the error says so.
//
// # Consistency
//
// The kernel lists by position, under no lock that spans the answers: if others
// change the table meanwhile, a service can be missed or come twice. A miss shows
// as an EEXIST when it is added; the reconciler then lists again.
//
// # Tests
//
// The tests need a kernel with IPVS and the right to make a network namespace;
// the laboratory runs them in a user-mode kernel. Without, they check that this
// package says so.
package kernel
