package stage

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
)

// Mark is something that the drill did, or saw a command do.
type Mark struct {
	At   mono.Time `json:"at"`
	Done mono.Time `json:"done"` // when the command had ended
	Name string    `json:"name"`
	Said string    `json:"said,omitempty"` // what a command printed
	Err  string    `json:"error,omitempty"`
}

// Side is what is known of one director at one moment.
type Side struct {
	Holds     bool               `json:"holds"` // has the VIP
	Table     observe.Table      `json:"table"`
	Processes map[drive.Part]int `json:"processes"`
	Status    *drive.Status      `json:"status,omitempty"` // nil where the daemon gives none
	Journal   string             `json:"-"`
	LogSize   int64              `json:"log_size"`
}

// Evidence is everything that was seen in one window of time.
type Evidence struct {
	From   mono.Time         `json:"from"`
	To     mono.Time         `json:"to"`
	Marks  []Mark            `json:"marks,omitempty"`
	Before map[string]Side   `json:"before,omitempty"` // by host: d1, d2
	After  map[string]Side   `json:"after,omitempty"`
	Logs   map[string]string `json:"logs,omitempty"` // what the daemons said meanwhile

	TCP         load.Summary   `json:"tcp"`
	UDP         load.Summary   `json:"udp"`
	TCPAttempts []load.Attempt `json:"-"`
	UDPAttempts []load.Attempt `json:"-"`

	// LostTCP is the first of the lost requests, to see when and how.
	LostTCP []load.Attempt `json:"lost_tcp,omitempty"`

	Adverts       []observe.Advert       `json:"adverts"`
	Announcements []observe.Announcement `json:"announcements,omitempty"`
	Probes        []mono.Time            `json:"-"`
	Answers       []observe.Answer       `json:"-"`
	Holdings      []observe.Holding      `json:"holdings,omitempty"`
	Tables        []observe.TableChange  `json:"tables,omitempty"`
	Writes        []observe.Write        `json:"writes,omitempty"`

	// Notes are what a reader must know beside that: when something could not be seen, what was taken back at the end.
	Notes []string `json:"notes,omitempty"`

	// Neighbour is what the ARP caches of the client and the observer say about the VIP at the end.
	Neighbour map[string]string `json:"neighbour,omitempty"`
}

// Stall is the longest time in which the clients themselves did nothing.
func (e *Evidence) Stall() time.Duration { return max(e.TCP.Stall.Long, e.UDP.Stall.Long) }

// Time of a mark; zero if there is none of that name.
func (e *Evidence) Time(mark string) mono.Time {
	m, _ := e.Mark(mark)
	return m.At
}

// Done is when the command of a mark had ended; zero if there is no such mark.
func (e *Evidence) Done(mark string) mono.Time {
	m, _ := e.Mark(mark)
	return m.Done
}

// Mark returns the mark of that name.
func (e *Evidence) Mark(name string) (Mark, bool) {
	for _, m := range e.Marks {
		if m.Name == name {
			return m, true
		}
	}
	return Mark{}, false
}

// Clock renders a time as seconds since the window began.
func (e *Evidence) Clock(t mono.Time) string { return fmt.Sprintf("%.2f", t.Sub(e.From).Seconds()) }

// AdvertsOf returns the adverts of one director, in order.
func (e *Evidence) AdvertsOf(host string) (adverts []observe.Advert) {
	for _, a := range e.Adverts {
		if hostOf(a.Source.As4()[3]) == host {
			adverts = append(adverts, a)
		}
	}
	return adverts
}

// hostOf names a director by the last byte of its address, which is also that of its MAC.
func hostOf(last byte) string { return fmt.Sprintf("d%d", last) }

// MACOf is the reverse: the MAC address of a director as observers write it.
func MACOf(host string) string {
	return hex.EncodeToString([]byte{2, 0, 0, 0, 0, host[1] - '0'})
}

// LastAdvert returns when a director's last advert before t was seen; zero: none in the window.
func (e *Evidence) LastAdvert(host string, t mono.Time) (last mono.Time) {
	for _, a := range e.AdvertsOf(host) {
		if a.At < t {
			last = a.At
		}
	}
	return last
}

// Last lets the window last for a time after the last step was done, which may have taken long: what is demanded of the
// time after it can be seen.
func (e *Evidence) Last(rest time.Duration) {
	e.To = max(e.To, e.Marks[len(e.Marks)-1].Done.Add(rest))
}

// FirstAdvert returns when a director's first advert at or after t was seen; zero: none in the window.
func (e *Evidence) FirstAdvert(host string, t mono.Time) mono.Time {
	for _, a := range e.AdvertsOf(host) {
		if a.At >= t {
			return a.At
		}
	}
	return 0
}

// Lateness returns by how much the latest advert of a director came after its time, judged from its predecessor's. A director that
// stopped advertising in [from, to) is as late as it was silent.
func (e *Evidence) Lateness(host string, interval time.Duration, from, to mono.Time) time.Duration {
	late, last := time.Duration(0), from
	for _, a := range e.AdvertsOf(host) {
		if a.At < from || a.At >= to {
			continue
		}
		late = max(late, a.At.Sub(last)-interval)
		last = a.At
	}
	return max(late, to.Sub(last)-interval)
}

