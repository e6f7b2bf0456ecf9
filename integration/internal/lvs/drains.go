package lvs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/ipvs"
)

// drainage plays servers that drain while they have connections: one that a reload takes out, one that is ordered to and whose client would
// return by persistence, and one whose connection does not end in time.
type drainage struct {
	s     *session
	gone  netip.Addr // the server that is no longer configured
	peace *drained
	stays *drained
	late  *drained
	begun mono.Time
	stop  context.CancelFunc // of the watch
}

// drained is one connection and the server that drains below it.
type drained struct {
	at     netip.AddrPort
	conn   net.Conn
	server netip.Addr
	out    chan time.Duration // when the server left the table, since the drains began
}

var (
	peaceAt = port(offered(false, 111, 1), talkPort)
	staysAt = port(offered(false, 112, 1), talkPort)
	lateAt  = port(offered(false, 113, 1), talkPort)
)

const (
	persistence  = 14 * time.Second
	drainTimeout = 4 * time.Second
	// drainBound is how long after its last connection a server may stay: it is looked at every two seconds.
	drainBound = 6 * time.Second
	// closed is how long the kernel keeps a TCP connection that was reset.
	closed = 10 * time.Second
)

func (d *drainage) config() string {
	one, two := place(inside, false, 3), place(inside, false, 4)
	kept := func(server netip.Addr) netip.Addr {
		if server == d.gone {
			return netip.Addr{}
		}
		return server
	}
	return pooled("peace", fmt.Sprintf("address = %q", peaceAt), "", kept(one), kept(two), "") +
		pooled("stays", fmt.Sprintf("address = %q\npersistence = { timeout = %q }", staysAt, persistence), "", one, two, "") +
		pooled("late", fmt.Sprintf("address = %q\ndrain_timeout = %q", lateAt, drainTimeout), "", one, two, "")
}

// begin opens the connections, and lets their servers be drained: two by order, one by the configuration that is applied next.
func (d *drainage) begin(ctx context.Context) (err error) {
	for _, c := range []struct {
		to *(*drained)
		at netip.AddrPort
	}{{&d.peace, peaceAt}, {&d.stays, staysAt}, {&d.late, lateAt}} {
		if *c.to, err = d.open(ctx, c.at); err != nil {
			return err
		}
	}
	d.gone, d.begun = d.peace.server, mono.Now()
	for name, c := range map[string]*drained{"stays": d.stays, "late": d.late} {
		if err := d.s.ask("server", "drain", name, c.server.String(), "--reason", "lab"); err != nil {
			return err
		}
	}
	ctx, d.stop = context.WithCancel(ctx)
	go d.watch(ctx)
	return d.stays.reset()
}

// watch notes when the servers leave the table, whatever else is done meanwhile.
func (d *drainage) watch(ctx context.Context) {
	in := []*drained{d.peace, d.stays, d.late}
	for ; len(in) > 0 && ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
		snap, err := d.s.list(ctx, 0)
		if err != nil {
			continue // who waits for a server says so
		}
		in = slices.DeleteFunc(in, func(c *drained) bool {
			_, still := c.weight(snap)
			if !still {
				c.out <- mono.Now().Sub(d.begun)
			}
			return !still
		})
	}
}

// reset ends the connection.
func (c *drained) reset() error {
	return errors.Join(c.conn.(*net.TCPConn).SetLinger(0), c.conn.Close())
}

// open makes a connection and finds its server.
func (d *drainage) open(ctx context.Context, at netip.AddrPort) (*drained, error) {
	c := &drained{at: at, out: make(chan time.Duration, 1)}
	err := d.s.net.client.Do(func() (err error) {
		c.conn, err = net.DialTimeout("tcp", at.String(), 3*time.Second)
		return err
	})
	if err == nil {
		err = c.alive()
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w", at, err)
	}
	snap, err := d.s.list(ctx, 0)
	if err != nil {
		return nil, err
	}
	var ok bool
	if c.server, ok = serving(snap, at, ipvs.TCP); !ok {
		return nil, fmt.Errorf("%v: no server has the connection:\n%s", at, snap.Table)
	}
	return c, nil
}

