package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/mdlayher/netlink"
)

// Commands, from include/uapi/linux/ip_vs.h (IPVS_CMD_*).
const (
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
		e.Uint16(svcAttrFamily, familyNumber(k.Family()))
		if k.Mark() != 0 {
			e.Uint32(svcAttrMark, k.Mark())
			return nil
		}
		e.Uint16(svcAttrProtocol, uint16(k.Protocol()))
		e.Bytes(svcAttrAddr, k.Addr().Addr().AsSlice())
		e.Bytes(svcAttrPort, bigEndian(k.Addr().Port()))
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

// decodeService reads a reply to GET_SERVICE.
func decodeService(body []byte) (ipvs.Service, ipvs.ServiceStats, error) {
	var s ipvs.Service
	var st ipvs.ServiceStats
	var r rawAddr
	var protocol uint16
	var mark, flags uint32
	err := decodeNested(body, cmdAttrService, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case svcAttrFamily:
			r.family = d.Uint16()
		case svcAttrProtocol:
			protocol = d.Uint16()
		case svcAttrAddr:
			r.addr = d.Bytes()
		case svcAttrPort:
			r.port = d.Bytes()
		case svcAttrMark:
			mark = d.Uint32()
		case svcAttrScheduler:
			s.Scheduler = ipvs.Scheduler(d.String())
		case svcAttrFlags:
			if b := d.Bytes(); len(b) >= 4 {
				flags = binary.NativeEndian.Uint32(b)
			}
		case svcAttrTimeout:
			s.Persistence = time.Duration(d.Uint32()) * time.Second
		case svcAttrNetmask:
			s.Netmask = ipvs.Netmask(d.Uint32())
		case svcAttrEngine:
			s.Engine = d.String()
		case svcAttrStats64:
			d.Nested(decodeTraffic(&st.Traffic))
		}
	})
	if err != nil {
		return s, st, err
	}
	family, err := r.familyOf()
	if err != nil {
		return s, st, err
	}
	if mark != 0 {
		s.Key = ipvs.MarkKey(mark, family)
	} else {
		addr, err := r.addrPort()
		if err != nil {
			return s, st, err
		}
		if protocol == 0 || protocol > 255 {
			return s, st, fmt.Errorf("protocol %d", protocol)
		}
		s.Key = ipvs.NewKey(ipvs.Protocol(protocol), addr)
	}
	if family == ipvs.IPv4 {
		s.Netmask = maskFromKernel(s.Netmask)
	}
	if flags&flagPersistent == 0 {
		s.Persistence, s.Netmask = 0, 0 // the kernel keeps what means nothing now
	}
	s.OnePacket = flags&flagOnePacket != 0
	s.Flags = ipvs.Flags(flags >> schedulerShift & schedulerMask)
	return s, st, nil
}

// decodeServer reads a reply to GET_DEST about a service of the family.
func decodeServer(body []byte, family ipvs.Family) (ipvs.Server, ipvs.ServerStats, error) {
	var s ipvs.Server
	var st ipvs.ServerStats
	r := rawAddr{family: familyNumber(family)}
	err := decodeNested(body, cmdAttrDest, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case destAttrAddr:
			r.addr = d.Bytes()
		case destAttrPort:
			r.port = d.Bytes()
		case destAttrFamily:
			r.family = d.Uint16()
		case destAttrForward:
			s.Forward = ipvs.Forward(d.Uint32() & forwardMask)
		case destAttrWeight:
			s.Weight = ipvs.Weight(d.Uint32())
		case destAttrUpper:
			s.UpperThreshold = d.Uint32()
		case destAttrLower:
			s.LowerThreshold = d.Uint32()
		case destAttrTunType:
			s.Tunnel.Type = ipvs.TunnelType(d.Uint8())
		case destAttrTunPort:
			if b := d.Bytes(); len(b) >= 2 {
				s.Tunnel.Port = binary.BigEndian.Uint16(b)
			}
		case destAttrTunFlags:
			s.Tunnel.Checksum = ipvs.TunnelChecksum(d.Uint16())
		case destAttrActive:
			st.Active = d.Uint32()
		case destAttrInactive:
			st.Inactive = d.Uint32()
		case destAttrPersistent:
			st.Persistent = d.Uint32()
		case destAttrStats64:
			d.Nested(decodeTraffic(&st.Traffic))
		}
	})
	if err != nil {
		return s, st, err
	}
	if s.Addr, err = r.addrPort(); err != nil {
		return s, st, err
	}
	if s.Forward != ipvs.TUN {
		s.Tunnel = ipvs.Tunnel{} // the kernel keeps what means nothing now
	}
	return s, st, nil
}

