package drill

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/stage"
	"github.com/lbha/lbha/integration/internal/suite"
)

// s makes a time from seconds.
func s(seconds float64) mono.Time { return mono.Time(seconds * float64(time.Second)) }

func advert(host byte, at float64) observe.Advert {
	return observe.Advert{At: s(at), Source: netip.AddrFrom4([4]byte{10, 9, 0, host})}
}

// rest is a pair at rest for five seconds: the best evidence that there can be. Each test spoils a copy of it.
func rest() *Case {
	table := observe.Table{"-A www", "-a www -r 10.9.0.3:80", "-a echo -r 10.9.0.3:5000"}
	parts := map[drive.Part]int{drive.Supervisor: 1, drive.Elector: 2, drive.Services: 3}
	window := func() *stage.Evidence {
		e := &stage.Evidence{
			From: 0, To: s(5),
			Before:    map[string]stage.Side{"d1": {Holds: true, Table: table, Processes: parts}, "d2": {Table: table, Processes: parts}},
			After:     map[string]stage.Side{"d1": {Holds: true, Table: table, Processes: parts}, "d2": {Table: table, Processes: parts}},
			TCP:       load.Summary{Attempts: 2500, Gap: load.Gap{From: s(2), Long: 5 * time.Millisecond}},
			UDP:       load.Summary{Attempts: 5000, Gap: load.Gap{From: s(2), Long: 4 * time.Millisecond}},
			Neighbour: map[string]string{"client": "020000000001"},
			Logs:      map[string]string{},
		}
		for i := range 5 {
			e.Adverts = append(e.Adverts, advert(1, 0.5+float64(i)))
		}
		for i := range 100 {
			at := s(float64(i) / 20)
			e.Probes = append(e.Probes, at)
			e.Answers = append(e.Answers, observe.Answer{At: at + 1, MAC: "020000000001"})
		}
		return e
	}
	settings := drive.Settings{Interval: time.Second, Priority: 150}
	backup := drive.Settings{Interval: time.Second, Priority: 100}
	return &Case{Run: window(), Quiet: window(), D1: settings, D2: backup, WritesSeen: true}
}

// killed is a master that dies at 1 s, after an advert at 0.5: its VIP leaves at 2.5, d2 serves from 4.11 on.
func killed() *Case {
	c := rest()
	e := c.Run
	e.Adverts = []observe.Advert{advert(1, 0.5), advert(2, 4.109)}
	e.Marks = []stage.Mark{{At: s(1), Done: s(1), Name: "kill"}, {At: s(1), Done: s(3), Name: "ended"}}
	e.Holdings = []observe.Holding{{At: s(2.5), Host: "d1"}, {At: s(4.11), Host: "d2", Holds: true}}
	e.Announcements = []observe.Announcement{{At: s(4.111), MAC: "020000000002"}}
	e.UDP.Gap = load.Gap{From: s(2.5), Long: s(4.112).Sub(s(2.5))}
	e.Neighbour["client"] = "020000000002"
	e.Answers = e.Answers[:50]
	return c
}

// moved is a server that leaves both tables after a mark at 1 s and returns after one at 3 s.
func moved() *Case {
	c := rest()
	e := c.Run
	e.Marks = []stage.Mark{{At: s(1), Done: s(1.1), Name: "stop"}, {At: s(3), Done: s(3.1), Name: "start"}}
	whole := e.Before["d1"].Table
	for i, host := range directors {
		delay := float64(i) / 10
		e.Tables = append(e.Tables,
			observe.TableChange{At: s(2 + delay), Host: host, Table: whole[:1]},
			observe.TableChange{At: s(4 + delay), Host: host, Table: whole})
	}
	return c
}

