package probe

import (
	"errors"
	"net/netip"

	"github.com/lbha/lbha/healthcheck"
)

// Options say what to ask whom, and how. [New] checks them.
type Options struct {
	Type   healthcheck.Type
	Target netip.AddrPort // the address that is asked, port included
	Dial   Dial
	TLS    TLS  // type https
	HTTP   HTTP // types http and https
}

// Dial says how a probe leaves this host. The zero value leaves it to routing.
type Dial struct {
	Source    netip.Addr // source address
	Interface string     // outgoing interface (SO_BINDTODEVICE)
	Mark      uint32     // packet mark (SO_MARK)
}

// TLS says how the server's certificate is verified. The zero value verifies it
// against the system's authorities and the name asked for.
type TLS struct {
	ServerName string // sent as SNI and verified; empty: HTTP.Host, else the target's address
	CAFile     string // PEM file of the authorities to trust instead of the system's
	Insecure   bool   // accept any certificate
}

// HTTP says what to request and what answer is a healthy one.
type HTTP struct {
	Method   string                    // empty: GET
	Path     string                    // with query; empty: /
	Host     string                    // Host header; empty: the target
	Status   []healthcheck.StatusRange // accepted; empty: 200-299
	Contains string                    // text that the body must contain; empty: any body
}

// Types returns the kinds of probes that [New] can make.
func Types() []healthcheck.Type {
	return []healthcheck.Type{healthcheck.TypeTCP, healthcheck.TypeHTTP, healthcheck.TypeHTTPS}
}

// New returns the prober that the options describe.
func New(o Options) (healthcheck.Prober, error) { return nil, errors.New("no prober") }

// Key identifies what the prober of these options does: equal keys, equal
// probes. It is the ProbeKey of a [healthcheck.Check].
func (o Options) Key() string { return "" }
