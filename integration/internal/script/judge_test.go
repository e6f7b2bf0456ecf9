package script

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/stage"
)

func at(seconds float64) mono.Time { return mono.Time(seconds * float64(time.Second)) }

// moved is a window of ten seconds in which d1 is stopped at 1 s, d2 has the address from 4 s on, rs1 leaves the table of d1 from 2 to 5 s, and
// half a second passes without an answer.
func moved() *stage.Evidence {
	table := observe.Table{"-A -t 10.9.0.100:80", "-a -t 10.9.0.100:80 -r 10.9.0.3:80", "-a -t 10.9.0.100:80 -r 10.9.0.4:80"}
	e := &stage.Evidence{
		From: at(0), To: at(10),
		Before:        map[string]stage.Side{"d1": {Holds: true, Table: table}, "d2": {Table: table}},
		Marks:         []stage.Mark{{At: at(1), Done: at(1), Name: "stop d1"}, {At: at(2), Done: at(2), Name: "reload d2", Err: "exit status 1", Said: "config:3:1: no"}},
		Holdings:      []observe.Holding{{At: at(3.5), Host: "d1"}, {At: at(4), Host: "d2", Holds: true}},
		Adverts:       []observe.Advert{{At: at(0.5), Source: netip.MustParseAddr("10.9.0.1")}, {At: at(4), Source: netip.MustParseAddr("10.9.0.2")}},
		Announcements: []observe.Announcement{{At: at(4.01), MAC: "020000000002"}},
		Tables:        []observe.TableChange{{At: at(2), Host: "d1", Table: table[:1]}, {At: at(5), Host: "d1", Table: table}},
		TCP:           load.Summary{Attempts: 100, Lost: 7, Gap: load.Gap{From: at(3.5), Long: 500 * time.Millisecond}},
		Probes:        []mono.Time{at(1.5), at(5)},
		Answers:       []observe.Answer{{At: at(1.5) + 1, MAC: "020000000001"}, {At: at(1.5) + 2, MAC: "020000000002"}, {At: at(5) + 1, MAC: "020000000002"}},
		Neighbour:     map[string]string{"client": "020000000002"},
		Logs:          map[string]string{"d1": "well\ndisk full up to the brim\n"},
	}
	e.After = map[string]stage.Side{"d2": {Processes: map[drive.Part]int{drive.Elector: 7}}}
	side := e.Before["d2"]
	side.Processes = e.After["d2"].Processes
	e.Before["d2"] = side
	return e
}

// Every demand of the language is met by what was seen, and is not met when it asks for more.
func TestJudge(t *testing.T) {
	met := `
one master within 4s of stop d1
one master within 2s
d2 is master within 3s of stop d1
d1 is master within 0s of stop d1
holder is d2 at end
two holders < 0s
no holder < 501ms
d2 announces within 3.1s of stop d1
no double answer of reload d2
arp right at end
adverts of d1 late < 9s
client gap < 501ms
client gap < quiet + 481ms
client connects always
table d1 = d2
table d2 unchanged
table d1 whole within 4s of stop d1
table d1 without rs1 within 1s of stop d1
table d1 with rs1 within 3s
d2 announces < 2 times
d1 announces < 1 times of stop d1
d2 takes the address < 2 times
d1 takes the address < 1 times
d1 answers nothing once d2 announces
processes d2 unchanged
d1 tells full up
reload d2 fails`
	unmet := `
one master within 2.9s of stop d1
one master within 9s of stop d1
d2 is master within 2.9s of stop d1
holder is d1 at end
no transition on d1
no transition on d2
no holder < 499ms
no holder < 0s
d2 announces within 3s of stop d1
d1 announces within 9s of stop d1
no double answer
adverts of d1 late < 8s
client gap < 500ms
client gap < quiet + 480ms
client loses nothing
table d1 unchanged
table d1 whole within 3.9s of stop d1
table d1 without rs1 within 900ms of stop d1
d2 announces < 1 times
d2 announces < 1 times of stop d1
d2 takes the address < 1 times
d2 answers nothing once d2 announces
d2 answers nothing once d1 announces
processes d1 unchanged
d1 tells full down
d2 tells full
stop d1 fails`
	judged := map[string]bool{}
	for _, list := range []struct {
		text string
		want bool
	}{{met, true}, {unmet, false}} {
		for demand := range strings.SplitSeq(strings.TrimSpace(list.text), "\n") {
			s, err := Parse("pair.scenario", "length 10s\nat 1s stop d1\nat 2s reload d2\nexpect "+demand)
			if err != nil {
				t.Fatal(err)
			}
			quiet := &stage.Evidence{TCP: load.Summary{Gap: load.Gap{Long: 20 * time.Millisecond}}}
			findings := Judge(&Case{Scenario: s, Run: moved(), Quiet: quiet})
			f := findings[len(findings)-1]
			if f.Demand != demand || f.OK != list.want || f.Measured == "" {
				t.Errorf("%s: %v: %s", demand, f.OK, f.Measured)
			}
			// The reload failed: that is a finding of its own unless it was demanded.
			if wantFailure := demand != "reload d2 fails"; wantFailure != (len(findings) == 2 && !findings[0].OK) {
				t.Errorf("%s: %+v", demand, findings)
			}
			judged[s.Demands[0].Form] = true
		}
	}
	for _, f := range Forms() {
		if f.Kind == Demand && !judged[f.Text] {
			t.Errorf("no test of: %s", f.Text)
		}
	}
}

// What happens while a command still runs is in time, and time is counted from its end.
func TestJudgeSlowCommands(t *testing.T) {
	s, err := Parse("pair.scenario", "length 10s\nat 1s stop d1\nexpect d2 is master within 1s of stop d1\nexpect d2 announces within 1s of stop d1\n"+
		"expect table d1 without rs1 within 0s of stop d1\nexpect table d1 with rs1 within 2s of stop d1\nexpect one master within 1s of stop d1")
	if err != nil {
		t.Fatal(err)
	}
	e := moved()
	e.Marks = []stage.Mark{{At: at(1), Done: at(3.1), Name: "stop d1"}}
	for _, f := range Judge(&Case{Scenario: s, Run: e}) {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
}

// A server that one director drains is no difference of the tables; one that it has besides is.
func TestJudgeTablesWhileDraining(t *testing.T) {
	s, err := Parse("pair.scenario", "length 10s\nexpect table d1 = d2")
	if err != nil {
		t.Fatal(err)
	}
	for rule, want := range map[string]bool{"-a -t 10.9.0.100:80 -r 10.9.0.5:80 -g -w 0": true, "-a -t 10.9.0.100:80 -r 10.9.0.5:80 -g -w 1": false} {
		e := moved()
		last := e.Tables[len(e.Tables)-1].Table
		e.Tables = append(e.Tables, observe.TableChange{At: at(6), Host: "d1", Table: append(slices.Clone(last), rule)})
		f := Judge(&Case{Scenario: s, Run: e})
		if f[len(f)-1].OK != want {
			t.Errorf("%s: %+v", rule, f)
		}
	}
}

// A step that was never done meets no demand that counts from it.
func TestJudgeWithoutTheStep(t *testing.T) {
	s, err := Parse("pair.scenario", "length 10s\nat 1s stop d1\nat 9s heal\nexpect one master within 0s of heal\nexpect one master within 0s")
	if err != nil {
		t.Fatal(err)
	}
	e := moved()
	e.Marks = e.Marks[:1]
	for _, f := range Judge(&Case{Scenario: s, Run: e}) {
		if f.OK || f.Measured != "the step was not done" {
			t.Errorf("%+v", f)
		}
	}
}