func TestExpectations(t *testing.T) {
	twice := neverTwice("twice", always)
	tests := []struct {
		name   string
		expect Expectation
		good   func() *Case
		spoil  map[string]func(c *Case) // each of which must fail
	}{
		{"no request lost", noRequestLost, rest, map[string]func(*Case){
			"tcp": func(c *Case) { c.Run.TCP.Lost = 1 },
			"udp": func(c *Case) { c.Run.UDP.Lost = 1 },
		}},
		{"no connection lost", noConnectionLost, rest, map[string]func(*Case){
			"tcp": func(c *Case) { c.Run.TCP.Unconnected = 1 },
			"udp": func(c *Case) { c.Run.UDP.Lost = 1 },
		}},
		{"gap", gapAsQuiet, rest, map[string]func(*Case){
			"tcp": func(c *Case) { c.Run.TCP.Gap.Long += 11 * time.Millisecond },
			"udp": func(c *Case) { c.Run.UDP.Gap.Long += 11 * time.Millisecond },
		}},
		{"no transition", noTransition, rest, map[string]func(*Case){
			"d2 speaks":          func(c *Case) { c.Run.Adverts = append(c.Run.Adverts, advert(2, 3)) },
			"the VIP is lost":    func(c *Case) { c.Run.Holdings = []observe.Holding{{At: s(3), Host: "d1"}} },
			"both have it":       func(c *Case) { c.Run.Holdings = []observe.Holding{{At: s(3), Host: "d2", Holds: true}} },
			"nobody ever has it": func(c *Case) { c.Run.Before = nil },
			"it blinks": func(c *Case) {
				c.Run.Holdings = []observe.Holding{{At: s(3), Host: "d1"}, {At: s(3.1), Host: "d1", Holds: true}}
			},
			"d2 has it throughout": func(c *Case) { c.Run.Before = map[string]stage.Side{"d2": {Holds: true}} },
		}},
		{"adverts in time", advertsOnTime, rest, map[string]func(*Case){
			"one late":    func(c *Case) { c.Run.Adverts[3].At += s(0.03) },
			"one missing": func(c *Case) { c.Run.Adverts = c.Run.Adverts[:3] },
		}},
		{"tables untouched", tableUntouched, rest, map[string]func(*Case){
			"a rule goes":       func(c *Case) { c.Run.Tables = []observe.TableChange{{At: s(2), Host: "d2"}} },
			"a useless command": func(c *Case) { c.Run.Writes = []observe.Write{{Host: "d1", Command: "set-dest"}} },
		}},
		{"parts back", partsBack(drive.Elector), func() *Case {
			c := rest()
			c.Run.After["d1"] = stage.Side{Processes: map[drive.Part]int{drive.Supervisor: 1, drive.Elector: 9, drive.Services: 3}}
			return c
		}, map[string]func(*Case){
			"not back":          func(c *Case) { c.Run.After["d1"].Processes[drive.Elector] = 0 },
			"not killed at all": func(c *Case) { c.Run.After["d1"].Processes[drive.Elector] = 2 },
			"others restarted":  func(c *Case) { c.Run.After["d1"].Processes[drive.Services] = 10 },
		}},
		{"serves in time", servesInTime, killed, map[string]func(*Case){
			"late":  func(c *Case) { c.Run.UDP.Gap.Long += 40 * time.Millisecond },
			"never": func(c *Case) { c.Run.Adverts = c.Run.Adverts[:1] },
		}},
		{"lease", leaseEnds, killed, map[string]func(*Case){
			"kept":       func(c *Case) { c.Run.Holdings = c.Run.Holdings[1:] },
			"too late":   func(c *Case) { c.Run.Holdings[0].At = s(4.2) },
			"d2 without": func(c *Case) { c.Run.Holdings = c.Run.Holdings[:1] },
		}},
		{"never twice", twice, rest, map[string]func(*Case){
			"once": func(c *Case) {
				c.Run.Answers = append(c.Run.Answers[:10], append([]observe.Answer{{At: c.Run.Answers[9].At + 1, MAC: "020000000002"}}, c.Run.Answers[10:]...)...)
			},
			"nobody asked": func(c *Case) { c.Run.Probes = nil },
		}},
		{"announced", announcedBy("d2", "kill"), killed, map[string]func(*Case){
			"never": func(c *Case) { c.Run.Announcements = nil },
			"late":  func(c *Case) { c.Run.Announcements[0].At = s(4.3) },
			"other": func(c *Case) { c.Run.Announcements[0].MAC = "020000000001" },
		}},
		{"one holder", oneHolderFrom("kill", 3200*time.Millisecond), killed, map[string]func(*Case){
			"both":       func(c *Case) { c.Run.Holdings = c.Run.Holdings[1:] },
			"nobody":     func(c *Case) { c.Run.Holdings = c.Run.Holdings[:1] },
			"never came": func(c *Case) { c.Run.Marks = nil },
		}},
		{"caches", cachesRight, killed, map[string]func(*Case){
			"old entry": func(c *Case) { c.Run.Neighbour["client"] = "020000000001" },
			"no holder": func(c *Case) { c.Run.Holdings = c.Run.Holdings[:1] },
		}},
		{"ended", ended("kill", 5*time.Second), killed, map[string]func(*Case){
			"late":   func(c *Case) { c.Run.Marks[1].Done = s(7) },
			"killed": func(c *Case) { c.Run.Marks[1].Err = "did not end" },
			"never":  func(c *Case) { c.Run.Marks = c.Run.Marks[:1] },
		}},
		{"server goes", serverGoes("10.9.0.3", "stop", time.Second), moved, map[string]func(*Case){
			"late":      func(c *Case) { c.Run.Tables[2].At = s(2.5) },
			"from one":  func(c *Case) { c.Run.Tables = c.Run.Tables[:2] },
			"no mark":   func(c *Case) { c.Run.Marks = nil },
			"one of it": func(c *Case) { c.Run.Tables[0].Table = c.Run.Before["d1"].Table[:2] },
		}},
		{"server comes", serverComes("10.9.0.3", "start", time.Second, "d1"), moved, map[string]func(*Case){
			"late":  func(c *Case) { c.Run.Tables[1].At = s(4.2) },
			"never": func(c *Case) { c.Run.Tables = c.Run.Tables[:1] },
		}},
		{"nothing else", nothingElseTouched("10.9.0.3"), moved, map[string]func(*Case){
			"the service": func(c *Case) { c.Run.Tables[0].Table = nil },
		}},
		{"no request to it", noRequestTo("10.9.0.3", "start"), func() *Case {
			c := moved()
			c.Run.TCPAttempts = []load.Attempt{{Start: s(1.5), Failure: load.Refused}, {Start: s(2.5), Answered: s(2.501)}}
			return c
		}, map[string]func(*Case){
			"one":        func(c *Case) { c.Run.TCPAttempts[1].Failure = load.Refused },
			"never left": func(c *Case) { c.Run.Tables = nil },
		}},
		{"never smaller", neverSmaller, rest, map[string]func(*Case){
			"smaller": func(c *Case) { c.Run.Tables = moved().Run.Tables },
		}},
		{"repaired", repaired("stop", 4*time.Second), func() *Case {
			c := moved()
			c.Run.Tables[0].Table = nil
			return c
		}, map[string]func(*Case){
			"late":            func(c *Case) { c.Run.Tables[1].At = s(5.5) },
			"never":           func(c *Case) { c.Run.Tables = c.Run.Tables[:1] },
			"bit by bit":      func(c *Case) { c.Run.Tables[0].Table = c.Run.Before["d1"].Table[:1] },
			"on d2 only":      func(c *Case) { c.Run.Tables = c.Run.Tables[2:] },
			"not like before": func(c *Case) { c.Run.Tables[1].Table = c.Run.Before["d1"].Table[:2] },
		}},
		{"refused", refusedWithPosition("reload"), func() *Case {
			c := rest()
			c.Run.Marks = []stage.Mark{{At: s(1), Name: "reload", Err: "exit status 1", Said: "/run/lab/d1/config:40:7: expected ']'\n"}}
			return c
		}, map[string]func(*Case){
			"accepted":    func(c *Case) { c.Run.Marks[0].Err = "" },
			"no position": func(c *Case) { c.Run.Marks[0].Said = "syntax error\n" },
		}},
		{"reload succeeds", succeeded("reload"), func() *Case {
			c := rest()
			c.Run.Marks = []stage.Mark{{At: s(1), Name: "reload"}}
			return c
		}, map[string]func(*Case){
			"refused": func(c *Case) { c.Run.Marks[0].Err = "exit status 1" },
			"never":   func(c *Case) { c.Run.Marks = nil },
		}},
		{"log", logBounded, func() *Case {
			c := rest()
			c.Run.Logs["d1"] = strings.Repeat("line\n", 6)
			return c
		}, map[string]func(*Case){
			"more": func(c *Case) { c.Run.Logs["d2"] = strings.Repeat("line\n", 7) },
		}},
		{"back", backWithin("remove", 100*time.Millisecond), func() *Case {
			c := rest()
			c.Run.Marks = []stage.Mark{{At: s(1), Name: "remove"}}
			c.Run.Holdings = []observe.Holding{{At: s(1.001), Host: "d1"}, {At: s(1.01), Host: "d1", Holds: true}}
			c.Run.Announcements = []observe.Announcement{{At: s(1.02), MAC: "020000000001"}}
			return c
		}, map[string]func(*Case){
			"late":          func(c *Case) { c.Run.Holdings[1].At = s(1.2) },
			"never":         func(c *Case) { c.Run.Holdings = c.Run.Holdings[:1] },
			"not announced": func(c *Case) { c.Run.Announcements = nil },
		}},
		{"d2 silent", d2Silent, rest, map[string]func(*Case){
			"speaks": func(c *Case) { c.Run.Adverts = append(c.Run.Adverts, advert(2, 3)) },
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if ok, measured := tt.expect.Judge(tt.good()); !ok {
				t.Errorf("good evidence fails: %s", measured)
			}
			for what, spoil := range tt.spoil {
				c := tt.good()
				spoil(c)
				if ok, measured := tt.expect.Judge(c); ok {
					t.Errorf("%s passes: %s", what, measured)
				}
			}
		})
	}
}

