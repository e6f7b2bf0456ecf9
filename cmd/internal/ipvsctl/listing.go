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

// WriteTable prints services and servers, one a line. Thresholds and tunnels have columns if anybody has them.
func (l Listing) WriteTable(out io.Writer) error {
	thresholds, tunnels := false, false
	for _, s := range l.Services {
		for _, r := range s.Servers {
			thresholds = thresholds || r.UpperThreshold != 0 || r.LowerThreshold != 0
			tunnels = tunnels || r.Tunnel != nil
		}
	}
	header := []string{"  SERVER", "FORWARD", "WEIGHT", "ACTIVE", "INACTIVE", "PERSISTENT"}
	if thresholds {
		header = append(header, "UPPER", "LOWER")
	}
	if tunnels {
		header = append(header, "TUNNEL")
	}
	return l.write(out, "SERVICE\tSCHEDULER\tOPTIONS", header,
		func(s Service) []string {
			if options := s.options(); options != "" {
				return []string{s.Scheduler.String(), options}
			}
			return []string{s.Scheduler.String()}
		},
		func(r Server) []string {
			cells := []string{r.Forward.String(), r.Weight.String(), fmt.Sprint(r.Active), fmt.Sprint(r.Inactive), fmt.Sprint(r.Persistent)}
			if thresholds {
				cells = append(cells, fmt.Sprint(r.UpperThreshold), fmt.Sprint(r.LowerThreshold))
			}
			if tunnels {
				cells = append(cells, tunnelText(r.Tunnel))
			}
			return cells
		})
}

// write prints a header, then each service and its servers. A cell that ends a line does not widen its column.
func (l Listing) write(out io.Writer, title string, header []string, service func(Service) []string, server func(Server) []string) error {
	if len(l.Services) == 0 {
		_, err := fmt.Fprintln(out, "The table is empty: there are no services.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if title != "" {
		fmt.Fprintln(w, title)
	}
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for _, s := range l.Services {
		fmt.Fprintln(w, strings.Join(append([]string{s.Key.String()}, service(s)...), "\t"))
		for _, r := range s.Servers {
			fmt.Fprintln(w, strings.Join(append([]string{"  " + r.Address.String()}, server(r)...), "\t"))
		}
	}
	return w.Flush()
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
		return "-"
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
