// Package clab deploys examples/containerlab with the real containerlab and Docker, as a place for scenarios: [Place]. What the lab's drill plays in
// its own network is played here with containers, through the ports of their bridge, and judged by the same observers.
//
// A container is no machine: when its first process ends, its network namespace goes with its addresses and its table. Whoever starts it again finds
// it without a cable, for containerlab plugs that in only once; [Place] does it for every scenario that starts what it killed.
package clab
