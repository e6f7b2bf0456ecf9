package ipvsctl

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// Settings is what IPVS has besides its table, in one network namespace.
type Settings struct {
	Version             string        `json:"version"`               // of the kernel's IPVS
	ConnectionTableSize uint32        `json:"connection_table_size"` // buckets of its hash
	Timeouts            Timeouts      `json:"timeouts"`
	Daemons             []ipvs.Daemon `json:"daemons"` // not nil
}

// Timeouts are the idle times after which the kernel forgets a connection, in seconds.
type Timeouts struct {
	TCP    int64 `json:"tcp"`
	TCPFin int64 `json:"tcp_fin"`
	UDP    int64 `json:"udp"`
}

// ReadSettings asks the kernel.
func ReadSettings(ctx context.Context, k Kernel) (Settings, error) {
	info, err := k.Info(ctx)
	if err != nil {
		return Settings{}, err
	}
	s, err := k.Settings(ctx)
	if err != nil {
		return Settings{}, err
	}
	seconds := func(d time.Duration) int64 { return int64(d / time.Second) }
	return Settings{
		Version: info.String(), ConnectionTableSize: info.ConnectionTableSize,
		Timeouts: Timeouts{TCP: seconds(s.Timeouts.TCP), TCPFin: seconds(s.Timeouts.TCPFin), UDP: seconds(s.Timeouts.UDP)},
		Daemons:  s.Daemons,
	}, nil
}

// Write prints the settings for people.
func (s Settings) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "IPVS\t%s, connection table of %d buckets\n", s.Version, s.ConnectionTableSize)
	fmt.Fprintf(w, "Timeouts\ttcp %d s, tcp after FIN %d s, udp %d s\n", s.Timeouts.TCP, s.Timeouts.TCPFin, s.Timeouts.UDP)
	if len(s.Daemons) == 0 {
		fmt.Fprintln(w, "Sync daemon\tnone")
	}
	for _, d := range s.Daemons {
		fmt.Fprintf(w, "Sync %s\ton %s, id %d, group %s port %d, ttl %d, messages of %d bytes\n", d.Role, d.Interface, d.ID, d.Group, d.Port, d.TTL, d.MaxLen)
	}
	return w.Flush()
}
