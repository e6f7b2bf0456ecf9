// Package witness tells when the lab's own machine stood still. A virtual machine may be without a processor for tens of milliseconds, and no
// priority helps against that: what was measured then is that machine, and no director.
package witness
