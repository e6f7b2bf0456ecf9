// Package wire encodes and decodes VRRP messages: version 2 (RFC 3768) and
// version 3 (RFC 9568) over IPv4, version 3 over IPv6.
//
// It is pure: bytes in, an [Advert] or the reason for refusal out. No socket,
// no clock, no log, and no state between two calls. A caller that keeps its
// Advert decodes without allocation.
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
// # Driving it
//
//	var a wire.Advert // kept: its address slice is reused
//	form, drop := wire.Decode(&a, packet.Payload, meta)
//	if drop == wire.Accepted {
//		drop = expect.Check(&a, meta)
//	}
//	if drop != wire.Accepted {
//		dropped[drop]++
//		return
//	}
package wire
