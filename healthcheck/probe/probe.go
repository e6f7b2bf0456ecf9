package probe

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lbha/lbha/healthcheck"
)

// Options say what to ask whom, and how. [New] checks them.
type Options struct {
	Type   healthcheck.Type `json:"type"`
	Target netip.AddrPort   `json:"target"` // the address that is asked, port included
	Dial   Dial             `json:"dial,omitzero"`
	TLS    TLS              `json:"tls,omitzero"`  // type https
	HTTP   HTTP             `json:"http,omitzero"` // types http and https
}

// Dial says how a probe leaves this host. The zero value leaves it to routing.
type Dial struct {
	Source    netip.Addr `json:"source,omitzero"`    // source address
	Interface string     `json:"interface,omitzero"` // outgoing interface (SO_BINDTODEVICE)
	Mark      uint32     `json:"mark,omitzero"`      // packet mark, for routing rules (SO_MARK)
}

// TLS says how the server's certificate is verified. The zero value verifies it
// against the system's authorities and the name asked for.
type TLS struct {
	ServerName string `json:"server_name,omitzero"` // sent as SNI and verified; empty: the host of HTTP.Host, else the target's address
	Roots      string `json:"roots,omitzero"`       // authorities to trust instead of the system's, in PEM
	Insecure   bool   `json:"insecure,omitzero"`    // accept any certificate, expired and foreign ones too
}

// HTTP says what to request and which answer is a healthy one.
type HTTP struct {
	Method   string                    `json:"method,omitzero"`   // empty: GET
	Path     string                    `json:"path,omitzero"`     // with query; empty: /
	Host     string                    `json:"host,omitzero"`     // Host header; empty: the target
	Status   []healthcheck.StatusRange `json:"status,omitzero"`   // accepted; empty: 200-299
	Contains string                    `json:"contains,omitzero"` // text within the first 256 KiB of the body; empty: any body
}

// Types returns the kinds of probes that [New] can make.
func Types() []healthcheck.Type {
	return []healthcheck.Type{healthcheck.TypeTCP, healthcheck.TypeHTTP, healthcheck.TypeHTTPS}
}

// New returns the prober that the options describe. It opens nothing.
func New(o Options) (healthcheck.Prober, error) {
	o = o.normal()
	if !slices.Contains(Types(), o.Type) {
		return nil, fmt.Errorf("check type %q cannot be run: this build has %v", o.Type, Types())
	}
	d, err := newDialer(o.Target, o.Dial)
	if err != nil {
		return nil, err
	}
	switch o.Type {
	case healthcheck.TypeHTTP:
		return newHTTP(d, o)
	case healthcheck.TypeHTTPS:
		return newHTTPS(d, o)
	default:
		return &tcpProber{dialer: d}, nil
	}
}

// Key identifies what the prober of these options does: equal keys, equal
// probes. It is the ProbeKey of a [healthcheck.Check].
func (o Options) Key() string {
	o = o.normal()
	if o.TLS.Roots != "" {
		o.TLS.Roots = fmt.Sprintf("%x", sha256.Sum256([]byte(o.TLS.Roots)))
	}
	key, err := json.Marshal(o)
	if err != nil {
		return fmt.Sprintf("%+v", o) // an address that New refuses as well
	}
	return string(key)
}

// normal fills in the defaults, and clears what the type does not look at.
func (o Options) normal() Options {
	o.Target = netip.AddrPortFrom(o.Target.Addr().Unmap(), o.Target.Port())
	o.Dial.Source = o.Dial.Source.Unmap()
	if o.Type != healthcheck.TypeHTTPS {
		o.TLS = TLS{}
	}
	if o.Type != healthcheck.TypeHTTP && o.Type != healthcheck.TypeHTTPS {
		o.HTTP = HTTP{}
		return o
	}
	if o.HTTP.Method == "" {
		o.HTTP.Method = "GET"
	}
	if o.HTTP.Path == "" {
		o.HTTP.Path = "/"
	}
	if o.HTTP.Host == "" {
		o.HTTP.Host = defaultHost(o.Type, o.Target)
	}
	if len(o.HTTP.Status) == 0 {
		o.HTTP.Status = []healthcheck.StatusRange{{First: 200, Last: 299}}
	}
	return o
}
