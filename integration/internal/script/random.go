package script

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Leases of virtual addresses are whole seconds, at least twice the interval; the kernel takes up to 0.4 s more.
func lease(interval time.Duration) time.Duration {
	return max((2*interval+time.Second-1).Truncate(time.Second), time.Second) + 400*time.Millisecond
}

// Random writes a scenario that is a function of its arguments: some faults, then everything healed, and what must be true whatever they
// were. With spare no process ends: what it uses can be followed for long.
func Random(seed uint64, spare bool) string {
	d := &dice{spare: spare, Rand: rand.New(rand.NewPCG(seed, 0)), free: map[string]time.Duration{}, at: time.Second}
	interval := []time.Duration{250 * time.Millisecond, 250 * time.Millisecond, 250 * time.Millisecond, 100 * time.Millisecond, time.Second}[d.IntN(5)]
	if spare {
		interval = 250 * time.Millisecond // the same for all: another would need another pair
	}
	for range 1 + d.IntN(4) {
		d.fault()
		d.at += time.Duration(d.IntN(2000)) * time.Millisecond
	}
	d.end()
	// A director that returns waits for a master-down interval, and a slow lab takes a second to start it.
	calm := 8*interval + 6*time.Second
	length := d.at + calm + 2*time.Second
	if d.cleared {
		length += 10 * time.Second // the directors look at their tables that often
	}
	var b strings.Builder
	fmt.Fprintf(&b, "title %s\ninterval %v\nlength %v\n", "seed "+fmt.Sprint(seed), interval, length.Round(time.Millisecond))
	for _, line := range d.steps {
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "expect one master within %v of calm\nexpect holder is d1 at end\nexpect table d1 = d2\nexpect arp right at end\n", calm)
	if !d.apart {
		fmt.Fprintf(&b, "expect two holders < %v\n", 100*time.Millisecond+time.Duration(d.crashes)*lease(interval))
	}
	return b.String()
}

// dice draws steps, and remembers enough not to draw what makes no sense.
type dice struct {
	*rand.Rand
	at      time.Duration
	steps   []string
	free    map[string]time.Duration // when a host is as it was again; a day: not by itself
	undo    []string
	crashes int  // after which both may have the address for the length of a lease
	apart   bool // both may be master
	cleared bool
	spare   bool // nothing is killed or stopped
}

const never = 24 * time.Hour

func (d *dice) step(format string, args ...any) {
	d.steps = append(d.steps, fmt.Sprintf("at %v %s", d.at.Round(time.Millisecond), fmt.Sprintf(format, args...)))
}

// director draws one that is as it was; empty: both are not.
func (d *dice) director() string {
	for _, i := range d.Perm(2) {
		if d.free[directors[i]] <= d.at {
			return directors[i]
		}
	}
	return ""
}

// fault draws one fault.
func (d *dice) fault() {
	host := d.director()
	kind := d.IntN(13)
	if host == "" && kind < 8 {
		kind = 8 + kind%5
	}
	if d.spare && kind < 3 {
		kind += 3 // a pause, a lost link, a reload
	}
	switch kind {
	case 0:
		d.step("kill %s", host)
		d.crashes++
		d.leave(host, "start "+host)
	case 1:
		d.step("kill %s %s", host, parts[1+d.IntN(2)])
		d.crashes++
		d.free[host] = d.at + 3*time.Second
	case 2:
		d.step("stop %s", host)
		d.crashes++ // the other may be down
		d.leave(host, "start "+host)
	case 3:
		long := time.Duration(100+d.IntN(3000)) * time.Millisecond
		d.step("pause %s %v", host, long)
		d.crashes++
		d.free[host] = d.at + long + 2*time.Second
	case 4:
		d.step("link %s down", host)
		d.crashes++
		d.leave(host, "link "+host+" up")
	case 5:
		d.step("reload %s", host)
	case 6:
		d.step("reload %s servers rs1 rs2 rs3", host)
		d.leave(host, "reload "+host+" servers rs1 rs2")
	case 7:
		d.step("clear table %s", host)
		d.cleared = true
	case 8:
		d.step("cut d1 d2%s", []string{"", " one-way"}[d.IntN(2)])
		d.apart = true
	case 9:
		d.step("loss %d%%", 1+d.IntN(20))
		d.apart = true // adverts may be lost in a row
	case 10:
		d.step("delay %dms", 1+d.IntN(30))
		d.apart = true
	case 11:
		server := servers[d.IntN(2)]
		if d.free[server] > d.at {
			return
		}
		d.step("stop %s", server)
		d.leave(server, "start "+server)
	case 12:
		d.step("flood %d %v", 100+d.IntN(3000), time.Second)
		d.at += time.Second
	}
}

// leave remembers how a host becomes again what it was.
func (d *dice) leave(host, undo string) {
	d.free[host] = never
	d.undo = append(d.undo, undo)
}

// end undoes everything in any order.
func (d *dice) end() {
	for _, until := range d.free {
		if until != never {
			d.at = max(d.at, until)
		}
	}
	d.at += 500 * time.Millisecond
	for _, i := range d.Perm(len(d.undo)) {
		d.step("%s", d.undo[i])
		d.at += 100 * time.Millisecond
	}
	d.step("heal as calm")
}
