package drill

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/stage"
)

var directors = []string{"d1", "d2"}

// serverGoes demands that both tables lose a server's rules in time after a mark.
func serverGoes(server, mark string, bound time.Duration) Expectation {
	return Expectation{fmt.Sprintf("out of both tables within %v of the %s", bound, mark), func(c *Case) (bool, string) {
		return ruleMoves(c.Run, "- ", server, mark, bound)
	}}
}

// serverComes demands that the given directors' tables get a server's rules in time after a mark.
func serverComes(server, mark string, bound time.Duration, hosts ...string) Expectation {
	return Expectation{fmt.Sprintf("in the table within %v of the %s", bound, mark), func(c *Case) (bool, string) {
		return ruleMoves(c.Run, "+ ", server, mark, bound, hosts...)
	}}
}

// ruleMoves finds when all of a server's rules came to ("+ ") or left ("- ") each director's table after a mark.
func ruleMoves(e *stage.Evidence, sign, server, mark string, bound time.Duration, hosts ...string) (bool, string) {
	if len(hosts) == 0 {
		hosts = directors
	}
	since := e.Done(mark)
	ok := since != 0
	var parts []string
	for _, host := range hosts {
		last, n := mono.Time(0), 0
		for _, change := range e.Changes(host) {
			if change.At >= e.Time(mark) && strings.HasPrefix(change.Rule, sign) && strings.Contains(change.Rule, "-r "+server+":") {
				last, n = change.At, n+1
			}
		}
		// One rule in each of the two services.
		if n != 2 {
			ok = false
			parts = append(parts, fmt.Sprintf("%s: %d of 2 rules", host, n))
			continue
		}
		took := last.Sub(since)
		ok = ok && took <= bound
		parts = append(parts, fmt.Sprintf("%s %s", host, ms(took)))
	}
	return ok, strings.Join(parts, ", ")
}

// nothingElseTouched demands that every change of every table is about one server.
func nothingElseTouched(server string) Expectation {
	return Expectation{"nothing else in the table touched", func(c *Case) (bool, string) {
		others := []string{}
		for _, host := range directors {
			for _, change := range c.Run.Changes(host) {
				if !strings.Contains(change.Rule, "-r "+server+":") {
					others = append(others, host+" "+change.Rule)
				}
			}
		}
		return len(others) == 0, fmt.Sprintf("%d other changes %s", len(others), strings.Join(others, "; "))
	}}
}

// noRequestTo demands that no request failed between the moment at which d1's table lost a server and its return.
func noRequestTo(server, back string) Expectation {
	return Expectation{"no new connection to it afterwards", func(c *Case) (bool, string) {
		e := c.Run
		gone := mono.Time(0)
		for _, change := range e.Changes("d1") {
			if strings.HasPrefix(change.Rule, "- ") && strings.Contains(change.Rule, "-r "+server+":") {
				gone = change.At
			}
		}
		if gone == 0 {
			return false, "it never left the table of d1"
		}
		lost := load.LostBetween(e.TCPAttempts, gone, e.Time(back))
		before := load.LostBetween(e.TCPAttempts, e.From, gone)
		return lost == 0, fmt.Sprintf("%d requests lost afterwards, %d before", lost, before)
	}}
}

// neverSmaller demands that no rule ever left a table.
var neverSmaller = Expectation{"the tables never smaller than before", func(c *Case) (bool, string) {
	var lost []string
	for _, host := range directors {
		for _, change := range c.Run.Changes(host) {
			if strings.HasPrefix(change.Rule, "- ") {
				lost = append(lost, fmt.Sprintf("%s %s s: %s", host, c.Run.Clock(change.At), change.Rule))
			}
		}
	}
	return len(lost) == 0, fmt.Sprintf("%d rules left a table %s", len(lost), strings.Join(lost, "; "))
}}

// repaired demands that after a mark d1's table is whole again in time, and that its health state was kept: all servers are back together,
// without waiting for new checks.
func repaired(mark string, bound time.Duration) Expectation {
	return Expectation{fmt.Sprintf("whole again within %v, health state kept", bound), func(c *Case) (bool, string) {
		e := c.Run
		want := e.Before["d1"].Table
		first, full := mono.Time(0), mono.Time(0)
		for _, t := range e.Tables {
			if t.Host != "d1" || t.At < e.Time(mark) {
				continue
			}
			if len(t.Table) > 0 && first == 0 {
				first = t.At
			}
			if slices.Equal(t.Table, want) {
				full = t.At
				break
			}
		}
		if full == 0 {
			return false, "never"
		}
		took, spread := full.Sub(e.Time(mark)), full.Sub(first)
		return took <= bound && spread <= tableTolerance, fmt.Sprintf("%s after it was cleared, first to last rule %s", ms(took), ms(spread))
	}}
}

