package probe

import (
	"context"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// A tcpProber connects, and closes by a reset at once: see [dialer.prepare]. A
// server that reads the connection finds it reset, without a byte.
type tcpProber struct{ dialer dialer }

func (p *tcpProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	took := rounded(time.Since(start))
	c.Close()
	return healthcheck.Passed("connected in " + took.String())
}
