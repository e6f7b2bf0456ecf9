package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"golang.org/x/sys/unix"
)

const (
	manyRouters  = 255
	manyInterval = 100 * time.Millisecond
	// manySettle is how long a pair is left alone before it is watched.
	manySettle = 3 * time.Second
)

// many measures 255 virtual routers: their start, and what both roles cost at rest.
func many(ctx context.Context, o Options, say func(string, ...any)) (*Section, error) {
	section := &Section{About: fmt.Sprintf("%d virtual routers at %v, a VIP each; all processes of a daemon together, watched for %v", manyRouters, manyInterval, o.Rest)}
	series := []Series{
		{What: "start to all masters", Unit: "ms", Want: 1},
		{What: "processor of the master", Unit: "% of one", Want: 1.5},
		{What: "processor of the backup", Unit: "% of one", Want: 1.5},
		{What: "memory of the master: Pss", Unit: "MB"},
		{What: "memory of the master: Rss", Unit: "MB"},
		{What: "memory of the backup: Pss", Unit: "MB"},
	}
	runs := max(o.Runs/2, 2)
	say("%d virtual routers at %v: %d runs each, in turn", manyRouters, manyInterval, runs)
	for range runs {
		for _, kind := range kinds {
			c, err := manyOnce(ctx, kind, o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kind, err)
			}
			for i, value := range c.values() {
				series[i].add(kind, value)
			}
			say("  %-10s start %v, processor %.2f %% and %.2f %%, memory %.1f MB", kind, c.start, c.master.percent, c.backup.percent, c.master.pss)
		}
	}
	for i := range series {
		say("  %s", series[i].line())
	}
	section.Series = series
	return section, nil
}

// cost is what a daemon took.
type cost struct {
	percent  float64 // of one processor
	pss, rss float64 // MB
}

type manyCost struct {
	start          time.Duration
	master, backup cost
}

func (c manyCost) values() []float64 {
	return []float64{float64(c.start) / float64(time.Millisecond), c.master.percent, c.backup.percent, c.master.pss, c.master.rss, c.backup.pss}
}

func manyOnce(ctx context.Context, kind drive.Kind, o Options) (c manyCost, err error) {
	l, err := pairOf(kind, o.Binary, several(manyRouters, 1, manyInterval))
	if err != nil {
		return c, err
	}
	defer l.end()
	begin := mono.Now()
	if err := l.d1.Start(); err != nil {
		return c, err
	}
	if err := l.untilMaster(ctx, manyRouters, manyInterval); err != nil {
		return c, err
	}
	c.start = allMasters(l, begin).Sub(begin)
	if err := l.d2.Start(); err != nil {
		return c, err
	}
	time.Sleep(manySettle)
	if err := l.untilMaster(ctx, manyRouters, manyInterval); err != nil {
		return c, err
	}
	sides := []struct {
		d    *drive.Director
		cost *cost
	}{{l.d1, &c.master}, {l.d2, &c.backup}}
	var before [2]time.Duration
	watched := mono.Now()
	for i, side := range sides {
		if before[i], err = processor(side.d); err != nil {
			return c, err
		}
	}
	time.Sleep(o.Rest)
	length := mono.Now().Sub(watched)
	for i, side := range sides {
		after, err := processor(side.d)
		if err != nil {
			return c, err
		}
		side.cost.percent = 100 * float64(after-before[i]) / float64(length)
		if err := side.cost.memory(side.d); err != nil {
			return c, err
		}
	}
	if n := l.masters(l.D1, watched); n != manyRouters {
		return c, fmt.Errorf("%d of %d virtual routers had one master throughout", n, manyRouters)
	}
	return c, nil
}

// allMasters is when the last of the virtual routers sent its first advert.
func allMasters(l *lan, since mono.Time) (last mono.Time) {
	first := map[uint8]mono.Time{}
	for _, a := range l.tap.Adverts.Between(since, mono.Now()) {
		if first[a.VRID] == 0 {
			first[a.VRID] = a.At
			last = a.At
		}
	}
	return last
}

// processor is the time that all processes of a daemon have had so far, all threads together.
func processor(d *drive.Director) (sum time.Duration, err error) {
	for part, pid := range d.Processes() {
		// clock_getcpuclockid(3): the processor clock of another process.
		const scheduler = 2
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts); err != nil {
			return 0, fmt.Errorf("processor time of the %s of %s: %w", part, d.Kind, err)
		}
		sum += time.Duration(ts.Nano())
	}
	return sum, nil
}

// memory sums up what all processes of a daemon have in memory: shared pages by share (Pss) and in full (Rss).
func (c *cost) memory(d *drive.Director) error {
	for part, pid := range d.Processes() {
		f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return fmt.Errorf("memory of the %s of %s: %w", part, d.Kind, err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			// "Pss:                1234 kB"
			fields := strings.Fields(lines.Text())
			if len(fields) != 3 || fields[0] != "Pss:" && fields[0] != "Rss:" {
				continue
			}
			kb, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				continue
			}
			if fields[0] == "Pss:" {
				c.pss += kb / 1000
			} else {
				c.rss += kb / 1000
			}
		}
		f.Close()
	}
	return nil
}
