// Package clab deploys examples/containerlab with the real containerlab and Docker, and breaks its master in the ways
// that the example's README shows. [Place] is the same topology as a place for scenarios: what lab's drill plays in its own network is
// played here by docker, by the ports of the bridge, and judged by the same observers.
package clab
