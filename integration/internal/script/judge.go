package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Finding is the outcome of one demand.
type Finding struct {
	Demand   string `json:"demand"`
	Position string `json:"position"`
	OK       bool   `json:"ok"`
	Measured string `json:"measured"`
	Figure   bool   `json:"figure,omitempty"` // it is about a time, which has the machine's own noise in it
}

// Case is what is judged: what was seen while the scenario was played, and in a quiet run of the same length if it needs one.
type Case struct {
	Scenario   *Scenario
	Run, Quiet *stage.Evidence
}

// handover is how long in all nobody or both may have the virtual address where one shall: two kernels' notifications are read one after the
// other.
const handover = 50 * time.Millisecond

// Judge applies every demand, and one more for each step: it succeeded, unless a demand says that it fails.
func Judge(c *Case) (findings []Finding) {
	for _, m := range c.Run.Marks {
		if m.Err != "" && !c.Scenario.MustFail(m.Name) {
			findings = append(findings, Finding{Demand: m.Name + " succeeds", OK: false, Measured: firstLine(m.Err + " " + m.Said)})
		}
	}
	for _, d := range c.Scenario.Demands {
		ok, measured := c.judge(d)
		findings = append(findings, Finding{d.Text, d.Position.String(), ok, measured, d.figure()})
	}
	return findings
}

// figure reports whether the demand bounds a time.
func (c *Clause) figure() bool { return strings.Contains(c.Form, "TIME") }

// moment is when something was done. A command takes its time, in some places much: what happens meanwhile is in time, and the time that a
// demand gives begins when the command has ended.
type moment struct{ began, done mono.Time }

// after is how long after the moment something was; never less than nothing.
func (m moment) after(t mono.Time) time.Duration { return max(t.Sub(m.done), 0) }

// since is the step of a demand, or the last step; the window's begin without steps.
func (c *Case) since(d Clause) (moment, bool) {
	marks := c.Run.Marks
	if d.Step == "" {
		if len(c.Scenario.Steps) == 0 {
			return moment{c.Run.From, c.Run.From}, true
		}
		if len(marks) < len(c.Scenario.Steps) {
			return moment{}, false
		}
		last := marks[len(marks)-1]
		return moment{last.At, last.Done}, true
	}
	for _, m := range marks {
		if m.Name == d.Step {
			return moment{m.At, m.Done}, true
		}
	}
	return moment{}, false
}

func (c *Case) judge(d Clause) (bool, string) {
	since, ok := c.since(d)
	if !ok {
		return false, "the step was not done"
	}
	switch d.Form {
	case OneMaster, BecomesMaster, HolderAtEnd, NoTransition, TwoHolders, NoHolder, TakesFew:
		return c.holding(d, since)
	case Announces, AnnouncesFew, Falls, NoDouble, ARPRight, AdvertsLate:
		return c.wire(d, since)
	case GapQuiet, GapBound, LosesNothing, Connects:
		return c.client(d)
	case TablesEqual, TableSame, TableWhole, TableWithout, TableWith:
		return c.table(d, since)
	case Undying:
		before, after := c.Run.Before[d.Host()].Processes, c.Run.After[d.Host()].Processes
		return maps.Equal(before, after) && len(after) > 0, fmt.Sprintf("%v, then %v", before, after)
	case Tells:
		for line := range strings.Lines(c.Run.Logs[d.Host()]) {
			if strings.Contains(line, d.Name) {
				return true, strings.TrimSpace(line)
			}
		}
		return false, "never"
	case Fails:
		m, _ := c.Run.Mark(d.Step)
		if m.Err == "" {
			return false, "it succeeded"
		}
		return true, firstLine(m.Err + " " + m.Said)
	}
	return false, "nobody knows how to judge this"
}