func status(dropped map[string]uint64) *drive.Status {
	return &drive.Status{Instances: []drive.Instance{{Name: "web", Dropped: dropped}}}
}

func TestDroppedByReason(t *testing.T) {
	c := rest()
	c.Run.Marks = []stage.Mark{{Name: "trickle", Said: "9 sent in 4s\n"}}
	for _, host := range directors {
		before, after := c.Run.Before[host], c.Run.After[host]
		counted := map[string]uint64{"other": 1}
		for _, kind := range load.Forgeries() {
			counted[kind] = 3
		}
		before.Status = status(map[string]uint64{"bad-ttl": 5, "other": 1})
		counted["bad-ttl"] += 5
		after.Status = status(counted)
		c.Run.Before[host], c.Run.After[host] = before, after
	}
	ok, measured := droppedByReason("trickle", 3).Judge(c)
	const each = "bad-auth-type 3 bad-checksum 3 bad-length 3 bad-ttl 3 bad-type 3 bad-version 3 short 3 zero-count 3 zero-interval 3"
	want := "9 sent in 4s; counted: d1 " + each + "; d2 " + each
	if !ok || measured != want {
		t.Errorf("%v, %q; want %q", ok, measured, want)
	}
	if ok, measured := droppedByReason("trickle", 4).Judge(c); ok {
		t.Errorf("too few pass: %s", measured)
	}
	c.Run.After["d2"] = stage.Side{}
	if ok, _ := droppedByReason("trickle", 3).Judge(c); ok {
		t.Error("a director without a status passes")
	}
}

