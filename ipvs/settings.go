package ipvs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Settings are what IPVS has besides its table, one set for each network
// namespace. As something wanted, the zero value of a field means "leave it".
type Settings struct {
	Timeouts Timeouts `json:"timeouts"`
	// Daemons are the synchronisation daemons that run: at most one of each
	// role. Wanted: nil leaves them alone, an empty list stops them.
	Daemons []Daemon `json:"daemons"`
}

// Timeouts are the idle times after which the kernel forgets a connection, in
// whole seconds. The kernel's defaults are 15 min, 2 min and 5 min.
type Timeouts struct {
	TCP    time.Duration `json:"tcp,omitempty"`     // established
	TCPFin time.Duration `json:"tcp_fin,omitempty"` // after a FIN
	UDP    time.Duration `json:"udp,omitempty"`
}

// Role is the part that a synchronisation daemon plays.
type Role uint8

// The roles, numbered as IP_VS_STATE_* in linux/ip_vs.h.
const (
	SyncMaster Role = 1 // tells others of the connections of this director
	SyncBackup Role = 2 // learns the connections of others
)

var roles = names[Role]{"sync role", []name[Role]{{SyncMaster, "master"}, {SyncBackup, "backup"}}}

// String returns the name.
func (r Role) String() string { return roles.text(r) }

// MarshalText returns the name.
func (r Role) MarshalText() ([]byte, error) { return roles.marshal(r) }

// UnmarshalText reads a name.
func (r *Role) UnmarshalText(b []byte) error { return roles.unmarshal(r, b) }

// Daemon is a kernel thread that sends or receives the states of connections,
// so that they outlive a failover. Wanted: the zero value of a field from
// MaxLen on is the kernel's default.
type Daemon struct {
	Role      Role       `json:"role"`
	Interface string     `json:"interface"`
	ID        uint8      `json:"id"`                // both ends use the same; a backup with 0 hears every ID
	MaxLen    uint16     `json:"max_len,omitempty"` // of a message, in bytes; from the MTU
	Group     netip.Addr `json:"group,omitzero"`    // 224.0.0.81
	Port      uint16     `json:"port,omitempty"`    // 8848
	TTL       uint8      `json:"ttl,omitempty"`     // 1
}

// Satisfies reports whether the running daemon d is one that w asks for.
func (d Daemon) Satisfies(w Daemon) bool {
	return d.Role == w.Role && d.Interface == w.Interface && d.ID == w.ID &&
		(w.MaxLen == 0 || d.MaxLen == w.maxLen()) &&
		(!w.Group.IsValid() || d.Group == w.Group) &&
		(w.Port == 0 || d.Port == w.Port) &&
		(w.TTL == 0 || d.TTL == w.TTL)
}

// maxLen is what the kernel makes of a MaxLen that was asked for: see
// start_sync_thread in net/netfilter/ipvs/ip_vs_sync.c.
func (d Daemon) maxLen() uint16 {
	least, headers := uint16(1), uint16(20+8)
	if d.Role == SyncBackup {
		least = 1024
	}
	if d.Group.Is6() {
		headers = 40 + 8
	}
	return min(max(d.MaxLen, least), 65535-headers)
}

// Missing returns the part of the wanted settings that the settings s do not
// have: what [Kernel.Configure] has to do. It is the zero Settings if nothing
// is missing. If a daemon differs, Daemons holds all that are wanted.
func (s Settings) Missing(want Settings) Settings {
	var m Settings
	differ := func(want, have time.Duration) time.Duration {
		if want == have {
			return 0
		}
		return want
	}
	m.Timeouts.TCP = differ(want.Timeouts.TCP, s.Timeouts.TCP)
	m.Timeouts.TCPFin = differ(want.Timeouts.TCPFin, s.Timeouts.TCPFin)
	m.Timeouts.UDP = differ(want.Timeouts.UDP, s.Timeouts.UDP)
	if want.Daemons == nil {
		return m
	}
	same := len(want.Daemons) == len(s.Daemons)
	for _, w := range want.Daemons {
		same = same && slices.ContainsFunc(s.Daemons, func(d Daemon) bool { return d.Satisfies(w) })
	}
	if !same {
		m.Daemons = want.Daemons
	}
	return m
}

// IsZero reports whether the settings say nothing.
func (s Settings) IsZero() bool { return s.Timeouts == (Timeouts{}) && s.Daemons == nil }

// equal reports whether both say the same.
func (s Settings) equal(other Settings) bool {
	return s.Timeouts == other.Timeouts && (s.Daemons == nil) == (other.Daemons == nil) && slices.Equal(s.Daemons, other.Daemons)
}

// String lists what the settings say, as ipvsadm's options: "--set 900 120 300"
// (0 keeps a timeout), "--start-daemon master --mcast-interface eth0 --syncid 1".
func (s Settings) String() string {
	var list []string
	if t := s.Timeouts; t != (Timeouts{}) {
		list = append(list, fmt.Sprintf("--set %.0f %.0f %.0f", t.TCP.Seconds(), t.TCPFin.Seconds(), t.UDP.Seconds()))
	}
	for _, d := range s.Daemons {
		list = append(list, d.String())
	}
	if s.Daemons != nil && len(s.Daemons) == 0 {
		list = append(list, "no sync daemon")
	}
	return strings.Join(list, "; ")
}

// String returns ipvsadm's options that start the daemon.
func (d Daemon) String() string {
	s := fmt.Sprintf("--start-daemon %s --mcast-interface %s --syncid %d", d.Role, d.Interface, d.ID)
	if d.MaxLen != 0 {
		s += fmt.Sprintf(" --sync-maxlen %d", d.MaxLen)
	}
	if d.Group.IsValid() {
		s += fmt.Sprintf(" --mcast-group %s", d.Group)
	}
	if d.Port != 0 {
		s += fmt.Sprintf(" --mcast-port %d", d.Port)
	}
	if d.TTL != 0 {
		s += fmt.Sprintf(" --mcast-ttl %d", d.TTL)
	}
	return s
}