// holding judges who has the virtual address.
func (c *Case) holding(d Clause, since moment) (bool, string) {
	e := c.Run
	switch d.Form {
	case OneMaster:
		from := since.done.Add(d.Time)
		if from >= e.To {
			return false, "the scenario ends before"
		}
		nobody, both := e.Unheld(from, e.To)
		return nobody+both <= handover, fmt.Sprintf("nobody %s, both %s; %s", ms(nobody), ms(both), e.Masters())
	case BecomesMaster:
		for _, h := range e.Holds() {
			if h.Host == d.Host() && h.To > since.began {
				took := since.after(h.From)
				return took <= d.Time, ms(took)
			}
		}
		return false, "never"
	case HolderAtEnd:
		holders := e.HolderAt(e.To - 1)
		return len(holders) == 1 && holders[0] == d.Host(), "held by " + list(holders)
	case NoTransition:
		return c.steady(d.Host())
	case TakesFew:
		n := 0
		for _, h := range e.Holdings {
			if h.Host == d.Host() && h.Holds {
				n++
			}
		}
		return n < d.Number, fmt.Sprintf("%d times", n)
	case TwoHolders, NoHolder:
		nobody, both := e.Unheld(e.From, e.To)
		if d.Form == NoHolder {
			return within(nobody, d.Time), ms(nobody)
		}
		return within(both, d.Time), ms(both)
	}
	return false, ""
}

// within judges a sum of time: less than the bound, or nothing if the bound is zero.
func within(sum, bound time.Duration) bool { return sum == 0 || sum < bound }

// steady judges whether a director kept its role.
func (c *Case) steady(host string) (bool, string) {
	e := c.Run
	changes := 0
	for _, h := range e.Holdings {
		if h.Host == host {
			changes++
		}
	}
	spoke := len(e.AdvertsOf(host))
	if e.Before[host].Holds {
		return changes == 0, fmt.Sprintf("its address came or went %d times", changes)
	}
	return changes == 0 && spoke == 0, fmt.Sprintf("its address came or went %d times, and it sent %d adverts", changes, spoke)
}

// wire judges what a third host heard.
func (c *Case) wire(d Clause, since moment) (bool, string) {
	e := c.Run
	switch d.Form {
	case Announces:
		at := e.Announced(d.Host(), since.began)
		if at == 0 {
			return false, "never"
		}
		return since.after(at) <= d.Time, ms(since.after(at))
	case AnnouncesFew:
		n, from := 0, e.From
		if d.Step != "" {
			from = since.began
		}
		for _, a := range e.Announcements {
			if a.MAC == stage.MACOf(d.Host()) && a.At >= from {
				n++
			}
		}
		return n < d.Number, fmt.Sprintf("%d times", n)
	case Falls:
		from := e.Announced(d.Hosts[1], e.From)
		if from == 0 {
			return false, d.Hosts[1] + " never announces"
		}
		n, until := 0, e.Announced(d.Host(), from.Add(handover)) // it is its own again
		if until == 0 {
			until = e.To
		}
		for _, a := range e.Answers {
			if a.MAC == stage.MACOf(d.Host()) && a.At >= from.Add(handover) && a.At < until {
				n++
			}
		}
		return n == 0, fmt.Sprintf("%d answers", n)
	case NoDouble:
		from := since.done
		if d.Step == "" {
			from = e.From
		}
		asked, silent, double := e.DoubleAnswers(from, e.To)
		return double == 0 && asked > 0, fmt.Sprintf("asked %d times, twice answered %d, not answered %d", asked, double, silent)
	case ARPRight:
		holders := e.HolderAt(e.To - 1)
		got := e.Neighbour["client"]
		return len(holders) == 1 && got == stage.MACOf(holders[0]), fmt.Sprintf("%s, held by %s", got, list(holders))
	case AdvertsLate:
		late := e.Lateness(d.Host(), c.Scenario.Interval, e.From, e.To)
		return late < d.Time, ms(late)
	}
	return false, ""
}

