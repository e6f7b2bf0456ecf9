// Package checkbench measures health checks, lbha's beside keepalived's in turn on one kernel with IPVS: what a check
// costs the processor, how much memory thousands of servers take, how late the probes are, with silent servers among
// them and without, and how soon a server that died is out of the kernel's table.
//
// Everything about a check is counted where it arrives: every real server is an address of its own, with a listener of
// its own, and all belong to one epoll loop of the lab ([farm]), which notes when each was asked.
package checkbench
