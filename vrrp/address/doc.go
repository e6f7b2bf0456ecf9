// Package address puts virtual IP addresses on interfaces and takes them off,
// reads links, and watches both, over rtnetlink.
//
// Everything is called from one thread, blocks for no longer than a bounded
// time, and starts no goroutine.
package address