func TestStatusTellsOfRefusal(t *testing.T) {
	const refusedJournal = "2026-11-22 10:00:00.000 ! reload      reload                 configuration unchanged: /run/lab/d1.config has 1 error\n"
	c := rest()
	side := c.Run.After["d1"]
	side.Journal = refusedJournal
	side.Status = new(drive.Status)
	c.Run.After["d1"] = side
	if ok, _ := statusTellsOfRefusal.Judge(c); ok {
		t.Error("a status without a reload passes")
	}
	side.Status.Config.Reload = &struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}{Error: "1 error"}
	if ok, measured := statusTellsOfRefusal.Judge(c); !ok {
		t.Errorf("a refusal that is told fails: %s", measured)
	}
	side.Journal = "2026-11-22 10:00:00.000   reload      reload                 configuration 0123456789ab is in force, 1 change\n"
	c.Run.After["d1"] = side
	if ok, _ := statusTellsOfRefusal.Judge(c); ok {
		t.Error("a journal of another reload passes")
	}
	side.Journal = refusedJournal
	c.Run.After["d1"] = side
	side.Status.Config.Reload.OK = true
	if ok, _ := statusTellsOfRefusal.Judge(c); ok {
		t.Error("a reload that was applied passes")
	}
}

// A pair that does not recover fails the scenario after which it does not, whatever else that showed.
func TestRestAfterwards(t *testing.T) {
	result := Result{Name: "kill-all"}
	result.judge([]Expectation{noRequestLost}, nil, rest())
	result.judgeRest(nil, 70*time.Millisecond)
	if f := result.Findings[len(result.Findings)-1]; !result.OK || f.Measured != "after 70.0 ms" {
		t.Errorf("a pair that recovers: %+v", f)
	}
	result.judgeRest(errors.New("d1 has 0 of 3 processes"), 20*time.Second)
	if f := result.Findings[len(result.Findings)-1]; result.OK || f.OK || f.Measured != "d1 has 0 of 3 processes" {
		t.Errorf("a pair that does not recover: %+v", f)
	}
}

