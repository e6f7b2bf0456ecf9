package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// maxDatagram is what is read of a datagram, in bytes. The rest is dropped.
const maxDatagram = 4 << 10

// A udpProber sends a datagram and judges the first one that comes back. That the
// server's host reports the port as unreachable is heard at once.
type udpProber struct {
	dialer   dialer
	exchange Exchange
}

func newUDP(d dialer, o Options) (*udpProber, error) {
	if o.Exchange.NoReply && o.Exchange.Expect != "" {
		return nil, errors.New("a reply cannot be expected and not be required")
	}
	return &udpProber{d, o.Exchange}, nil
}

func (p *udpProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(p.exchange.Send)); err != nil {
		return failed(ctx, start, phaseRequest, err)
	}
	if p.exchange.NoReply {
		return p.listen(ctx, start, c)
	}
	heard := make([]byte, maxDatagram)
	n, err := c.Read(heard)
	if err != nil && !errors.Is(err, io.EOF) { // an empty datagram reads like an end
		return failed(ctx, start, phaseAnswer, err)
	}
	if heard = heard[:n]; !bytes.Contains(heard, []byte(p.exchange.Expect)) {
		return healthcheck.Failed(healthcheck.FailureBody, fmt.Sprintf("no %.40q in the answer %.60q", p.exchange.Expect, heard))
	}
	return healthcheck.Passed("answered in " + rounded(time.Since(start)).String())
}

// listen waits half of the time for bad news of a server that does not answer when
// it is well.
func (p *udpProber) listen(ctx context.Context, start time.Time, c *conn) healthcheck.Result {
	deadline, _ := ctx.Deadline()
	c.SetReadDeadline(start.Add(deadline.Sub(start) / 2))
	if ctx.Err() != nil { // its end has set a deadline as well, which was to be the last
		return failed(ctx, start, phaseAnswer, context.DeadlineExceeded)
	}
	_, err := c.Read(make([]byte, 1))
	if r := failed(ctx, start, phaseAnswer, err); err != nil && r.Failure != healthcheck.FailureTimeout && !errors.Is(err, io.EOF) {
		return r
	}
	return healthcheck.Passed("sent, and not refused in " + rounded(time.Since(start)).String())
}
