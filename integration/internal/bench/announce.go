package bench

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
)

const (
	announceRouters  = 5
	announceVIPs     = 200 // of each
	announceInterval = time.Second
)

// announce measures how soon a third host has heard of every VIP of a new master.
func announce(ctx context.Context, o Options, say func(string, ...any)) (*Section, error) {
	section := &Section{About: fmt.Sprintf("%d virtual routers with %d VIPs each become master; by what a third host hears", announceRouters, announceVIPs)}
	heard := Series{What: "first advert to the first announcement of the last VIP", Unit: "ms"}
	runs := max(o.Runs/2, 2)
	say("%d VIPs: %d runs each, in turn", announceRouters*announceVIPs, runs)
	for range runs {
		for _, kind := range kinds {
			took, err := announceOnce(ctx, kind, o.Binary)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kind, err)
			}
			heard.addTime(kind, took)
			say("  %-10s %v", kind, took)
		}
	}
	say("  %s", heard.line())
	section.Series = []Series{heard}
	return section, nil
}

func announceOnce(ctx context.Context, kind drive.Kind, binary string) (time.Duration, error) {
	routers := several(announceRouters, announceVIPs, announceInterval)
	l, err := pairOf(kind, binary, routers)
	if err != nil {
		return 0, err
	}
	defer l.end()
	if err := l.d1.Start(); err != nil {
		return 0, err
	}
	if err := l.untilMaster(ctx, announceRouters, announceInterval); err != nil {
		return 0, err
	}
	first := mono.Time(0)
	for _, a := range l.tap.Adverts.Between(l.begin, mono.Now()) {
		if a.Priority != 0 {
			first = a.At
			break
		}
	}
	for deadline := mono.Now().Add(startLimit); mono.Now() < deadline && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		announced := map[netip.Addr]mono.Time{}
		last := mono.Time(0)
		for _, a := range l.tap.Announcements.Between(l.begin, mono.Now()) {
			if announced[a.Addr] == 0 {
				announced[a.Addr], last = a.At, a.At
			}
		}
		if len(announced) == announceRouters*announceVIPs {
			return last.Sub(first), nil
		}
	}
	return 0, fmt.Errorf("not every VIP was announced within %v", startLimit)
}
