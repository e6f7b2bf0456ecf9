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
	Type     healthcheck.Type `json:"type"`
	Target   netip.AddrPort   `json:"target"` // the address that is asked, with the port if the type has one
	Dial     Dial             `json:"dial,omitzero"`
	TLS      TLS              `json:"tls,omitzero"`
	Exchange Exchange         `json:"exchange,omitzero"`  // types tcp, tls, udp and agent
	StartTLS bool             `json:"start_tls,omitzero"` // types smtp, imap, pop3, ftp and ldap: begin in the clear and go on in TLS
	HTTP     HTTP             `json:"http,omitzero"`      // types http and https; of grpc Host
	Requests []HTTP           `json:"requests,omitzero"`  // types http and https: ask these, one after the other, instead of HTTP
	Login    Login            `json:"login,omitzero"`     // types http, https, redis, mysql, postgresql, ldap, imap, pop3, ftp and radius
	Database string           `json:"database,omitzero"`  // types mysql and postgresql: what to open; empty: mysql none, postgresql that of the user's name
	GRPC     GRPC             `json:"grpc,omitzero"`
	DNS      DNS              `json:"dns,omitzero"`
	SMTP     SMTP             `json:"smtp,omitzero"`
	LDAP     LDAP             `json:"ldap,omitzero"`
	SIP      SIP              `json:"sip,omitzero"`
	RADIUS   RADIUS           `json:"radius,omitzero"`
	Script   Script           `json:"script,omitzero"`
	File     string           `json:"file,omitzero"` // type file: its absolute path
}

// Dial says how a probe leaves this host. The zero value leaves it to routing.
type Dial struct {
	Source    netip.Addr `json:"source,omitzero"`    // source address
	Interface string     `json:"interface,omitzero"` // outgoing interface (SO_BINDTODEVICE)
	Mark      uint32     `json:"mark,omitzero"`      // packet mark, for routing rules (SO_MARK)

	// Through is the real server behind the target, a virtual address: by the mark IPVS
	// delivers to it what the probe sends. See [throughProber].
	Through netip.Addr `json:"through,omitzero"`
}

// TLS says whether TLS is spoken and how the server's certificate is verified. The
// zero value, where TLS is spoken, verifies it against the system's authorities and
// the name asked for.
type TLS struct {
	Enabled    bool   `json:"enabled,omitzero"`     // types https and tls always speak it
	ServerName string `json:"server_name,omitzero"` // sent as SNI and verified; empty: the host of HTTP.Host, else the target's address
	Roots      string `json:"roots,omitzero"`       // authorities to trust instead of the system's, in PEM
	Insecure   bool   `json:"insecure,omitzero"`    // accept any certificate, expired and foreign ones too
	MinDays    int    `json:"min_days,omitzero"`    // days for which the server's certificate must still be valid
	Cert       string `json:"cert,omitzero"`        // client certificate, in PEM
	Key        string `json:"key,omitzero"`         // and its key, in PEM
}

// Exchange is what to send and what to find in the answer; either may be empty.
type Exchange struct {
	Send    healthcheck.Payload `json:"send,omitzero"`
	Expect  healthcheck.Payload `json:"expect,omitzero"`   // within the first 64 KiB, or 4 KiB of a datagram; empty: any answer, and over TCP none
	NoReply bool                `json:"no_reply,omitzero"` // type udp: the server answers only when it is not well, by ICMP
}

// HTTP says what to request and which answer is a healthy one.
type HTTP struct {
	Method   string                    `json:"method,omitzero"`   // empty: GET
	Path     string                    `json:"path,omitzero"`     // with query; empty: /
	Host     string                    `json:"host,omitzero"`     // Host header; empty: the target
	Headers  []Header                  `json:"headers,omitzero"`  // more header fields
	Body     healthcheck.Payload       `json:"body,omitzero"`     // of the request; method POST
	Status   []healthcheck.StatusRange `json:"status,omitzero"`   // accepted; empty: 200-299
	Contains string                    `json:"contains,omitzero"` // text within the first 256 KiB of the body; empty: any body
	Regex    string                    `json:"regex,omitzero"`    // expression of RE2 that matches in them
	Digest   string                    `json:"digest,omitzero"`   // SHA-256 of the whole body, in hexadecimal

	HTTP2     bool `json:"http2,omitzero"`     // speak HTTP/2, in the clear or in TLS; else HTTP/1.1
	Redirects int  `json:"redirects,omitzero"` // how many to follow, to this server itself
}

