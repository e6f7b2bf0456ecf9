package healthcheck

import (
	"fmt"
	"slices"
	"strings"
)

// A Type names a kind of probe. Every name of the configuration language is
// known here; which of them a build can run is for package probe to say.
type Type string

// The kinds of probes.
const (
	TypeTCP        Type = "tcp"
	TypeTLS        Type = "tls"
	TypeHTTP       Type = "http"
	TypeHTTPS      Type = "https"
	TypeGRPC       Type = "grpc"
	TypeDNS        Type = "dns"
	TypeICMP       Type = "icmp"
	TypeUDP        Type = "udp"
	TypeSMTP       Type = "smtp"
	TypeLDAP       Type = "ldap"
	TypeRedis      Type = "redis"
	TypeMySQL      Type = "mysql"
	TypePostgreSQL Type = "postgresql"
	TypeIMAP       Type = "imap"
	TypePOP3       Type = "pop3"
	TypeFTP        Type = "ftp"
	TypeSIP        Type = "sip"
	TypeRADIUS     Type = "radius"
	TypeScript     Type = "script"
	TypeFile       Type = "file"
	TypeAgent      Type = "agent"
)

// Types returns all kinds of probes, in the order in which messages list them.
func Types() []Type {
	return []Type{
		TypeTCP, TypeTLS, TypeHTTP, TypeHTTPS, TypeGRPC, TypeDNS, TypeICMP, TypeUDP,
		TypeSMTP, TypeLDAP, TypeRedis, TypeMySQL, TypePostgreSQL, TypeIMAP, TypePOP3,
		TypeFTP, TypeSIP, TypeRADIUS, TypeScript, TypeFile, TypeAgent,
	}
}

// UnmarshalText accepts one of [Types]; its error names the nearest one.
func (t *Type) UnmarshalText(text []byte) error {
	name := Type(text)
	if !slices.Contains(Types(), name) {
		return unknown("check type", string(text), Types())
	}
	*t = name
	return nil
}

// MarshalText returns the name.
func (t Type) MarshalText() ([]byte, error) { return []byte(t), nil }

// unknown is the error for a name that is none of known: it proposes the
// nearest one when a typing error is likely, else it lists them all.
func unknown[T ~string](what, name string, known []T) error {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), string(k)); d < distance && d < len(k) {
			best, distance = string(k), d
		}
	}
	if best != "" {
		return fmt.Errorf("unknown %s %q: did you mean %q?", what, name, best)
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	return fmt.Errorf("unknown %s %q: want one of %s", what, name, strings.Join(names, ", "))
}

// editDistance counts the bytes to insert, delete or replace to turn a into b
// (Levenshtein). A long name is no typing error: it is not compared.
func editDistance(a, b string) int {
	if len(a) > 32 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
