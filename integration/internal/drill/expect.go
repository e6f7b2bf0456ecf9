package drill

import (
	"fmt"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Tolerances. The lab's own noise comes on top where a figure depends on it: from the quiet run.
const (
	gapTolerance    = 10 * time.Millisecond
	serveTolerance  = 20 * time.Millisecond
	advertTolerance = 20 * time.Millisecond
	tableTolerance  = 200 * time.Millisecond
)

// noRequestLost demands that every request and datagram of the window was answered.
var noRequestLost = Expectation{"no request lost", func(c *Case) (bool, string) {
	return c.Run.TCP.Lost+c.Run.UDP.Lost == 0,
		fmt.Sprintf("%d of %d requests, %d of %d datagrams", c.Run.TCP.Lost, c.Run.TCP.Attempts, c.Run.UDP.Lost, c.Run.UDP.Attempts)
}}

// noConnectionLost demands that every connection was made and every datagram answered. It is what a change of master can keep: a connection
// that is open when the master changes is unknown to the new one, unless connections are synchronised.
var noConnectionLost = Expectation{"no connection fails", func(c *Case) (bool, string) {
	run := c.Run
	return run.TCP.Unconnected+run.UDP.Lost == 0, fmt.Sprintf("%d of %d connections, %d of %d datagrams; %d requests on a connection that was open meanwhile",
		run.TCP.Unconnected, run.TCP.Attempts, run.UDP.Lost, run.UDP.Attempts, run.TCP.Lost-run.TCP.Unconnected)
}}

// gapAsQuiet demands that no time without an answer is longer than in the quiet run, by more than the tolerance.
var gapAsQuiet = Expectation{"longest gap as in the quiet run + 10 ms", func(c *Case) (bool, string) {
	run, quiet := c.Run, c.Quiet
	ok := run.TCP.Gap.Long <= quiet.TCP.Gap.Long+gapTolerance && run.UDP.Gap.Long <= quiet.UDP.Gap.Long+gapTolerance
	return ok, fmt.Sprintf("tcp %s (quiet %s), udp %s (quiet %s)",
		ms(run.TCP.Gap.Long), ms(quiet.TCP.Gap.Long), ms(run.UDP.Gap.Long), ms(quiet.UDP.Gap.Long))
}}

// noTransition demands that d1 held the VIP all the time and that d2 never spoke.
var noTransition = Expectation{"no transition", func(c *Case) (bool, string) {
	spoke := len(c.Run.AdvertsOf("d2"))
	holds := c.Run.Holds()
	ok := spoke == 0 && len(holds) == 1 && holds[0].Host == "d1" && holds[0].From <= c.Run.From && holds[0].To >= c.Run.To
	return ok, fmt.Sprintf("held by %s; d2 sent %d adverts", c.Run.Masters(), spoke)
}}

// advertsOnTime demands that no advert of d1 was late.
var advertsOnTime = advertsWithin(advertTolerance)

// advertsWithin demands that no advert of d1 was later than a bound, or than the quiet run's latest by more than the tolerance.
func advertsWithin(bound time.Duration) Expectation {
	return Expectation{fmt.Sprintf("no advert late by more than %v", bound), func(c *Case) (bool, string) {
		interval := c.D1.Interval
		late := c.Run.Lateness("d1", interval, c.Run.From, c.Run.To)
		quiet := c.Quiet.Lateness("d1", interval, c.Quiet.From, c.Quiet.To)
		return late <= max(bound, quiet+gapTolerance), fmt.Sprintf("%s (quiet %s)", ms(late), ms(quiet))
	}}
}

// tableUntouched demands that neither table changed and that nobody even wrote.
var tableUntouched = Expectation{"the tables untouched", func(c *Case) (bool, string) {
	changes := len(c.Run.Changes("d1")) + len(c.Run.Changes("d2"))
	if !c.WritesSeen {
		return changes == 0, fmt.Sprintf("%d changes", changes)
	}
	return changes == 0 && len(c.Run.Writes) == 0, fmt.Sprintf("%d changes, %d commands to IPVS", changes, len(c.Run.Writes))
}}

// partsBack demands that the killed parts of d1 run again as new processes, and that the others are the old ones.
func partsBack(killed ...drive.Part) Expectation {
	return Expectation{"back, and nothing else restarted", func(c *Case) (bool, string) {
		before, after := c.Run.Before["d1"].Processes, c.Run.After["d1"].Processes
		ok := true
		var parts []string
		for _, part := range []drive.Part{drive.Supervisor, drive.Elector, drive.Services} {
			expected := "kept"
			for _, k := range killed {
				if k == part {
					expected = "new"
				}
			}
			state := "new"
			switch {
			case after[part] == 0:
				state = "missing"
			case after[part] == before[part]:
				state = "kept"
			}
			ok = ok && state == expected
			parts = append(parts, string(part)+" "+state)
		}
		return ok, strings.Join(parts, ", ")
	}}
}

// servesInTime demands that d2 serves within its master-down interval and the tolerance, counted from d1's last advert.
var servesInTime = Expectation{"d2 serves within 3 × interval + skew + 20 ms of the last advert", func(c *Case) (bool, string) {
	e := c.Run
	last := e.LastAdvert("d1", e.FirstAdvert("d2", e.From))
	if last == 0 {
		return false, "d2 never advertised"
	}
	// The end of the longest outage is when requests are answered again. Without an outage d2 serves from its first advert on.
	served := e.UDP.Gap.From.Add(e.UDP.Gap.Long)
	bound := c.D2.MasterDown() + serveTolerance
	if e.UDP.Gap.Long <= c.Quiet.UDP.Gap.Long+gapTolerance {
		served = e.FirstAdvert("d2", last)
	}
	took := served.Sub(last)
	return took <= bound, fmt.Sprintf("%s (bound %s), the first advert of d2 after %s", ms(took), ms(bound), ms(e.FirstAdvert("d2", last).Sub(last)))
}}

// leaseEnds demands that a director that was killed loses the VIP before the other takes it.
var leaseEnds = Expectation{"the dead director's VIP is gone before d2 has it", func(c *Case) (bool, string) {
	gone, taken := mono.Time(0), mono.Time(0)
	for _, h := range c.Run.Holdings {
		if h.Host == "d1" && !h.Holds && gone == 0 {
			gone = h.At
		}
		if h.Host == "d2" && h.Holds && taken == 0 {
			taken = h.At
		}
	}
	switch {
	case taken == 0:
		return false, "d2 never took the VIP"
	case gone == 0:
		return false, "d1 kept the VIP"
	}
	return gone < taken, fmt.Sprintf("gone at %s s, taken at %s s", c.Run.Clock(gone), c.Run.Clock(taken))
}}

// neverTwice demands that no ARP request for the VIP got answers from two machines, from the time that since finds.
func neverTwice(name string, since func(e *stage.Evidence) (from mono.Time, ok bool)) Expectation {
	return Expectation{name, func(c *Case) (bool, string) {
		from, ok := since(c.Run)
		if !ok {
			return false, "the moment from which it counts never came"
		}
		asked, silent, double := c.Run.DoubleAnswers(from, c.Run.To)
		return double == 0 && asked > 0, fmt.Sprintf("asked %d times, twice answered %d, not answered %d", asked, double, silent)
	}}
}

// always is the beginning of the window, for neverTwice.
func always(e *stage.Evidence) (mono.Time, bool) { return e.From, true }

// takenOver is when d2 had advertised first, for neverTwice.
func takenOver(e *stage.Evidence) (mono.Time, bool) {
	first := e.FirstAdvert("d2", e.From)
	return first, first != 0
}

// announcedBy demands a gratuitous ARP of a director soon after its first advert that follows the mark.
func announcedBy(host, mark string) Expectation {
	return Expectation{host + " announced when it took over", func(c *Case) (bool, string) {
		e := c.Run
		advert := e.FirstAdvert(host, e.Time(mark))
		if e.Time(mark) == 0 || advert == 0 {
			return false, host + " never took over"
		}
		garp := e.Announced(host, advert)
		if garp == 0 {
			return false, fmt.Sprintf("advert at %s s, never announced", e.Clock(advert))
		}
		return garp.Sub(advert) <= 100*time.Millisecond, fmt.Sprintf("%s after its first advert", ms(garp.Sub(advert)))
	}}
}

// oneHolderFrom demands that from a time after a mark on exactly one director holds the VIP. A hand-over takes a moment, in which
// both or none may be seen: notifications of two kernels' namespaces are read one after the other.
func oneHolderFrom(mark string, after time.Duration) Expectation {
	name := fmt.Sprintf("exactly one master from %s + %v", mark, after)
	return Expectation{name, func(c *Case) (bool, string) {
		e := c.Run
		from := e.Time(mark).Add(after)
		if e.Time(mark) == 0 || from >= e.To {
			return false, "it never came to that"
		}
		nobody, both := e.Unheld(from, e.To)
		return nobody <= handover && both <= handover, fmt.Sprintf("nobody %s, both %s", ms(nobody), ms(both))
	}}
}

const handover = 50 * time.Millisecond

// cachesRight demands that at the end the ARP caches of client and observer point to the director that holds the VIP.
var cachesRight = Expectation{"the client's ARP entry is right at the end", func(c *Case) (bool, string) {
	holders := c.Run.HolderAt(c.Run.To - 1)
	if len(holders) != 1 {
		return false, fmt.Sprintf("held by %v", holders)
	}
	got := c.Run.Neighbour["client"]
	return got == stage.MACOf(holders[0]), fmt.Sprintf("%s, held by %s", got, holders[0])
}}

// ended demands that d1's daemon ended within its bound after it was asked to.
func ended(mark string, bound time.Duration) Expectation {
	return Expectation{fmt.Sprintf("ends within %v", bound), func(c *Case) (bool, string) {
		asked, done := c.Run.Time(mark), c.Run.Done("ended")
		m, _ := c.Run.Mark("ended")
		if asked == 0 || done == 0 || m.Err != "" {
			return false, "it did not end: " + m.Err
		}
		return done.Sub(asked) <= bound, ms(done.Sub(asked))
	}}
}

// ms renders a duration in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
