package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/lbha/lbha/ipvs"
	"github.com/mdlayher/netlink"
)

// Commands, from include/uapi/linux/ip_vs.h (IPVS_CMD_*).
const (
	cmdNewService = 1
	cmdSetService = 2
	cmdDelService = 3
	cmdGetService = 4
	cmdNewDest    = 5
	cmdSetDest    = 6
	cmdDelDest    = 7
	cmdGetDest    = 8
	cmdNewDaemon  = 9
	cmdDelDaemon  = 10
	cmdGetDaemon  = 11
	cmdGetInfo    = 15
	cmdZero       = 16
)

// Attributes, from the same file: of commands (IPVS_CMD_ATTR_*), services
// (IPVS_SVC_ATTR_*), destinations (IPVS_DEST_ATTR_*), counters
// (IPVS_STATS_ATTR_*), daemons (IPVS_DAEMON_ATTR_*) and the version
// (IPVS_INFO_ATTR_*).
const (
	cmdAttrService = 1
	cmdAttrDest    = 2
	cmdAttrDaemon  = 3

	svcAttrFamily    = 1
	svcAttrProtocol  = 2
	svcAttrAddr      = 3
	svcAttrPort      = 4
	svcAttrMark      = 5
	svcAttrScheduler = 6
	svcAttrFlags     = 7 // value and mask
	svcAttrTimeout   = 8
	svcAttrNetmask   = 9
	svcAttrEngine    = 11
	svcAttrStats64   = 12

	destAttrAddr       = 1
	destAttrPort       = 2
	destAttrForward    = 3
	destAttrWeight     = 4
	destAttrUpper      = 5
	destAttrLower      = 6
	destAttrActive     = 7
	destAttrInactive   = 8
	destAttrPersistent = 9
	destAttrFamily     = 11
	destAttrStats64    = 12
	destAttrTunType    = 13
	destAttrTunPort    = 14
	destAttrTunFlags   = 15

	statsAttrConns    = 1
	statsAttrInPkts   = 2
	statsAttrOutPkts  = 3
	statsAttrInBytes  = 4
	statsAttrOutBytes = 5
	statsAttrCPS      = 6
	statsAttrInPPS    = 7
	statsAttrOutPPS   = 8
	statsAttrInBPS    = 9
	statsAttrOutBPS   = 10

	daemonAttrState  = 1
	daemonAttrIfn    = 2
	daemonAttrID     = 3
	daemonAttrMaxLen = 4
	daemonAttrGroup  = 5
	daemonAttrGroup6 = 6
	daemonAttrPort   = 7
	daemonAttrTTL    = 8

	infoAttrVersion  = 1
	infoAttrConnSize = 2
)

// Flags of a service (IP_VS_SVC_F_*). The kernel sets hashed (0x2) by itself.
const (
	flagPersistent = 0x01
	flagOnePacket  = 0x04
	schedulerShift = 3 // the scheduler's three flags are 0x08, 0x10 and 0x20
	schedulerMask  = 0x07
)

// forwardMask is the part of the connection flags that is the forwarding
// method, IP_VS_CONN_F_FWD_MASK.
const forwardMask = 0x07

// encode runs f on an encoder of attributes. Encoding fails only on attributes
// that are too long, which none of ours can be.
func encode(f func(*netlink.AttributeEncoder)) []byte {
	e := netlink.NewAttributeEncoder()
	f(e)
	b, err := e.Encode()
	if err != nil {
		panic(fmt.Sprintf("ipvs/kernel: encode attributes: %v", err))
	}
	return b
}

// encodeKey names a service.
func encodeKey(e *netlink.AttributeEncoder, k ipvs.Key) {
	e.Nested(cmdAttrService, func(e *netlink.AttributeEncoder) error {
		encodeKeyFields(e, k)
		return nil
	})
}

func encodeKeyFields(e *netlink.AttributeEncoder, k ipvs.Key) {
	e.Uint16(svcAttrFamily, familyNumber(k.Family()))
	if k.Mark() != 0 {
		e.Uint32(svcAttrMark, k.Mark())
		return
	}
	e.Uint16(svcAttrProtocol, uint16(k.Protocol()))
	e.Bytes(svcAttrAddr, k.Addr().Addr().AsSlice())
	e.Bytes(svcAttrPort, bigEndian(k.Addr().Port()))
}