// Header is one field of a header.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Login is who we are to the server. The zero value is nobody.
type Login struct {
	User     string `json:"user,omitzero"`
	Password string `json:"password,omitzero"` // empty: postgresql is asked no further than for it
}

// GRPC says which service is asked for.
type GRPC struct {
	Service string `json:"service,omitzero"` // empty: the server as a whole
}

// DNS says what to ask a name server and which answer is a healthy one.
type DNS struct {
	Name   string `json:"name,omitzero"`
	Type   string `json:"type,omitzero"`   // of the records; empty: A
	RCode  string `json:"rcode,omitzero"`  // empty: NOERROR
	Answer string `json:"answer,omitzero"` // data of one of the records, as a zone file has it; empty: any, or none
	TCP    bool   `json:"tcp,omitzero"`
}

// SMTP says how to greet a mail server.
type SMTP struct {
	Hello string `json:"hello,omitzero"` // our name; empty: localhost
}

// LDAP says what to read in a directory, after a bind as [Login] says.
type LDAP struct {
	Base string `json:"base,omitzero"` // name of the entry; empty: the root DSE
}

// SIP says how to ask a SIP server for its options.
type SIP struct {
	Host   string                    `json:"host,omitzero"`   // of the request's URI; empty: the target
	TCP    bool                      `json:"tcp,omitzero"`    // TLS is over TCP
	Status []healthcheck.StatusRange `json:"status,omitzero"` // accepted; empty: 200-299
}

// RADIUS says how to speak with a RADIUS server. A [Login] without a user asks it only
// how it is.
type RADIUS struct {
	Secret string `json:"secret,omitzero"` // shared with the server
}

// Script is a program to run.
type Script struct {
	Command []string `json:"command,omitzero"` // an absolute path and arguments
	User    string   `json:"user,omitzero"`    // empty: our own
	Dynamic bool     `json:"dynamic,omitzero"` // exit status 2 to 255: well, with a weight of 0 to 253
}

// Key identifies what the prober of these options does: equal keys, equal
// probes. It is the ProbeKey of a [healthcheck.Check], and holds no secret.
func (o Options) Key() string {
	o = o.normal()
	for _, text := range []*string{&o.TLS.Roots, &o.TLS.Cert, &o.TLS.Key, &o.Login.Password, &o.RADIUS.Secret} {
		*text = digest(*text)
	}
	o.HTTP.hide()
	o.Requests = slices.Clone(o.Requests)
	for i := range o.Requests {
		o.Requests[i].hide()
	}
	key, err := json.Marshal(o)
	if err != nil {
		return fmt.Sprintf("%+v", o) // an address that New refuses as well
	}
	return string(key)
}

// hide puts digests in the places of the headers' values, and of the body.
func (h *HTTP) hide() {
	h.Headers = slices.Clone(h.Headers)
	for i := range h.Headers {
		h.Headers[i].Value = digest(h.Headers[i].Value)
	}
	h.Body = healthcheck.Payload(digest(string(h.Body)))
}

// requests are those of an http check.
func (o *Options) requests() []HTTP {
	if len(o.Requests) > 0 {
		return o.Requests
	}
	return []HTTP{o.HTTP}
}