// client judges what clients lost.
func (c *Case) client(d Clause) (bool, string) {
	run := c.Run
	gap := max(run.TCP.Gap.Long, run.UDP.Gap.Long)
	if run.UDP.Attempts == 0 {
		gap = run.TCP.Gap.Long
	}
	switch d.Form {
	case GapQuiet:
		quiet := c.Quiet.TCP.Gap.Long
		if run.UDP.Attempts > 0 {
			quiet = max(quiet, c.Quiet.UDP.Gap.Long)
		}
		return gap < quiet+d.Time, fmt.Sprintf("%s (quiet %s)", ms(gap), ms(quiet))
	case GapBound:
		return gap < d.Time, ms(gap)
	case LosesNothing:
		return run.TCP.Lost+run.UDP.Lost == 0 && run.TCP.Attempts > 0,
			fmt.Sprintf("%d of %d requests, %d of %d datagrams", run.TCP.Lost, run.TCP.Attempts, run.UDP.Lost, run.UDP.Attempts)
	case Connects:
		return run.TCP.Unconnected+run.UDP.Lost == 0 && run.TCP.Attempts > 0,
			fmt.Sprintf("%d of %d connections, %d of %d datagrams; %d requests on a connection that was open meanwhile",
				run.TCP.Unconnected, run.TCP.Attempts, run.UDP.Lost, run.UDP.Attempts, run.TCP.Lost-run.TCP.Unconnected)
	}
	return false, ""
}

// table judges the kernels' tables.
func (c *Case) table(d Clause, since moment) (bool, string) {
	e := c.Run
	host := d.Host()
	before := e.Before[host].Table
	switch d.Form {
	case TablesEqual:
		// What drains on one of them has connections there, or had: for as long as that table remembers them.
		diff := slices.DeleteFunc(observe.Diff(e.TableAt(d.Hosts[0], e.To), e.TableAt(d.Hosts[1], e.To)), func(rule string) bool {
			return strings.HasSuffix(rule, " -w 0")
		})
		return len(diff) == 0, fmt.Sprintf("%d rules differ %s", len(diff), strings.Join(diff, "; "))
	case TableSame:
		changes := e.Changes(host)
		return len(changes) == 0, fmt.Sprintf("%d changes", len(changes))
	case TableWhole:
		return c.reaches(host, since, d.Time, func(t observe.Table) bool { return slices.Equal(t, before) })
	case TableWithout:
		return c.comes(host, since, d.Time, func(t observe.Table) bool { return rules(t, d.Servers[0]) == 0 })
	case TableWith:
		return c.reaches(host, since, d.Time, func(t observe.Table) bool { return rules(t, d.Servers[0]) == services(t) && services(t) > 0 })
	}
	return false, ""
}

// reaches finds when a table has become as it must be, and is so at the end.
func (c *Case) reaches(host string, since moment, bound time.Duration, good func(observe.Table) bool) (bool, string) {
	at, is := since.began, good(c.Run.TableAt(host, since.began))
	for _, t := range c.Run.Tables {
		if t.Host != host || t.At <= since.began {
			continue
		}
		if now := good(t.Table); now != is {
			at, is = t.At, now
		}
	}
	if !is {
		return false, "not at the end"
	}
	return since.after(at) <= bound, ms(since.after(at))
}

// comes finds when a table is as it must be for the first time: it may change again later.
func (c *Case) comes(host string, since moment, bound time.Duration, good func(observe.Table) bool) (bool, string) {
	if good(c.Run.TableAt(host, since.began)) {
		return true, "already"
	}
	for _, t := range c.Run.Tables {
		if t.Host == host && t.At > since.began && good(t.Table) {
			return since.after(t.At) <= bound, ms(since.after(t.At))
		}
	}
	return false, "never"
}

// rules counts the rules of a server; its address ends in its number and two: rs1 is 10.9.0.3.
func rules(t observe.Table, server string) (n int) {
	for _, rule := range t {
		if strings.Contains(rule, fmt.Sprintf("-r 10.9.0.%d:", server[2]-'0'+2)) {
			n++
		}
	}
	return n
}

func services(t observe.Table) (n int) {
	for _, rule := range t {
		if strings.HasPrefix(rule, "-A ") {
			n++
		}
	}
	return n
}

func list(hosts []string) string {
	if len(hosts) == 0 {
		return "nobody"
	}
	return strings.Join(hosts, " and ")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
