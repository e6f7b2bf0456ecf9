package ipvs

import (
	"strconv"
	"strings"
)

// serviceRule writes a service as ipvsadm's -A and -E take it.
func serviceRule(s Service) string {
	b := keyRule(s.Key) + " -s " + string(s.Scheduler)
	if s.Persistence != 0 {
		b += " -p " + strconv.FormatInt(int64(s.Persistence.Seconds()), 10)
		if s.Netmask != HostNetmask(s.Key.Family()) {
			b += " -M " + s.Netmask.String()
		}
	}
	if s.Flags != 0 {
		b += " -b " + s.Flags.text(s.Scheduler)
	}
	if s.OnePacket {
		b += " -o"
	}
	if s.Engine != "" {
		b += " --pe " + s.Engine
	}
	return b
}

// serverRule writes a server of a service as ipvsadm's -a and -e take it.
func serverRule(k Key, s Server) string {
	var b strings.Builder
	b.WriteString(keyRule(k))
	b.WriteString(" -r ")
	b.WriteString(s.Addr.String())
	switch s.Forward {
	case NAT:
		b.WriteString(" -m")
	case DR:
		b.WriteString(" -g")
	case TUN:
		b.WriteString(" -i --tun-type " + s.Tunnel.Type.String())
		if s.Tunnel.Port != 0 {
			b.WriteString(" --tun-port " + strconv.Itoa(int(s.Tunnel.Port)))
		}
		switch s.Tunnel.Checksum {
		case Checksum:
			b.WriteString(" --tun-csum")
		case RemoteChecksum:
			b.WriteString(" --tun-remcsum")
		}
	}
	b.WriteString(" -w " + s.Weight.String())
	if s.UpperThreshold != 0 {
		b.WriteString(" -x " + strconv.FormatUint(uint64(s.UpperThreshold), 10))
	}
	if s.LowerThreshold != 0 {
		b.WriteString(" -y " + strconv.FormatUint(uint64(s.LowerThreshold), 10))
	}
	return b.String()
}

// keyRule names a service as ipvsadm does.
func keyRule(k Key) string {
	switch {
	case k.mark != 0 && k.family == IPv6:
		return "-f " + strconv.FormatUint(uint64(k.mark), 10) + " -6"
	case k.mark != 0:
		return "-f " + strconv.FormatUint(uint64(k.mark), 10)
	case k.protocol == TCP:
		return "-t " + k.addr.String()
	case k.protocol == UDP:
		return "-u " + k.addr.String()
	}
	return "--sctp-service " + k.addr.String()
}
