package config

import (
	"net"
	"strconv"
	"time"
)

// Defaults of [global].
const (
	defaultControl       = "/run/lbha/lbha.sock"
	defaultStateDir      = "/run/lbha"
	defaultScriptUser    = "nobody"
	defaultScriptTimeout = 5 * time.Second
)

// Limits that the system sets.
const (
	maxSocketPath = 107  // sun_path of unix(7) without its final NUL
	maxPath       = 4095 // PATH_MAX of Linux without its final NUL

	maxKernelTimeout = 24 * 24 * time.Hour // IPVS counts 32-bit jiffies, of 1 ms at the finest
)

func (b *builder) global(raw *rawGlobal, host string) Global {
	g := Global{
		Name:      host,
		Control:   b.path(raw.Control, defaultControl, maxSocketPath),
		StateDir:  b.path(raw.StateDir, defaultStateDir, maxPath),
		Metrics:   b.listenAddress(raw.Metrics),
		Log:       Log{Format: "auto"},
		Exclusive: raw.Exclusive.or(false),
		Scripts:   Scripts{User: defaultScriptUser, Timeout: defaultScriptTimeout},
	}
	if raw.Name.set() {
		g.Name = b.name(raw.Node, raw.Name)
	}
	if l := raw.Log; l != nil {
		g.Log.Format = b.choice(l.Format, "auto", "auto", "text", "json")
		level := b.choice(l.Level, "info", "debug", "info", "warn", "error")
		_ = g.Log.Level.UnmarshalText([]byte(level)) // a word of the choice, or reported
	}
	if s := raw.Scripts; s != nil {
		g.Scripts.User = s.User.or(defaultScriptUser)
		if g.Scripts.User == "" {
			b.error(s.User.Node, "user: must name a user")
		}
		g.Scripts.Timeout = b.duration(s.Timeout, defaultScriptTimeout, time.Millisecond, time.Hour)
	}
	if raw.IPVS != nil {
		g.IPVS = b.globalIPVS(raw.IPVS)
	}
	if raw.Peers != nil {
		g.Peers = b.peers(raw.Peers)
	}
	return g
}

func (b *builder) globalIPVS(raw *rawGlobalIPVS) IPVS {
	var v IPVS
	if t := raw.Timeouts; t != nil {
		v.Timeouts = Timeouts{
			TCP:    b.seconds(t.TCP, 0, 0, maxKernelTimeout),
			TCPFin: b.seconds(t.TCPFin, 0, 0, maxKernelTimeout),
			UDP:    b.seconds(t.UDP, 0, 0, maxKernelTimeout),
		}
	}
	if s := raw.Sync; s != nil {
		require(b, s.Node, s.Interface, "interface", "")
		v.Sync = &Sync{Interface: b.ifname(s.Interface), ID: uint8(b.number(s.ID, 0, 0, 255))}
	}
	return v
}

// listenAddress checks host:port, where the host is an address, "localhost" or empty.
func (b *builder) listenAddress(o opt[string]) string {
	if o.Value == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(o.Value)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || n == 0 || host != "" && host != "localhost" && net.ParseIP(host) == nil {
		b.errorHint(o.Node, `such as "127.0.0.1:9112"`, "%s: %.80q is not an address and port to listen on", o.Node.label(), o.Value)
	}
	return o.Value
}