func decodeTraffic(t *ipvs.Traffic) func(*netlink.AttributeDecoder) error {
	return func(d *netlink.AttributeDecoder) error {
		for d.Next() {
			switch d.Type() {
			case statsAttrConns:
				t.Connections = d.Uint64()
			case statsAttrInPkts:
				t.PacketsIn = d.Uint64()
			case statsAttrOutPkts:
				t.PacketsOut = d.Uint64()
			case statsAttrInBytes:
				t.BytesIn = d.Uint64()
			case statsAttrOutBytes:
				t.BytesOut = d.Uint64()
			case statsAttrCPS:
				t.ConnectionRate = d.Uint64()
			case statsAttrInPPS:
				t.PacketRateIn = d.Uint64()
			case statsAttrOutPPS:
				t.PacketRateOut = d.Uint64()
			case statsAttrInBPS:
				t.ByteRateIn = d.Uint64()
			case statsAttrOutBPS:
				t.ByteRateOut = d.Uint64()
			}
		}
		return nil
	}
}

// decodeDaemon reads a reply to GET_DAEMON.
func decodeDaemon(body []byte) (ipvs.Daemon, error) {
	var v ipvs.Daemon
	err := decodeNested(body, cmdAttrDaemon, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case daemonAttrState:
			v.Role = ipvs.Role(d.Uint32())
		case daemonAttrIfn:
			v.Interface = d.String()
		case daemonAttrID:
			v.ID = uint8(d.Uint32())
		case daemonAttrMaxLen:
			v.MaxLen = d.Uint16()
		case daemonAttrGroup, daemonAttrGroup6:
			v.Group, _ = netip.AddrFromSlice(d.Bytes())
		case daemonAttrPort:
			v.Port = d.Uint16()
		case daemonAttrTTL:
			v.TTL = d.Uint8()
		}
	})
	return v, err
}

// decodeNested calls f for each attribute inside the attribute typ of a reply.
func decodeNested(body []byte, typ uint16, f func(*netlink.AttributeDecoder)) error {
	d, err := netlink.NewAttributeDecoder(body)
	if err != nil {
		return err
	}
	found := false
	for d.Next() {
		if d.Type() != typ {
			continue
		}
		found = true
		d.Nested(func(d *netlink.AttributeDecoder) error {
			for d.Next() {
				f(d)
			}
			return nil
		})
	}
	if err := d.Err(); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("a reply without attribute %d", typ)
	}
	return nil
}

// rawAddr is an address as the kernel sends it: 16 bytes for either family, the
// first 4 of which are an IPv4 address, and a port in network order.
type rawAddr struct {
	family uint16
	addr   []byte
	port   []byte
}

func (r rawAddr) familyOf() (ipvs.Family, error) {
	switch r.family {
	case syscall.AF_INET:
		return ipvs.IPv4, nil
	case syscall.AF_INET6:
		return ipvs.IPv6, nil
	}
	return 0, fmt.Errorf("address family %d", r.family)
}

func (r rawAddr) addrPort() (netip.AddrPort, error) {
	f, err := r.familyOf()
	if err != nil {
		return netip.AddrPort{}, err
	}
	n := f.Bits() / 8
	if len(r.addr) < n || len(r.port) < 2 {
		return netip.AddrPort{}, fmt.Errorf("an %s address of %d bytes and a port of %d", f, len(r.addr), len(r.port))
	}
	addr, _ := netip.AddrFromSlice(r.addr[:n])
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(r.port)), nil
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
