package ipvsctl

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/lbha/lbha/ipvs"
)

// Listing is the kernel's table with its counters, for programs (JSON) and people (WriteTable, WriteStats, WriteRates).
type Listing struct {
	Services []Service `json:"services"` // sorted; not nil
}

// Service is a virtual service with its servers.
type Service struct {
	Key         ipvs.Key       `json:"service"`
	Scheduler   ipvs.Scheduler `json:"scheduler"`
	Flags       []ipvs.Flag    `json:"flags,omitempty"`
	Persistence int64          `json:"persistence,omitempty"` // seconds
	Netmask     string         `json:"netmask,omitempty"`     // of a persistent service
	OnePacket   bool           `json:"one_packet,omitempty"`
	Engine      string         `json:"engine,omitempty"`
	Traffic     ipvs.Traffic   `json:"traffic"`
	Servers     []Server       `json:"servers"` // sorted; not nil
}

// Server is a real server of one service.
type Server struct {
	Address        netip.AddrPort `json:"address"`
	Forward        ipvs.Forward   `json:"forward"`
	Weight         ipvs.Weight    `json:"weight"`
	UpperThreshold uint32         `json:"upper_threshold,omitempty"`
	LowerThreshold uint32         `json:"lower_threshold,omitempty"`
	Tunnel         *ipvs.Tunnel   `json:"tunnel,omitempty"`
	Active         uint32         `json:"active"`
	Inactive       uint32         `json:"inactive"`
	Persistent     uint32         `json:"persistent"`
	Traffic        ipvs.Traffic   `json:"traffic"`
}

// NewListing makes the listing of the services with the keys, or of all without keys. A key that is not in the table is an error.
func NewListing(snap ipvs.Snapshot, keys ...ipvs.Key) (Listing, error) {
	if len(keys) == 0 {
		keys = snap.Table.Keys()
	}
	l := Listing{Services: []Service{}}
	for _, k := range keys {
		p, ok := snap.Table[k]
		if !ok {
			return Listing{}, noService(snap.Table, k)
		}
		l.Services = append(l.Services, newService(p, snap.Stats[k]))
	}
	return l, nil
}

func newService(p ipvs.Pool, stats ipvs.PoolStats) Service {
	s := p.Service
	out := Service{
		Key: s.Key, Scheduler: s.Scheduler, Flags: s.Flags.Names(s.Scheduler),
		Persistence: int64(s.Persistence.Seconds()), OnePacket: s.OnePacket, Engine: s.Engine,
		Traffic: stats.Service.Traffic, Servers: []Server{},
	}
	if s.Persistence != 0 {
		out.Netmask = s.Netmask.String()
	}
	for _, r := range p.Servers {
		st := stats.Servers[r.Addr]
		server := Server{
			Address: r.Addr, Forward: r.Forward, Weight: r.Weight, UpperThreshold: r.UpperThreshold, LowerThreshold: r.LowerThreshold,
			Active: st.Active, Inactive: st.Inactive, Persistent: st.Persistent, Traffic: st.Traffic,
		}
		if r.Forward == ipvs.TUN {
			server.Tunnel = &r.Tunnel
		}
		out.Servers = append(out.Servers, server)
	}
	return out
}

// noService is the error of a key that the table does not have.
func noService(t ipvs.Table, k ipvs.Key) error {
	if len(t) == 0 {
		return fmt.Errorf("there is no service %s: the table is empty", k)
	}
	const shown = 5
	var names []string
	for i, have := range t.Keys() {
		if i == shown {
			names = append(names, fmt.Sprintf("and %d more", len(t)-shown))
			break
		}
		names = append(names, have.String())
	}
	return fmt.Errorf("there is no service %s; the table has %s", k, strings.Join(names, ", "))
}

// WriteTable prints services and servers, one a line. A service shows the sums of its servers' connections. There are thresholds
// only if any server has some.
func (l Listing) WriteTable(out io.Writer) error {
	thresholds := false
	for _, s := range l.Services {
		for _, r := range s.Servers {
			thresholds = thresholds || r.UpperThreshold != 0 || r.LowerThreshold != 0
		}
	}
	row := func(kind, weight string, active, inactive, persistent uint64, upper, lower, options string) []string {
		cells := []string{kind, weight, fmt.Sprint(active), fmt.Sprint(inactive), fmt.Sprint(persistent)}
		if thresholds {
			cells = append(cells, upper, lower)
		}
		return append(cells, options)
	}
	header := []string{"SCHEDULER / FORWARD", "WEIGHT", "ACTIVE", "INACTIVE", "PERSISTENT"}
	if thresholds {
		header = append(header, "UPPER", "LOWER")
	}
	return l.write(out, append(header, "OPTIONS"),
		func(s Service) []string {
			var active, inactive, persistent uint64
			for _, r := range s.Servers {
				active += uint64(r.Active)
				inactive += uint64(r.Inactive)
				persistent += uint64(r.Persistent)
			}
			return row(s.Scheduler.String(), "", active, inactive, persistent, "", "", s.options())
		},
		func(r Server) []string {
			return row(r.Forward.String(), r.Weight.String(), uint64(r.Active), uint64(r.Inactive), uint64(r.Persistent),
				limit(r.UpperThreshold), limit(r.LowerThreshold), tunnelText(r.Tunnel))
		})
}

// write prints a header, then each service and its servers below it.
func (l Listing) write(out io.Writer, header []string, service func(Service) []string, server func(Server) []string) error {
	if len(l.Services) == 0 {
		_, err := fmt.Fprintln(out, "The table is empty: there are no services.")
		return err
	}
	rows := [][]string{append([]string{"SERVICE / SERVER"}, header...)}
	for _, s := range l.Services {
		rows = append(rows, append([]string{s.Key.String()}, service(s)...))
		for _, r := range s.Servers {
			rows = append(rows, append([]string{"  " + r.Address.String()}, server(r)...))
		}
	}
	return writeColumns(out, rows)
}

// writeColumns prints rows in columns, without spaces at the ends of lines.
func writeColumns(out io.Writer, rows [][]string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(out, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// limit writes a threshold, which is none if it is 0.
func limit(n uint32) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// options says in words what a service has besides its scheduler.
func (s Service) options() string {
	var list []string
	if len(s.Flags) > 0 {
		var names []string
		for _, f := range s.Flags {
			names = append(names, f.String())
		}
		list = append(list, strings.Join(names, ","))
	}
	if s.Persistence != 0 {
		text := fmt.Sprintf("persistent %d s", s.Persistence)
		if s.Netmask != ipvs.HostNetmask(s.Key.Family()).String() {
			text += " netmask " + s.Netmask
		}
		list = append(list, text)
	}
	if s.OnePacket {
		list = append(list, "one-packet")
	}
	if s.Engine != "" {
		list = append(list, "engine "+s.Engine)
	}
	return strings.Join(list, ", ")
}

func tunnelText(t *ipvs.Tunnel) string {
	if t == nil {
		return ""
	}
	text := t.Type.String()
	if t.Port != 0 {
		text += fmt.Sprintf(" port %d", t.Port)
	}
	if t.Checksum != ipvs.NoChecksum {
		text += " checksum " + t.Checksum.String()
	}
	return text
}
