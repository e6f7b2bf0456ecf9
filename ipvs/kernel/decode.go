package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// decodeService reads a reply to GET_SERVICE.
func decodeService(body []byte) (ipvs.Service, ipvs.ServiceStats, error) {
	var s ipvs.Service
	var st ipvs.ServiceStats
	var r rawAddr
	var protocol uint16
	var mark, flags uint32
	err := decodeNested(body, cmdAttrService, func(d *attributes) {
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
	err := decodeNested(body, cmdAttrDest, func(d *attributes) {
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

func decodeTraffic(t *ipvs.Traffic) func(*attributes) {
	return func(d *attributes) {
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
}

// decodeDaemon reads a reply to GET_DAEMON.
func decodeDaemon(body []byte) (ipvs.Daemon, error) {
	var v ipvs.Daemon
	err := decodeNested(body, cmdAttrDaemon, func(d *attributes) {
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
func decodeNested(body []byte, typ uint16, f func(*attributes)) error {
	d := attributes{rest: body}
	found := false
	for d.Next() {
		if d.Type() == typ {
			found = true
			d.Nested(f)
		}
	}
	switch {
	case d.err != nil:
		return d.err
	case !found:
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