// succeeded demands that a step's command ended without an error.
func succeeded(mark string) Expectation {
	return Expectation{mark + " succeeds", func(c *Case) (bool, string) {
		m, ok := c.Run.Mark(mark)
		return ok && m.Err == "", firstLine(m.Err + " " + m.Said)
	}}
}

// position is how a diagnostic names a place: file:line:column.
var position = regexp.MustCompile(`[^\s:]+:\d+:\d+`)

// refusedWithPosition demands that a step's command failed and named the place of the error.
func refusedWithPosition(mark string) Expectation {
	return Expectation{"refused, the position named", func(c *Case) (bool, string) {
		m, _ := c.Run.Mark(mark)
		return m.Err != "" && position.MatchString(m.Said), firstLine(m.Said + " " + m.Err)
	}}
}

// refusal is how the journal names a reload that was refused; others are in it, too.
var refusal = regexp.MustCompile(`(?m)^.*\breload\b.*\bconfiguration unchanged: `)

// statusTellsOfRefusal demands that status and journal of d1 know of the refused reload.
var statusTellsOfRefusal = Expectation{"status and journal say it", func(c *Case) (bool, string) {
	d1 := c.Run.After["d1"]
	if d1.Status == nil || d1.Status.Config.Reload == nil {
		return false, "status does not know of a reload"
	}
	reload := d1.Status.Config.Reload
	journal := refusal.MatchString(d1.Journal)
	return !reload.OK && reload.Error != "" && journal,
		fmt.Sprintf("status: ok=%v, %q; journal names the refusal: %v", reload.OK, firstLine(reload.Error), journal)
}}

// droppedByReason demands that both daemons counted each kind of forged packet, at least so often.
func droppedByReason(mark string, least uint64) Expectation {
	return Expectation{"counted by reason", func(c *Case) (bool, string) {
		ok := true
		var parts []string
		for _, host := range directors {
			before, after := c.Run.Before[host].Status, c.Run.After[host].Status
			if after == nil {
				return false, host + " gives no status"
			}
			counts := after.Dropped()
			if before != nil {
				for reason, n := range before.Dropped() {
					counts[reason] -= n
				}
			}
			for _, reason := range load.Forgeries() {
				ok = ok && counts[reason] >= least
			}
			parts = append(parts, host+" "+renderCounts(counts))
		}
		m, _ := c.Run.Mark(mark)
		return ok && m.Err == "", firstLine(m.Said+m.Err) + "; counted: " + strings.Join(parts, "; ")
	}}
}

func renderCounts(counts map[string]uint64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if counts[reason] == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %d", reason, counts[reason]))
	}
	return strings.Join(parts, " ")
}

// logBounded demands that no daemon logged more than one line a second.
var logBounded = Expectation{"at most one log line a second", func(c *Case) (bool, string) {
	seconds := int(c.Run.To.Sub(c.Run.From)/time.Second) + 1
	ok := true
	var parts []string
	for _, host := range directors {
		lines := strings.Count(c.Run.Logs[host], "\n")
		ok = ok && lines <= seconds
		parts = append(parts, fmt.Sprintf("%s %d lines", host, lines))
	}
	return ok, fmt.Sprintf("%s in %d s", strings.Join(parts, ", "), seconds)
}}

// backWithin demands that d1 has the VIP again soon after somebody removed it, and has announced it.
func backWithin(mark string, bound time.Duration) Expectation {
	return Expectation{fmt.Sprintf("back and announced within %v", bound), func(c *Case) (bool, string) {
		e := c.Run
		for _, h := range e.Holdings {
			if h.Host == "d1" && h.Holds && h.At >= e.Time(mark) {
				garp := e.Announced("d1", e.Time(mark))
				if garp == 0 {
					return false, "back, but not announced"
				}
				back, announced := h.At.Sub(e.Time(mark)), garp.Sub(e.Time(mark))
				return back <= bound && announced <= bound, fmt.Sprintf("back after %s, announced after %s", ms(back), ms(announced))
			}
		}
		return false, "never"
	}}
}

// d2Silent demands that d2 never sent an advert.
var d2Silent = Expectation{"no transition on d2", func(c *Case) (bool, string) {
	n := len(c.Run.AdvertsOf("d2"))
	return n == 0, fmt.Sprintf("d2 sent %d adverts", n)
}}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
