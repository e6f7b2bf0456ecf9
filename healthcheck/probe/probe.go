package probe

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

// Types returns the kinds of probes that [New] can make.
func Types() []healthcheck.Type {
	return []healthcheck.Type{
		healthcheck.TypeTCP, healthcheck.TypeTLS, healthcheck.TypeHTTP, healthcheck.TypeHTTPS, healthcheck.TypeGRPC,
		healthcheck.TypeDNS, healthcheck.TypeICMP, healthcheck.TypeUDP, healthcheck.TypeSMTP, healthcheck.TypeLDAP,
		healthcheck.TypeRedis, healthcheck.TypeMySQL, healthcheck.TypePostgreSQL, healthcheck.TypeIMAP,
		healthcheck.TypePOP3, healthcheck.TypeFTP, healthcheck.TypeSIP, healthcheck.TypeRADIUS, healthcheck.TypeScript, healthcheck.TypeFile, healthcheck.TypeAgent,
	}
}

// New returns the prober that the options describe. It opens nothing.
func New(o Options) (healthcheck.Prober, error) {
	o = o.normal()
	p, err := newProber(o)
	if err == nil && o.Dial.Through.IsValid() {
		p = &throughProber{p, o.Target.Addr(), o.Dial}
	}
	return p, err
}

// newProber returns the prober of the type.
func newProber(o Options) (healthcheck.Prober, error) {
	switch o.Type {
	case healthcheck.TypeScript:
		return newScript(o)
	case healthcheck.TypeFile:
		return newFile(o)
	}
	d, err := newDialer(o.Target, o.Dial, o.socketKind())
	if err != nil {
		return nil, err
	}
	switch o.Type {
	case healthcheck.TypeHTTP, healthcheck.TypeHTTPS:
		return newHTTP(d, o)
	case healthcheck.TypeGRPC:
		return newGRPC(d, o)
	case healthcheck.TypeDNS:
		return newDNS(d, o)
	case healthcheck.TypeICMP:
		return &icmpProber{d}, nil
	case healthcheck.TypeUDP:
		return newUDP(d, o)
	case healthcheck.TypeTCP:
		if o.Exchange == (Exchange{}) {
			return &tcpProber{d}, nil
		}
		return newTalk(d, o, exchange(o.Exchange))
	case healthcheck.TypeTLS:
		return newTalk(d, o, exchange(o.Exchange))
	case healthcheck.TypeSMTP:
		return newUpgrade(d, o, func(client *tlsClient) (conversation, error) { return smtp(o.SMTP, client) })
	case healthcheck.TypeLDAP:
		return newUpgrade(d, o, func(client *tlsClient) (conversation, error) { return ldap(o.LDAP, o.Login, client) })
	case healthcheck.TypeRedis:
		return newTalk(d, o, redis(o.Login))
	case healthcheck.TypeMySQL:
		return newMySQL(d, o)
	case healthcheck.TypePostgreSQL:
		return newPostgreSQL(d, o)
	case healthcheck.TypeIMAP:
		return newUpgrade(d, o, mail(o.Login, imap))
	case healthcheck.TypePOP3:
		return newUpgrade(d, o, mail(o.Login, pop3))
	case healthcheck.TypeFTP:
		return newUpgrade(d, o, mail(o.Login, ftp))
	case healthcheck.TypeSIP:
		return newSIP(d, o)
	case healthcheck.TypeRADIUS:
		return newRADIUS(d, o)
	case healthcheck.TypeAgent:
		return newTalk(d, o, agent(o.Exchange))
	}
	return nil, fmt.Errorf("check type %q cannot be run: this build has %v", o.Type, Types())
}

// socketKind is the kind of socket that the type needs.
func (o *Options) socketKind() int {
	switch {
	case o.Type == healthcheck.TypeICMP:
		return unix.SOCK_RAW
	case o.Type == healthcheck.TypeUDP, o.Type == healthcheck.TypeRADIUS,
		o.Type == healthcheck.TypeDNS && !o.DNS.TCP, o.Type == healthcheck.TypeSIP && !o.SIP.TCP:
		return unix.SOCK_DGRAM
	}
	return unix.SOCK_STREAM
}
