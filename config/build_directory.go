package config

import (
	"cmp"
	"strings"
	"unicode"

	"github.com/lbha/lbha/healthcheck"
)

// Limits of a check, in bytes.
const (
	maxLDAPText   = 1024 // of a name or password
	maxRADIUSText = 128  // of a secret, name or password

	maxDatabaseText = 1024 // of a name or password
)

func (b *builder) ldap(raw *rawCheck, c *Check) {
	b.login(raw, c)
	c.Base, c.StartTLS = raw.Base.or(""), raw.StartTLS.or(false)
	b.atMost(raw.Base.Node, c.Base, maxLDAPText)
	b.atMost(raw.Username.Node, c.Username, maxLDAPText)
	b.atMost(cmp.Or(raw.Password.Node, raw.PasswordFile.Node), c.Password.Reveal(), maxLDAPText)
}

func (b *builder) sip(raw *rawCheck, c *Check) {
	c.Host, c.Status = b.hostName(raw.Host), values(raw.Status)
	switch {
	case !raw.Status.set():
		c.Status = []healthcheck.StatusRange{{First: 200, Last: 299}}
	case len(c.Status) == 0:
		b.error(raw.Status.Node, "status: must accept at least one code")
	}
	standard := "udp"
	if c.TLS != nil {
		standard = "tcp"
	}
	c.Protocol = b.choice(raw.Protocol, standard, "udp", "tcp")
	if c.TLS != nil && c.Protocol != "tcp" {
		b.error(raw.Protocol.Node, "protocol: TLS is over tcp")
	}
}

func (b *builder) radius(raw *rawCheck, c *Check) {
	b.login(raw, c)
	c.Secret = b.shared(raw.Secret, raw.SecretFile)
	at := cmp.Or(raw.Secret.Node, raw.SecretFile.Node)
	switch {
	case at == nil:
		b.need(raw.Node, nil, "secret", "shared with the server, or secret_file")
	case raw.Secret.set() && c.Secret.IsZero():
		b.error(at, "secret: is empty")
	}
	b.atMost(at, c.Secret.Reveal(), maxRADIUSText)
	b.atMost(raw.Username.Node, c.Username, maxRADIUSText)
	b.atMost(cmp.Or(raw.Password.Node, raw.PasswordFile.Node), c.Password.Reveal(), maxRADIUSText)
}

// database fills in a check of a database server.
func (b *builder) database(raw *rawCheck, c *Check) {
	b.login(raw, c)
	c.Database = raw.Database.or("")
	password := cmp.Or(raw.Password.Node, raw.PasswordFile.Node)
	b.atMost(raw.Username.Node, c.Username, maxDatabaseText)
	b.atMost(password, c.Password.Reveal(), maxDatabaseText)
	b.atMost(raw.Database.Node, c.Database, maxDatabaseText)
	if strings.ContainsFunc(c.Database, unicode.IsControl) {
		b.error(raw.Database.Node, "database: %.40q has characters that a name has not", c.Database)
	}
	if strings.ContainsRune(c.Password.Reveal(), 0) {
		b.error(password, "%s: has a NUL", password.label())
	}
	if raw.Database.set() && c.Username == "" {
		b.need(raw.Node, nil, "username", "who is to open the database")
	}
}

// mail fills in a check of a protocol of lines, in which one may log in.
func (b *builder) mail(raw *rawCheck, c *Check) {
	b.login(raw, c)
	c.StartTLS = raw.StartTLS.or(false)
	sayable := func(at *node, text string) {
		control := at != raw.Username.Node // that a name has none is settled
		if strings.ContainsFunc(text, func(r rune) bool { return r > '~' || r < ' ' && control }) {
			b.error(at, "%s: has characters that the protocol has not", at.label())
		}
	}
	sayable(raw.Username.Node, c.Username)
	sayable(cmp.Or(raw.Password.Node, raw.PasswordFile.Node), c.Password.Reveal())
}

// atMost bounds the text of a setting.
func (b *builder) atMost(at *node, text string, bytes int) {
	if at != nil && len(text) > bytes {
		b.error(at, "%s: must have at most %d bytes", at.label(), bytes)
	}
}