// encodeService writes every field of a service: what is left out is reset. The
// persistence mask is never 0 by default, which the kernel refuses for IPv6, and
// for IPv4 would bind all clients to one server.
func encodeService(e *netlink.AttributeEncoder, s ipvs.Service) {
	flags, mask := uint32(s.Flags)<<schedulerShift, ipvs.HostNetmask(s.Key.Family())
	if s.OnePacket {
		flags |= flagOnePacket
	}
	if s.Persistence != 0 {
		flags |= flagPersistent
		mask = s.Netmask
	}
	if s.Key.Family() == ipvs.IPv4 {
		mask = maskFromKernel(mask)
	}
	e.Nested(cmdAttrService, func(e *netlink.AttributeEncoder) error {
		encodeKeyFields(e, s.Key)
		e.String(svcAttrScheduler, string(s.Scheduler))
		if s.Engine != "" {
			e.String(svcAttrEngine, s.Engine)
		}
		e.Bytes(svcAttrFlags, binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, flags), ^uint32(0)))
		e.Uint32(svcAttrTimeout, uint32(s.Persistence.Seconds()))
		e.Uint32(svcAttrNetmask, uint32(mask))
		return nil
	})
}

// encodeServer writes a destination: all of it, because what a write leaves out
// is reset; or its identity only, for a deletion.
func encodeServer(e *netlink.AttributeEncoder, s ipvs.Server, whole bool) {
	e.Nested(cmdAttrDest, func(e *netlink.AttributeEncoder) error {
		e.Uint16(destAttrFamily, familyNumber(familyOf(s.Addr.Addr())))
		e.Bytes(destAttrAddr, s.Addr.Addr().AsSlice())
		e.Bytes(destAttrPort, bigEndian(s.Addr.Port()))
		if !whole {
			return nil
		}
		e.Uint32(destAttrForward, uint32(s.Forward))
		e.Uint32(destAttrWeight, uint32(s.Weight))
		e.Uint32(destAttrUpper, s.UpperThreshold)
		e.Uint32(destAttrLower, s.LowerThreshold)
		if s.Forward == ipvs.TUN {
			e.Uint8(destAttrTunType, uint8(s.Tunnel.Type))
			e.Bytes(destAttrTunPort, bigEndian(s.Tunnel.Port))
			e.Uint16(destAttrTunFlags, uint16(s.Tunnel.Checksum))
		}
		return nil
	})
}

// encodeDaemon names a daemon by its role and ID, and says all of it to start it.
func encodeDaemon(e *netlink.AttributeEncoder, d ipvs.Daemon, whole bool) {
	e.Nested(cmdAttrDaemon, func(e *netlink.AttributeEncoder) error {
		e.Uint32(daemonAttrState, uint32(d.Role))
		e.Uint32(daemonAttrID, uint32(d.ID))
		if !whole {
			return nil
		}
		e.String(daemonAttrIfn, d.Interface)
		if d.MaxLen != 0 {
			e.Uint16(daemonAttrMaxLen, d.MaxLen)
		}
		switch {
		case d.Group.Is4():
			e.Bytes(daemonAttrGroup, d.Group.AsSlice())
		case d.Group.Is6():
			e.Bytes(daemonAttrGroup6, d.Group.AsSlice())
		}
		if d.Port != 0 {
			e.Uint16(daemonAttrPort, d.Port) // in native order, unlike all other ports
		}
		if d.TTL != 0 {
			e.Uint8(daemonAttrTTL, d.TTL)
		}
		return nil
	})
}

func familyOf(a netip.Addr) ipvs.Family {
	if a.Is4() {
		return ipvs.IPv4
	}
	return ipvs.IPv6
}

func familyNumber(f ipvs.Family) uint16 {
	if f == ipvs.IPv6 {
		return syscall.AF_INET6
	}
	return syscall.AF_INET
}

func bigEndian(port uint16) []byte { return binary.BigEndian.AppendUint16(nil, port) }

// maskFromKernel turns the bytes of an IPv4 mask, which the kernel hands over
// as a number in network order, into our number; and the other way round.
func maskFromKernel(m ipvs.Netmask) ipvs.Netmask {
	return ipvs.Netmask(binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, uint32(m))))
}
