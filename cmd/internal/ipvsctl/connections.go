package ipvsctl

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/kernel"
)

// Connections are entries of the connection table, for programs (JSON) and people (Write).
type Connections struct {
	Connections []Connection `json:"connections"` // sorted; not nil
}

// Connection is an entry of the connection table.
type Connection struct {
	kernel.Connection
	Expires int64 `json:"expires"` // seconds
}

// ConnectionFilter picks entries. What is not set picks all; what is set must all be so.
type ConnectionFilter struct {
	Service   ipvs.Key // port 0: every port of the address; a mark: its templates, for connections do not tell the mark
	Client    Endpoint
	Server    Endpoint
	States    []string // one of them, in any case
	Templates *bool    // templates only, or connections only
}

// Endpoint is a set of addresses, and a port or 0 for every port.
type Endpoint struct {
	Prefix netip.Prefix
	Port   uint16
}

// ParseEndpoint reads ADDRESS, ADDRESS:PORT or PREFIX.
func ParseEndpoint(s string) (Endpoint, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return Endpoint{Prefix: p.Masked()}, nil
	}
	a, err := parseAddress(0, s, 0, func(_ ipvs.Protocol, name string) (uint16, error) {
		return 0, fmt.Errorf("port %q is no number", name)
	})
	if err != nil {
		return Endpoint{}, fmt.Errorf("%q: want ADDRESS, ADDRESS:PORT or a prefix as 10.9.0.0/24", s)
	}
	return Endpoint{netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), a.Port()}, nil
}

// Contains reports whether the endpoint is in the set; the zero Endpoint is every one.
func (e Endpoint) Contains(a netip.AddrPort) bool {
	return (!e.Prefix.IsValid() || e.Prefix.Contains(a.Addr())) && (e.Port == 0 || e.Port == a.Port())
}

// Match reports whether the filter picks the entry.
func (f ConnectionFilter) Match(c kernel.Connection) bool {
	if f.Templates != nil && *f.Templates != c.Template {
		return false
	}
	if len(f.States) > 0 && !slices.ContainsFunc(f.States, func(s string) bool { return strings.EqualFold(s, c.State) }) {
		return false
	}
	return f.matchService(c.Service()) && f.Client.Contains(c.Client) && f.Server.Contains(c.Server)
}

func (f ConnectionFilter) matchService(k ipvs.Key) bool {
	want := f.Service
	if want.IsValid() && want.Mark() == 0 && want.Addr().Port() == 0 {
		return k.Protocol() == want.Protocol() && k.Addr().Addr() == want.Addr().Addr()
	}
	return !want.IsValid() || k == want
}

// NewConnections picks and sorts entries: by service, server and client, each client's template before its connections.
func NewConnections(all []kernel.Connection, f ConnectionFilter) Connections {
	picked := []Connection{}
	for _, c := range all {
		if f.Match(c) {
			picked = append(picked, Connection{c, int64(c.Expires.Seconds())})
		}
	}
	slices.SortStableFunc(picked, func(a, b Connection) int {
		return cmp.Or(
			cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Mark, b.Mark),
			a.Virtual.Compare(b.Virtual),
			a.Server.Compare(b.Server),
			a.Client.Compare(b.Client),
		)
	})
	return Connections{picked}
}

// Write prints one entry a line, and how many there are.
func (cs Connections) Write(out io.Writer) error {
	rows := [][]string{{"PROTOCOL", "CLIENT", "SERVICE", "SERVER", "STATE", "EXPIRES", ""}}
	templates := 0
	for _, c := range cs.Connections {
		client, service, state := c.Client.String(), c.Virtual.String(), c.State
		if c.Template {
			templates++
			client, state = c.Client.Addr().String(), "template "+c.State
		}
		if !c.Virtual.IsValid() {
			service = "fwmark " + strconv.FormatUint(uint64(c.Mark), 10)
		}
		engine := ""
		if c.Engine != "" {
			engine, rows[0][6] = strings.TrimSpace(c.Engine+" "+c.EngineData), "ENGINE"
		}
		rows = append(rows, []string{printable(c.Protocol), client, service, c.Server.String(), printable(state), fmt.Sprint(c.Expires, " s"), printable(engine)})
	}
	if err := writeColumns(out, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s, %s\n", plural(len(cs.Connections)-templates, "connection"), plural(templates, "template"))
	return err
}

// printable keeps a client's bytes from being commands to a terminal, or a column of their own.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == '\uFFFD' }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}
