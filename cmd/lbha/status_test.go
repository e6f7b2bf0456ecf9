package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// everything is a status with something in most of its parts.
func everything() *observe.Status {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &observe.Status{
		Name: "lb1", Version: "1", Time: now,
		Config:   observe.Config{Path: "lbha.toml", Hash: "0123456789abcdef", Loaded: now.Add(-time.Minute), Trial: &observe.Trial{State: "waiting", By: "user 0", Left: 43210 * time.Millisecond, Former: "fedcba9876543210"}},
		Draining: []observe.Drain{{Service: "tcp/10.9.0.100:80", Server: "10.9.0.3:80", Since: now.Add(-time.Second), Until: now.Add(time.Minute), Active: 3}},
		Findings: []observe.Finding{
			{Object: "www", Reason: "panic", Message: "few are healthy"},
			{Object: "web", Reason: "foreign-announcement", Message: "10.9.0.100 is announced", Since: now.Add(-time.Minute)},
		},
		// The VRRP process has spoken 0.8 s ago.
		Elector: observe.Elector{At: now.Add(-800 * time.Millisecond)},
		Instances: []observe.Instance{{Name: "web", State: "backup", Reason: "started", VRID: 51, Priority: 100, Peers: []observe.Peer{
			{Address: "10.9.0.2", Priority: 200, Version: 3, Interval: time.Second, Heard: now.Add(-900 * time.Millisecond)},
		}}},
		Exchange: &observe.Exchange{Listen: "10.9.0.1:1112", Taken: 3, Peers: []observe.ExchangePeer{
			{Address: "10.9.0.2:1112", Name: "lb2", State: "live", Heard: now.Add(-200 * time.Millisecond), Verdicts: 12, Sent: 70, Received: 60, Dropped: map[string]uint64{"stale": 1, "replayed": 1}},
			{Address: "10.9.0.3:1112", State: "silent", Sent: 70},
		}},
		Ground: []observe.Ground{
			{Severity: "wrong", Object: "nat", Reason: "no-forwarding", Message: "this host does not forward IPv4", Fix: "sysctl -w net.ipv4.ip_forward=1"},
			{Severity: "advice", Object: "host", Reason: "not-looked", Message: "no facts"},
		},
	}
}

// What drains, what is wrong, and what is wrong with the host, with its fix, are for people to read, not only for programs.
func TestPrintStatus(t *testing.T) {
	st := everything()
	var out strings.Builder
	if err := printStatus(&out, st, painter(&out)); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(out.String(), "\n")
	if diff := cmp.Diff(`on trial (asked for by user 0): configuration fedcba987654 returns in 43.2s unless `+"`lbha confirm`"+` comes before

INSTANCE  GROUP  INTERFACE  VRID  PRIORITY  STATE   FOR  MASTER  HELD  REASON
web       -                 51    100       backup  -    -       -     started

INSTANCE  PEER      PRIORITY  VERSION  INTERVAL  HEARD, AT 03:04:04.200
web       10.9.0.2  200       3        1s        100ms ago

TELLS VERDICTS  NAME  STATE   HEARD      KNOWN OF IT  SENT  RECEIVED  DROPPED
10.9.0.2:1112   lb2   live    200ms ago  12           70    60        2
10.9.0.3:1112   -     silent  -          0            70    0         0
taken over on becoming master: 3

DRAINING           SERVER       FOR  UNTIL                ACTIVE  INACTIVE  PERSISTENT
tcp/10.9.0.100:80  10.9.0.3:80  1s   2026-01-02 03:05:05  3       0         0

FINDINGS
www  panic                 few are healthy
web  foreign-announcement  10.9.0.100 is announced; since 2026-01-02 03:03:05, 1m ago

GROUND
nat   no-forwarding  this host does not forward IPv4
                     fix: sysctl -w net.ipv4.ip_forward=1
host  not-looked     no facts
`, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// In colours, too, what stands in one column is aligned, its title among it.
func TestColoursDoNotMoveColumns(t *testing.T) {
	st := everything()
	st.Instances[0].Tracks = []observe.Track{{Kind: "interface", Target: "eth1", State: "bad", Fault: true, Reason: "down"}}
	st.Services = []observe.Service{{Name: "www", Addresses: []string{"10.9.0.100:80", "10.9.0.100:443"}, Scheduler: "wlc", Forward: "dr", Pace: "same",
		Servers: []observe.Server{{Address: "10.9.0.3:80", State: "up"}, {Address: "10.9.0.4:80", State: "down", Reason: "checks"}}}}
	var plain, coloured strings.Builder
	for _, c := range []struct {
		out *strings.Builder
		p   paint
	}{{&plain, painter(&plain)}, {&coloured, colour}} {
		if err := printStatus(c.out, st, c.p); err != nil {
			t.Fatal(err)
		}
	}
	seen := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(coloured.String(), "")
	if diff := cmp.Diff(plain.String(), seen); diff != "" || seen == coloured.String() {
		t.Errorf("(-plain +coloured)\n%s", diff)
	}
}

// An order to hand over outlives the hand-over: whoever looks later must see why this director does not take part.
func TestPrintHandOver(t *testing.T) {
	for _, c := range []struct{ state, want string }{
		{"master", "preempted; ordered to hand over: it stays until a backup takes over"},
		{"backup", "preempted; ordered to stay out, until lbha failover --lift"},
	} {
		var out strings.Builder
		st := &observe.Status{Instances: []observe.Instance{{Name: "web", State: c.state, Reason: "preempted", Priority: 1, HandOver: true}}}
		if err := printStatus(&out, st, painter(&out)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), c.want+"\n") {
			t.Errorf("%s: %q is not in\n%s", c.state, c.want, &out)
		}
	}
}

// A master does not hear its backups. That one was heard long ago must not look as if it were dead.
func TestPrintSilentPeer(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		state string
		ago   time.Duration
		want  string
	}{
		{"master", 20 * time.Minute, "20m ago: a backup is silent, up or not"},
		{"master", 2 * time.Second, "2s ago"}, // another master
		{"backup", 20 * time.Minute, "20m ago"},
	} {
		var out strings.Builder
		st := &observe.Status{Elector: observe.Elector{At: now}, Instances: []observe.Instance{{Name: "web", State: c.state, Peers: []observe.Peer{
			{Address: "10.9.0.2", Priority: 100, Version: 3, Interval: time.Second, Heard: now.Add(-c.ago)},
		}}}}
		if err := printStatus(&out, st, painter(&out)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "  "+c.want+"\n") {
			t.Errorf("%s: %q is not in\n%s", c.state, c.want, &out)
		}
	}
}

// A watched status that goes to a file, or through a pipe, is free of codes for terminals.
func TestClearScreen(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clearScreen(f)
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%d bytes (%v), want none", info.Size(), err)
	}
}

// A thing that the journal does not know has an empty list of events, which programs iterate over, and no null.
func TestNothingAboutAThing(t *testing.T) {
	got, err := json.Marshal(about([]observe.Event{{Object: "web"}}, "wbe"))
	if err != nil || string(got) != "[]" {
		t.Errorf("%s (%v), want []", got, err)
	}
}
