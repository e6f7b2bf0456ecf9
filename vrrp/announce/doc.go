// Package announce tells an Ethernet segment where a virtual IP address lives:
// gratuitous ARP, over github.com/mdlayher/arp and packet. It also listens for
// others who say that they have it.
package announce
