// Package scan hears who speaks VRRP on a network: the command `lbha scan`.
//
// It listens on a packet socket, so that it hears each advert that reaches an interface,
// whether this host takes part or not, is a router of that id or another one, and takes
// the adverts that this host itself sends as well. It says nothing itself, but joins the
// groups of VRRP, so that a switch which looks into multicast sends them here.
//
// What it hears may come from anybody, so all of it is bounded: the speakers that are kept
// ([MaxSpeakers]), their addresses, and the time.
package scan
