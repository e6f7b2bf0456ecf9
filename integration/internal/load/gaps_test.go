package load

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lbha/lbha/integration/internal/mono"
)

const ms = mono.Time(time.Millisecond)

// attempts makes one attempt each 10 ms from 0, answered after 1 ms, but for those listed as lost.
func attempts(n int, lost ...int) []Attempt {
	list := make([]Attempt, n)
	for i := range list {
		start := mono.Time(i)*10*ms + 1
		list[i] = Attempt{Start: start, Connected: start + ms/2, Answered: start + ms, Server: uint32(1 + i%2)}
	}
	for _, i := range lost {
		list[i] = Attempt{Start: list[i].Start, Failure: Timeout}
	}
	return list
}

func TestSummarise(t *testing.T) {
	tests := []struct {
		name     string
		attempts []Attempt
		from, to mono.Time
		want     Summary
	}{
		{
			name: "quiet", attempts: attempts(10), from: 0, to: 100 * ms,
			want: Summary{
				Attempts: 10, Servers: map[uint32]int{1: 5, 2: 5},
				Gap:        Gap{From: ms + 1, Long: 10 * time.Millisecond},
				ConnectGap: Gap{From: ms/2 + 1, Long: 10 * time.Millisecond},
				Stall:      Gap{From: 1, Long: 10 * time.Millisecond},
			},
		},
		{
			name: "three lost in a row", attempts: attempts(10, 4, 5, 6), from: 0, to: 100 * ms,
			want: Summary{
				Attempts: 10, Lost: 3, Unconnected: 3, Failures: map[Failure]int{Timeout: 3}, Servers: map[uint32]int{1: 3, 2: 4},
				Gap:        Gap{From: 31*ms + 1, Long: 40 * time.Millisecond},
				ConnectGap: Gap{From: 30*ms + ms/2 + 1, Long: 40 * time.Millisecond},
				Stall:      Gap{From: 1, Long: 10 * time.Millisecond},
			},
		},
		{
			name: "never an answer", attempts: attempts(3, 0, 1, 2), from: 0, to: 30 * ms,
			want: Summary{
				Attempts: 3, Lost: 3, Unconnected: 3, Failures: map[Failure]int{Timeout: 3},
				Gap:   Gap{From: 0, Long: 30 * time.Millisecond},
				Stall: Gap{From: 1, Long: 10 * time.Millisecond},
			},
		},
		{
			name: "the end is an outage", attempts: attempts(10, 7, 8, 9), from: 0, to: 100 * ms,
			want: Summary{
				Attempts: 10, Lost: 3, Unconnected: 3, Failures: map[Failure]int{Timeout: 3}, Servers: map[uint32]int{1: 4, 2: 3},
				Gap:        Gap{From: 61*ms + 1, Long: 39*time.Millisecond - 1},
				ConnectGap: Gap{From: 60*ms + ms/2 + 1, Long: 39*time.Millisecond + time.Millisecond/2 - 1},
				Stall:      Gap{From: 1, Long: 10 * time.Millisecond},
			},
		},
		{
			name: "only the window counts", attempts: attempts(10, 1, 9), from: 20 * ms, to: 50 * ms,
			want: Summary{
				Attempts: 3, Servers: map[uint32]int{1: 2, 2: 1},
				Gap:        Gap{From: 21*ms + 1, Long: 10 * time.Millisecond},
				ConnectGap: Gap{From: 20*ms + ms/2 + 1, Long: 10 * time.Millisecond},
				Stall:      Gap{From: 20*ms + 1, Long: 10 * time.Millisecond},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want.Failures == nil {
				tt.want.Failures = map[Failure]int{}
			}
			if tt.want.Servers == nil {
				tt.want.Servers = map[uint32]int{}
			}
			if diff := cmp.Diff(tt.want, Summarise(tt.attempts, tt.from, tt.to)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLostBetween(t *testing.T) {
	if got := LostBetween(attempts(10, 4, 5), 0, 45*ms); got != 1 {
		t.Errorf("lost before 45 ms: %d, want 1", got)
	}
}

func TestRecordBetween(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	w, err := CreateRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r, err := OpenRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// More than one turn of the ring: the oldest are gone, the rest is found by time.
	for i := range slots + 100 {
		w.begin(mono.Time(i)).Answered = mono.Time(i) + 1
	}
	if got := r.Between(0, 101); len(got) != 1 || got[0].Start != 100 {
		t.Errorf("the oldest attempts: %v, want only number 100", got)
	}
	got := r.Between(slots+90, slots+1000)
	if len(got) != 10 || got[0].Start != slots+90 || got[9].Answered != slots+100 {
		t.Errorf("the newest attempts: %v, want the last ten", got)
	}
}

// A web server may send the head of its answer alone.
func TestHeadAlone(t *testing.T) {
	for text, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n":    true,
		"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nrs1": false,
		"HTTP/1.1 200 OK\r\nServer: x\r\n":        false,
		"HTTP/1.1 503 No\r\n\r\n":                 false,
	} {
		if got := isHead([]byte(text)); got != want {
			t.Errorf("isHead(%q) = %v", text, got)
		}
	}
	if server, ok := parseBody([]byte("rs3\n")); server != 3 || !ok {
		t.Errorf("the body alone: %d, %v", server, ok)
	}
	if _, ok := parseBody([]byte("\r\n\r\nrs3")); ok {
		t.Error("a second head is no body")
	}
}

func TestParseAnswer(t *testing.T) {
	tests := []struct {
		text   string
		server uint32
		ok     bool
	}{
		{"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nrs2\n", 2, true},
		{"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nrs", 0, false},
		{"HTTP/1.1 200 OK\r\nServer: x\r\n", 0, false},
		{"HTTP/1.1 503 No\r\n\r\nrs1", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		if server, ok := parseAnswer([]byte(tt.text)); server != tt.server || ok != tt.ok {
			t.Errorf("parseAnswer(%q) = %d, %v; want %d, %v", tt.text, server, ok, tt.server, tt.ok)
		}
	}
}
