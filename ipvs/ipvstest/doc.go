// Package ipvstest has an IPVS for tests: a [Kernel] in memory that answers with
// the errors of the real one, and the suites that both must pass.
//
//	k := ipvstest.NewKernel()
//	k.Foreign(op)                      // what another program does
//	k.Refuse(func(op ipvs.Op) error {…})
//	k.Fail(ipvs.ErrUnavailable)
//	fmt.Print(k.Table())               // the rules, as ipvsadm -Sn prints them
//
// [Conformance] states the contract of an [ipvs.Kernel], errno by errno, and
// [Convergence] that a Diff leads from any table to any other without an empty
// pool on the way. A test of each implementation runs them.
package ipvstest
