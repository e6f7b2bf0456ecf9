// Package clab deploys examples/containerlab with the real containerlab and Docker, and breaks its master in the ways
// that the example's README shows.
package clab
