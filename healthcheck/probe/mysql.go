package probe

import (
	"bytes"
	"encoding/binary"

	"github.com/lbha/lbha/healthcheck"
)

// mysql hears the greeting of a MySQL or MariaDB server: one that takes no more
// connections, or none from us, says so in its place.
//
// It does not log in. A server may count that as a broken handshake of our address,
// and shut us out after max_connect_errors of them (100) in a row: set that high.
func mysql(t *talk) (string, error) {
	const maxGreeting = 1024
	head, err := t.bytes(phaseBanner, 4)
	if err != nil {
		return "", err
	}
	// Length in three bytes, least first, then the number of the packet.
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if n == 0 || n > maxGreeting || head[3] != 0 {
		return "", wrongf(healthcheck.FailureProtocol, "no mysql greeting: it begins with %x", head)
	}
	packet, err := t.bytes(phaseBanner, n)
	if err != nil {
		return "", err
	}
	switch version, _, ended := bytes.Cut(packet[1:], []byte{0}); {
	case packet[0] == 0xff && n >= 3:
		return "", wrongf(healthcheck.FailureStatus, "mysql error %d: %s", binary.LittleEndian.Uint16(packet[1:]), packet[3:])
	case (packet[0] == 9 || packet[0] == 10) && ended:
		return quoted("mysql %.40s", version), nil
	}
	return "", wrongf(healthcheck.FailureProtocol, "no mysql greeting: protocol %d", packet[0])
}
