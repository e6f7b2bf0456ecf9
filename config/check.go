package config

import (
	"net/netip"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// Check is one health check. What a type of check has no setting for is zero.
type Check struct {
	Type    healthcheck.Type `json:"type"`
	Address netip.Addr       `json:"address,omitzero"` // what is probed; invalid: the server's own address
	Port    uint16           `json:"port,omitempty"`   // 0: the server's own port

	Source    netip.Addr `json:"source,omitzero"`     // source address of the probe; invalid: as routed
	Interface string     `json:"interface,omitempty"` // outgoing interface; "": as routed
	Mark      uint32     `json:"mark,omitempty"`      // packet mark, for routing rules

	// Through is "vip" if probes go the way of the traffic: to the first virtual address of
	// the service, delivered to this one server as IPVS delivers its clients' packets.
	Through string `json:"through,omitempty"`

	Interval     time.Duration `json:"interval"`                // from the start of a probe to the start of the next
	FastInterval time.Duration `json:"fast_interval,omitempty"` // the same while results contradict the verdict; 0: Interval
	Timeout      time.Duration `json:"timeout"`                 // of the whole probe; never above Interval
	Jitter       time.Duration `json:"jitter,omitempty"`        // by up to which each start is moved; at most half of Interval
	Rise         int           `json:"rise"`                    // successes in a row that make a server healthy
	Fall         int           `json:"fall"`                    // failures in a row that make it unhealthy
	Grace        time.Duration `json:"startup_grace,omitempty"` // failures do not count for so long after the check began
	Damping      *Damping      `json:"flap_damping,omitempty"`  // nil: none

	// TLS is nil where none is spoken; never for types https and tls.
	TLS *TLS `json:"tls,omitempty"`

	Request // HTTP and HTTPS; of gRPC the Host, and of SIP the Host and the Status
	// Requests are asked one after the other instead of Request, if there are any.
	Requests    []Request `json:"requests,omitempty"`
	HTTPVersion string    `json:"http_version,omitempty"`     // "": 1.1, or 2
	Redirects   int       `json:"follow_redirects,omitempty"` // how many to follow, to the server itself

	// Login of HTTP (basic authentication), Redis, MySQL, PostgreSQL, LDAP (the name to
	// bind as), IMAP, POP3, FTP and RADIUS.
	Username string `json:"username,omitempty"`
	Password Secret `json:"password,omitzero"`
	Database string `json:"database,omitempty"` // MySQL and PostgreSQL: what to open

	// TCP, TLS, UDP and agent (which expects nothing).
	Send         healthcheck.Payload `json:"send,omitempty"`
	Expect       healthcheck.Payload `json:"expect,omitempty"`        // to be found in the answer
	RequireReply bool                `json:"require_reply,omitempty"` // UDP: no answer is a failure

	// DNS.
	Query     string `json:"name,omitempty"`       // the name to ask for
	QueryType string `json:"query_type,omitempty"` // of the records: A, …
	RCode     string `json:"rcode,omitempty"`      // of the answer: NOERROR, …
	Answer    string `json:"answer,omitempty"`     // data of one of the records; "": any, or none
	Protocol  string `json:"protocol,omitempty"`   // udp or tcp; SIP has it, too

	GRPCService string `json:"service,omitempty"` // gRPC: "": the server as a whole

	Helo string `json:"helo,omitempty"` // SMTP: our name

	StartTLS bool `json:"starttls,omitempty"` // SMTP, LDAP, IMAP, POP3 and FTP: begin in the clear

	Base   string `json:"base,omitempty"`  // LDAP: name of the entry to read; "": the root DSE
	Secret Secret `json:"secret,omitzero"` // RADIUS: shared with the server

	// Script.
	Command []string `json:"command,omitempty"` // an absolute path and arguments
	User    string   `json:"user,omitempty"`    // whom it runs as
	Dynamic bool     `json:"dynamic,omitempty"` // an exit status from 2 on is well, with a weight of 2 less

	File string `json:"file,omitempty"` // file: its absolute path
}

// Damping keeps a server out that goes up and down all the time.
type Damping struct {
	Falls  int           `json:"falls"`  // so many
	Within time.Duration `json:"within"` // in so long a time make a server a flapping one,
	Hold   time.Duration `json:"hold"`   // which must be well for so long without a break
}

// Request is one request of an HTTP check, and which answer is a healthy one.
type Request struct {
	Method  string                    `json:"method,omitempty"`
	Path    string                    `json:"path,omitempty"` // with its query
	Host    string                    `json:"host,omitempty"` // Host header; "": the address that is probed
	Headers []Header                  `json:"headers,omitempty"`
	Body    healthcheck.Payload       `json:"body,omitempty"`   // of method POST
	Status  []healthcheck.StatusRange `json:"status,omitempty"` // any of them
	// Contains is a text, Regex an expression of RE2, to be found in the body, and Digest
	// its SHA-256 in hexadecimal; one of them at most. "": none. Whichever, up to 256 KiB
	// of the body are read.
	Contains string `json:"contains,omitempty"`
	Regex    string `json:"regex,omitempty"`
	Digest   string `json:"digest,omitempty"`
}

// Header is one field of an HTTP request. Its value may be a token.
type Header struct {
	Name  string `json:"name"`
	Value Secret `json:"value"`
}

// TLS is the client side of a check.
type TLS struct {
	Verify     bool   `json:"verify"`                // check the chain and the name
	ServerName string `json:"server_name,omitempty"` // SNI and the name in the certificate; "": Check.Host
	CAFile     string `json:"ca_file,omitempty"`     // PEM, an absolute path; "": the system's roots
	CertFile   string `json:"cert_file,omitempty"`   // client certificate, PEM, an absolute path; "": none
	KeyFile    string `json:"key_file,omitempty"`    // and its key
	MinDays    int    `json:"min_days,omitempty"`    // days for which the server's certificate must still be valid
	// CASum and CertSum are the SHA-256 of CAFile and of CertFile with KeyFile at load, so
	// that a changed file is a changed configuration.
	CASum   string `json:"ca_sum,omitempty"`
	CertSum string `json:"cert_sum,omitempty"`
}