// Hold is a time in which one director had the VIP.
type Hold struct {
	Host     string
	From, To mono.Time
}

// Holds lists who had the VIP when, as the kernels said.
func (e *Evidence) Holds() (holds []Hold) {
	open := map[string]mono.Time{}
	for host, side := range e.Before {
		if side.Holds {
			open[host] = e.From
		}
	}
	for _, h := range e.Holdings {
		since, holding := open[h.Host]
		switch {
		case h.Holds && !holding:
			open[h.Host] = h.At
		case !h.Holds && holding:
			holds = append(holds, Hold{h.Host, since, h.At})
			delete(open, h.Host)
		}
	}
	for host, since := range open {
		holds = append(holds, Hold{host, since, e.To})
	}
	slices.SortFunc(holds, func(a, b Hold) int { return int(a.From - b.From) })
	return holds
}

// HolderAt lists the directors that had the VIP at t.
func (e *Evidence) HolderAt(t mono.Time) (hosts []string) {
	for _, h := range e.Holds() {
		if h.From <= t && t < h.To {
			hosts = append(hosts, h.Host)
		}
	}
	return hosts
}

// Unheld sums up the time in [from, to) in which not exactly one director had the VIP: nobody, and more than one.
func (e *Evidence) Unheld(from, to mono.Time) (nobody, both time.Duration) {
	edges := []mono.Time{from, to}
	for _, h := range e.Holds() {
		for _, t := range []mono.Time{h.From, h.To} {
			if from < t && t < to {
				edges = append(edges, t)
			}
		}
	}
	slices.Sort(edges)
	for i := 1; i < len(edges); i++ {
		span := edges[i].Sub(edges[i-1])
		switch len(e.HolderAt(edges[i-1])) {
		case 0:
			nobody += span
		case 1:
		default:
			both += span
		}
	}
	return nobody, both
}

// Masters renders who was master when, by the VIP: "d1 0.00–3.41, d2 4.60–".
func (e *Evidence) Masters() string {
	var parts []string
	for _, h := range e.Holds() {
		until := e.Clock(h.To)
		if h.To >= e.To {
			until = ""
		}
		parts = append(parts, fmt.Sprintf("%s %s–%s", h.Host, e.Clock(h.From), until))
	}
	return shorten(parts)
}

// Advertisers renders who advertised when, as a third host heard it: "d1 0.50–1.50 (2), d2 5.10–7.10 (3)".
func (e *Evidence) Advertisers() string {
	var parts []string
	for i := 0; i < len(e.Adverts); {
		first, n := e.Adverts[i], 1
		for i+n < len(e.Adverts) && e.Adverts[i+n].Source == first.Source {
			n++
		}
		parts = append(parts, fmt.Sprintf("%s %s–%s (%d)", hostOf(first.Source.As4()[3]), e.Clock(first.At), e.Clock(e.Adverts[i+n-1].At), n))
		i += n
	}
	return shorten(parts)
}

// shorten joins parts, and leaves out what nobody would read.
func shorten(parts []string) string {
	switch most := 6; {
	case len(parts) == 0:
		return "nobody"
	case len(parts) > most:
		return fmt.Sprintf("%s, … (%d times in all)", strings.Join(parts[:most], ", "), len(parts))
	}
	return strings.Join(parts, ", ")
}

// answerWindow is how long an answer to one of the observer's ARP requests may take to belong to it. Requests are further apart.
const answerWindow = 45 * time.Millisecond

// DoubleAnswers counts the observer's ARP requests of [from, to), how many of them nobody answered, and how many got answers from
// two machines.
func (e *Evidence) DoubleAnswers(from, to mono.Time) (asked, silent, double int) {
	i := 0
	for _, probe := range e.Probes {
		if probe < from || probe >= to {
			continue
		}
		asked++
		for i < len(e.Answers) && e.Answers[i].At < probe {
			i++
		}
		seen := map[string]bool{}
		for _, a := range e.Answers[i:] {
			if a.At >= probe.Add(answerWindow) {
				break
			}
			seen[a.MAC] = true
		}
		switch len(seen) {
		case 0:
			silent++
		case 1:
		default:
			double++
		}
	}
	return asked, silent, double
}

// Announced returns when a director's first gratuitous ARP at or after t was seen; zero: none.
func (e *Evidence) Announced(host string, t mono.Time) mono.Time {
	for _, a := range e.Announcements {
		if a.MAC == MACOf(host) && a.At >= t {
			return a.At
		}
	}
	return 0
}

// TableAt returns a director's table as it was at t.
func (e *Evidence) TableAt(host string, t mono.Time) observe.Table {
	table := e.Before[host].Table
	for _, c := range e.Tables {
		if c.Host == host && c.At <= t {
			table = c.Table
		}
	}
	return table
}

// Change is one rule that came or went.
type Change struct {
	At   mono.Time
	Host string
	Rule string // "+ -a …" or "- -a …"
}

// Changes lists, rule by rule, how a director's table changed.
func (e *Evidence) Changes(host string) (changes []Change) {
	table := e.Before[host].Table
	for _, c := range e.Tables {
		if c.Host != host {
			continue
		}
		for _, rule := range observe.Diff(table, c.Table) {
			changes = append(changes, Change{c.At, host, rule})
		}
		table = c.Table
	}
	return changes
}
