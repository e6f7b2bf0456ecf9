// Package suite runs every test that there is and counts what became of each.
//
// Most tests run on the host, as go test runs them. Some say there that they cannot: a kernel without IPVS, no right to
// make a namespace. Whatever was skipped on the host is compiled, statically, and tried again in the lab's world, whose kernel has
// IPVS. A test has passed when it passed in one of the two places and failed in none; it is reported as skipped, with its reason, only
// when both skipped it.
package suite
