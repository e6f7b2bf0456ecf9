// Package wire encodes and decodes VRRP messages: version 2 (RFC 3768) and
// version 3 (RFC 9568) over IPv4, version 3 over IPv6.
//
// It is pure: bytes in, an [Advert] or the reason for refusal out. No socket,
// no clock, no log, and no state between two calls but that of an [HMAC]. A
// caller that keeps its Advert decodes and verifies without allocation.
//
// # Two questions, two functions
//
// [Decode] asks whether the bytes are a VRRP advertisement at all, as every
// router on the segment must judge them: length, version, type, TTL, checksum,
// and the fields that may never be zero. [Expect.Check] asks whether this
// virtual router wants it: VRID, version, authentication, peer. Either answers
// with a [Drop]; the empty Drop, [Accepted], means yes. The text of a Drop is
// the same in logs, metrics, status and tests, and [Drops] lists every one of
// them.
//
// # Messages
//
// Offsets from the start of the VRRP message:
//
//	    version 2                          version 3
//	0   0x21 (version, type)               0x31
//	1   VRID                               VRID
//	2   priority                           priority
//	3   number of addresses n              number of addresses n
//	4   authentication type                interval in centiseconds, 12 bits
//	5   interval in seconds                (its low byte)
//	6   checksum                           checksum
//	8   n × 4 bytes of addresses           n × 4, or n × 16 on IPv6
//	    8 bytes of authentication data     nothing
//
// # The two checksums of version 3 on IPv4
//
// RFC 5798 was read in two ways: keepalived, FRR and tcpdump put a pseudo
// header under the checksum of IPv4 ([FormPseudo]), Cisco, Juniper and Arista
// do not ([FormMessage]), and RFC 9568 §5.2.8 sided with the second. Decode
// accepts both and says which one it saw; Append sends the one it is told.
// Version 2 knows only the message, IPv6 only the pseudo header.
//
// # The trailer
//
// keepalived 2.4.2 and later can put 28 bytes behind a message of either
// version, on either family and cast (draft-cassen-vrrp-auth-hmac), so that
// routers which share a key believe only each other:
//
//	0   scheme, 1: HMAC-SHA256 cut to 16 bytes
//	1   key id
//	2   0
//	4   seconds of Unix time
//	8   fraction of the second, in 1/65536
//	10  counter within one stamp
//	12  MAC
//
// Under the MAC are family, version, VRID and source, the message with its
// checksum taken as 0, the first 12 bytes of the trailer, and 16 bytes of 0. Not
// under it are checksum, destination and IP header: one signature serves all
// peers.
//
// Decode says that there is a trailer, [Expect] whether there may be one, and
// [HMAC.Verify] whether it is right. Bytes 4 to 11 are a number that must grow
// from advert to advert of one sender, and must be near the receiver's clock
// ([ReplayTime]). A clock that is set forwards or backwards therefore matters in
// three places, and each heals by itself as soon as the clocks agree again: the
// sender never goes back, unless it is further ahead of its clock than any
// receiver accepts; a receiver forgets a mark that is further from its clock
// than it would accept. While two clocks differ by more than the window, their
// routers refuse each other as stale, and are both master: that is the price of
// a window, and the reason for its finding.
//
// # The first address of IPv6
//
// RFC 9568 (erratum 8300) wants a link-local address first. keepalived sends its
// addresses as they are configured, and checks none: neither does this package.
// Whoever configures a virtual router puts a link-local one first.
//
// # Driving it
//
//	var a wire.Advert // kept: its address slice is reused
//	form, drop := wire.Decode(&a, packet.Payload, meta)
//	if drop == wire.Accepted {
//		drop = expect.Check(&a, meta)
//	}
//	if drop == wire.Accepted && expect.HMAC {
//		skew, drop = hmac.Verify(&a, packet.Payload, meta, time.Now())
//	}
//	if drop != wire.Accepted {
//		dropped[drop]++
//		return
//	}
package wire