func TestReport(t *testing.T) {
	good, bad := rest(), killed()
	bad.Run.TCP.Lost, bad.Run.TCP.Unconnected = 700, 699
	bad.Run.Tables = moved().Run.Tables[:1]
	r := &Report{Where: suite.Where{World: "uml", Kernel: "6.1"}, Director: drive.LBHA, Peer: drive.Keepalived, Took: 20 * time.Second}
	for _, sc := range []struct {
		name   string
		c      *Case
		expect []Expectation
	}{{"calm", good, []Expectation{noRequestLost}}, {"storm", bad, []Expectation{noRequestLost, leaseEnds}}} {
		result := Result{Name: sc.name, Title: "the " + sc.name, Run: sc.c.Run, Quiet: sc.c.Quiet}
		result.judge(sc.expect, nil, sc.c)
		r.Results = append(r.Results, result)
	}
	r.Results = append(r.Results, Result{Name: "lost", Title: "never played", Error: "the pair did not come to rest"})
	var out strings.Builder
	r.Print(&out)
	want := `d1 lbha, d2 keepalived, interval 1 s, priorities 150/100, direct routing; kernel 6.1 (uml); 20 s

scenario  verdict  lost connections  requests  datagrams  gap tcp ms  (quiet)  gap udp ms  (quiet)  VIP held by, s                 table
calm      ok       0/2500            0         0/5000     5.0         (5.0)    4.0         (4.0)    d1 0.00–                       unchanged
storm     FAILED   699/2500          1         0/5000     5.0         (5.0)    1612.0      (4.0)    d1 0.00–2.50, d2 4.11–         +0 −2 rules
lost      FAILED                                                                                    the pair did not come to rest  

calm: the calm
  ok      no request lost: 0 of 2500 requests, 0 of 5000 datagrams
          adverts: d1 0.50–4.50 (5)

storm: the storm
  FAILED  no request lost: 700 of 2500 requests, 0 of 5000 datagrams
  ok      the dead director's VIP is gone before d2 has it: gone at 2.50 s, taken at 4.11 s
          adverts: d1 0.50–0.50 (1), d2 4.11–4.11 (1)
          d1 2.00 s: - -a www -r 10.9.0.3:80
          d1 2.00 s: - -a echo -r 10.9.0.3:5000

lost: never played
  FAILED  the pair did not come to rest

drill: 1 passed, 2 failed
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if r.OK() {
		t.Error("a report with a failure is ok")
	}
}

func TestScenarios(t *testing.T) {
	names := map[string]bool{}
	for _, sc := range Scenarios() {
		if names[sc.Name] || sc.Name == "" || sc.Title == "" || len(sc.Expect) == 0 {
			t.Errorf("%q: a name of its own, a title and expectations are needed", sc.Name)
		}
		names[sc.Name] = true
		last := time.Duration(0)
		for _, step := range sc.Steps {
			if step.At < last || step.At >= sc.Length {
				t.Errorf("%s: step %q at %v is out of order or of the window", sc.Name, step.Name, step.At)
			}
			last = step.At
		}
	}
	if _, err := choose([]string{"stop", "nonsense"}); err == nil {
		t.Error("a scenario that does not exist is chosen")
	}
	if chosen, err := choose([]string{"stop", "link"}); err != nil || len(chosen) != 2 || chosen[1].Name != "link" {
		t.Errorf("chosen: %v, %v", chosen, err)
	}
}