// digest stands for a text that is long or secret.
func digest(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

// normal fills in the defaults, and clears what the type does not look at.
func (o Options) normal() Options {
	from := o
	from.Target = netip.AddrPortFrom(o.Target.Addr().Unmap(), o.Target.Port())
	from.Dial.Source, from.Dial.Through = o.Dial.Source.Unmap(), o.Dial.Through.Unmap()
	o = Options{Type: from.Type, Target: from.Target, Dial: from.Dial}
	switch o.Type {
	case healthcheck.TypeUDP:
		o.Exchange = from.Exchange
	case healthcheck.TypeTCP, healthcheck.TypeAgent:
		o.Exchange = Exchange{Send: from.Exchange.Send, Expect: from.Exchange.Expect}
	case healthcheck.TypeTLS:
		o.TLS, o.Exchange = from.TLS, Exchange{Send: from.Exchange.Send, Expect: from.Exchange.Expect}
		o.TLS.Enabled = true
	case healthcheck.TypeHTTP, healthcheck.TypeHTTPS:
		for _, h := range from.Requests {
			o.Requests = append(o.Requests, h.normal(o.Type, o.Target))
		}
		if o.Login = from.Login; len(o.Requests) == 0 {
			o.HTTP = from.HTTP.normal(o.Type, o.Target)
		}
		if o.Type == healthcheck.TypeHTTPS {
			o.TLS = from.TLS
			o.TLS.Enabled = true
		}
	case healthcheck.TypeGRPC:
		o.TLS, o.GRPC, o.HTTP.Host = from.TLS, from.GRPC, from.HTTP.Host
		if o.HTTP.Host == "" {
			o.HTTP.Host = defaultHost(o.Type, o.Target)
		}
	case healthcheck.TypeDNS:
		o.DNS = from.DNS.normal()
	case healthcheck.TypeICMP:
		o.Target = netip.AddrPortFrom(o.Target.Addr(), 0)
	case healthcheck.TypeSMTP:
		o.TLS, o.SMTP, o.StartTLS = from.TLS, from.SMTP, from.StartTLS
	case healthcheck.TypeRedis:
		o.TLS, o.Login = from.TLS, from.Login
	case healthcheck.TypeMySQL, healthcheck.TypePostgreSQL:
		if o.TLS, o.Login = from.TLS, from.Login; o.Login.User == "" { // there is nobody to open it
			o.Login = Login{}
		} else {
			o.Database = from.Database
		}
	case healthcheck.TypeIMAP, healthcheck.TypePOP3, healthcheck.TypeFTP:
		o.TLS, o.StartTLS, o.Login = from.TLS, from.StartTLS, from.Login
	case healthcheck.TypeLDAP:
		o.TLS, o.StartTLS, o.LDAP, o.Login = from.TLS, from.StartTLS, from.LDAP, from.Login
	case healthcheck.TypeSIP:
		o.TLS, o.SIP = from.TLS, from.SIP.normal(o.Target, from.TLS.Enabled)
	case healthcheck.TypeRADIUS:
		o.RADIUS, o.Login = from.RADIUS, from.Login
	case healthcheck.TypeScript:
		o.Dial, o.Script = Dial{}, from.Script
	case healthcheck.TypeFile:
		o.Target, o.Dial, o.File = netip.AddrPort{}, Dial{}, from.File
	}
	o.TLS.Enabled = o.TLS.Enabled || o.StartTLS
	if !o.TLS.Enabled {
		o.TLS = TLS{}
	}
	return o
}

func (h HTTP) normal(t healthcheck.Type, target netip.AddrPort) HTTP {
	if h.Method == "" {
		h.Method = "GET"
	}
	if h.Path == "" {
		h.Path = "/"
	}
	if h.Host == "" {
		h.Host = defaultHost(t, target)
	}
	if len(h.Status) == 0 {
		h.Status = []healthcheck.StatusRange{{First: 200, Last: 299}}
	}
	return h
}

func (s SIP) normal(target netip.AddrPort, tls bool) SIP {
	if s.Host == "" {
		s.Host = netip.AddrPortFrom(target.Addr().WithZone(""), target.Port()).String()
	}
	if len(s.Status) == 0 {
		s.Status = []healthcheck.StatusRange{{First: 200, Last: 299}}
	}
	s.TCP = s.TCP || tls
	return s
}

func (d DNS) normal() DNS {
	if d.Type == "" {
		d.Type = "A"
	}
	if d.RCode == "" {
		d.RCode = "NOERROR"
	}
	return d
}