// alive makes a request on the connection.
func (c *drained) alive() error {
	if err := c.conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	b := [8]byte{1}
	if _, err := c.conn.Write(b[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(c.conn, b[:])
	return err
}

// weight is that of the connection's server; false: it is out of the table.
func (c *drained) weight(snap ipvs.Snapshot) (ipvs.Weight, bool) {
	for _, server := range snap.Table[ipvs.NewKey(ipvs.TCP, c.at)].Servers {
		if server.Addr.Addr() == c.server {
			return server.Weight, true
		}
	}
	return 0, false
}

// left waits until the server is out of the table, and says when that was since the drains began.
func (c *drained) left(limit time.Duration) (took time.Duration, err error) {
	select {
	case took = <-c.out:
		return took, nil
	case <-time.After(limit):
		return 0, fmt.Errorf("after another %v %v is in the table of %v still", limit, c.server, c.at)
	}
}

// end judges the drains, the shortest first.
func (d *drainage) end(ctx context.Context) error {
	defer d.stop()
	defer d.peace.conn.Close()
	defer d.late.conn.Close()
	took, err := d.late.left(drainTimeout + drainBound)
	if err != nil {
		return err
	}
	reason, err := d.reason("late", d.late)
	if err != nil {
		return err
	}
	broken := d.late.alive()
	d.s.find(fmt.Sprintf("a drain by order that is not over in time ends at drain_timeout, %v", drainTimeout),
		took >= drainTimeout && took < drainTimeout+drainBound && reason == "drain-timeout" && broken != nil, "after %.1f s: %s; its connection: %v", took.Seconds(), reason, broken)

	snap, err := d.s.list(ctx, 0)
	if err != nil {
		return err
	}
	weight, in := d.peace.weight(snap)
	going := d.peace.alive()
	fresh, err := d.elsewhere(ctx, d.peace)
	if err != nil {
		return err
	}
	d.s.find("a server that a reload takes out has weight 0 while its connection goes on, and gets none", in && weight == 0 && going == nil && fresh == 0,
		"after %.1f s: in the table %v, weight %v, connection: %v, %d of 4 new connections", mono.Now().Sub(d.begun).Seconds(), in, weight, going, fresh)
	if err := d.peace.reset(); err != nil {
		return err
	}
	ended := mono.Now().Sub(d.begun)

	if took, err = d.stays.left(persistence + drainBound); err != nil {
		return err
	}
	if reason, err = d.reason("stays", d.stays); err != nil {
		return err
	}
	d.s.find(fmt.Sprintf("a drain by order waits for persistence of %v, although the connection is gone after %v", persistence, closed),
		took > closed+time.Second && took < persistence+drainBound && reason == "drained", "after %.1f s: %s", took.Seconds(), reason)

	if took, err = d.peace.left(closed + drainBound); err != nil {
		return err
	}
	if reason, err = d.reason(ipvs.NewKey(ipvs.TCP, peaceAt).String(), d.peace); err != nil {
		return err
	}
	d.s.find("when the connection has ended, the server that the reload took out is removed", took > ended+time.Second && reason == "drained",
		"%.1f s after it was closed: %s", (took - ended).Seconds(), reason)
	return nil
}

// elsewhere makes new connections and counts those that come to the server that drains.
func (d *drainage) elsewhere(ctx context.Context, c *drained) (fresh int, err error) {
	before, err := d.s.list(ctx, 0)
	if err != nil {
		return 0, err
	}
	for range 4 {
		n, err := d.open(ctx, c.at)
		if err != nil {
			return 0, err
		}
		if err := n.reset(); err != nil {
			return 0, err
		}
	}
	after, err := d.s.list(ctx, 0)
	if err != nil {
		return 0, err
	}
	return int(c.connections(after)) - int(c.connections(before)), nil
}

// connections are those that the server has.
func (c *drained) connections(snap ipvs.Snapshot) uint32 {
	stats := snap.Stats[ipvs.NewKey(ipvs.TCP, c.at)].Servers[port(c.server, c.at.Port())]
	return stats.Active + stats.Inactive
}

// reason is why d1 says that the server of a service, of the configuration or of the kernel, is out.
func (d *drainage) reason(service string, c *drained) (string, error) {
	text, err := d.s.directors[0].Ask("explain", "--json", "--lines", "0")
	if err != nil {
		return "", err
	}
	var journal struct {
		Events []struct{ Object, Reason string }
	}
	if err := json.Unmarshal([]byte(text), &journal); err != nil {
		return "", fmt.Errorf("lbha explain: %w", err)
	}
	object := fmt.Sprintf("%s/%v", service, port(c.server, c.at.Port()))
	for _, e := range journal.Events {
		if e.Object == object && (e.Reason == "drained" || e.Reason == "drain-timeout") {
			return e.Reason, nil
		}
	}
	return "the journal has no reason", nil
}
