package interop

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/suite"
)

const (
	trickleRate     = 2 // packets a second
	trickleTime     = 20 * time.Second
	trickleInterval = time.Second
)

// Trickle is what a pair did while somebody sent it two bad advertisements a second, of every kind that [load.Forgeries] names. A master
// that re-arms its timer for them falls silent, and a backup that takes interval 0 for a master-down interval takes over at once.
type Trickle struct {
	Kind      drive.Kind `json:"kind"`
	Packets   int        `json:"packets"`
	Takeovers int        `json:"takeovers"` // times that the backup began to advertise
	Adverts   int        `json:"adverts"`   // of the master
	Story     string     `json:"story"`
}

// OK reports whether nothing moved. The peers are shown, not judged.
func (t *Trickle) OK() bool {
	return t.Kind != drive.LBHA || t.Packets > 0 && t.Takeovers == 0 && t.Adverts >= int(trickleTime/trickleInterval)-1
}

// Print says what was seen.
func (t *Trickle) Print(out io.Writer) {
	fmt.Fprintf(out, "%s at %v, %d bad advertisements in %v: %d takeovers, %d adverts of the master: %s\n  %s\n",
		t.Kind, trickleInterval, t.Packets, trickleTime, t.Takeovers, t.Adverts, suite.Verdict(t.OK()), t.Story)
}

// playTrickle runs a pair of one daemon beside a forger.
func playTrickle(ctx context.Context, kind drive.Kind, binary string) (*Trickle, error) {
	p, err := startTwins(ctx, "bad-"+string(kind[0]), kind, binary, trickleInterval)
	if err != nil {
		return nil, err
	}
	defer p.end()
	t := &Trickle{Kind: kind}
	begin := mono.Now()
	f := load.Forger{
		Interface: netlab.BridgeName, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 0x66}, Source: netip.MustParseAddr("10.9.0.66"), VRID: vrid, VIP: netlab.VIP,
	}
	err = p.Switch.Do(func() (err error) {
		t.Packets, err = f.Run(trickleRate, trickleTime)
		return err
	})
	if err != nil {
		return nil, err
	}
	heard := p.tap.Adverts.Between(begin, mono.Now())
	for _, s := range Spans(heard, trickleInterval) {
		if s.Host != p.D1.Name {
			t.Takeovers++
		}
	}
	for _, a := range heard {
		if a.Host == p.D1.Name {
			t.Adverts++
		}
	}
	t.Story = render(Spans(heard, trickleInterval), nil, begin, map[string]string{p.D1.Name: "master", p.D2.Name: "backup"})
	return t, ctx.Err()
}
