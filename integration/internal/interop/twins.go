package interop

import (
	"context"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
)

// twins are two directors of one kind, of version 3 on IPv4, on a network of their own where their adverts are heard.
type twins struct {
	*netlab.Network
	tap       *observe.Tap
	directors []*drive.Director
}

// startTwins starts them and waits until D1 is master.
func startTwins(ctx context.Context, name string, kind drive.Kind, binary string, interval time.Duration) (_ *twins, err error) {
	p := new(twins)
	if p.Network, err = netlab.Pair(name, false); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.end()
		}
	}()
	if p.tap, err = observe.Listen(p.Network); err != nil {
		return nil, err
	}
	cell := Cell{First: kind, Second: kind, Version: 3}
	for _, side := range []struct {
		host     *netlab.Host
		priority int
	}{{p.D1, priorityFirst}, {p.D2, prioritySecond}} {
		router := cell.timing(side.priority)
		router.Interval = interval
		d, err := drive.New(kind, side.host, binary, drive.Settings{Name: side.host.Name, Routers: []drive.Router{router}})
		if err != nil {
			return nil, err
		}
		p.directors = append(p.directors, d)
		if err := d.Start(); err != nil {
			return nil, err
		}
	}
	return p, settled(ctx, p.tap, p.Network, interval)
}

// end ends the directors, and then the network.
func (p *twins) end() {
	for _, d := range p.directors {
		d.Kill()
	}
	if p.tap != nil {
		p.tap.Close()
	}
	p.Close()
}
