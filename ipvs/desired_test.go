package ipvs

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// intent reads an Intent in few words. The policy, then the members, each after
// a bar:
//
//	quorum=2 hysteresis=1 panic=0.5 quiesce lost | a 3 up | b 1 down backup carried=1 drain
//
// A member is its name, its weight, its verdict, and what else is to be said.
func intent(t *testing.T, text string) Intent {
	t.Helper()
	in := Intent{Service: Service{Key: MarkKey(1, IPv4), Scheduler: "wlc"}}
	number := func(s string) Weight {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return Weight(n)
	}
	parts := strings.Split(text, "|")
	for word := range strings.FieldsSeq(parts[0]) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "quorum":
			in.Policy.Quorum = number(value)
		case "hysteresis":
			in.Policy.Hysteresis = number(value)
		case "panic":
			in.Policy.PanicThreshold, _ = strconv.ParseFloat(value, 64)
		case "quiesce":
			in.Policy.OnFail = Quiesce
		case "lost":
			in.QuorumLost = true
		default:
			t.Fatalf("policy %q", word)
		}
	}
	for _, part := range parts[1:] {
		words := strings.Fields(part)
		m := Member{Server: Server{Addr: address(words[0]), Forward: DR, Weight: number(words[1])}}
		if err := m.Verdict.UnmarshalText([]byte(words[2])); err != nil {
			t.Fatal(err)
		}
		for _, word := range words[3:] {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "backup":
				m.Backup = true
			case "carried":
				m.Carried, m.CarriedWeight = true, number(value)
			case "drain":
				m.Override.Mode = Drain
			case "disable":
				m.Override.Mode = Disable
			case "weight":
				m.Override = Override{OverrideWeight, number(value)}
			case "share":
				m.Share, _ = strconv.ParseFloat(value, 64)
			default:
				t.Fatalf("member %q", word)
			}
		}
		in.Members = append(in.Members, m)
	}
	return in
}

// address is that of a server whose name is one letter.
func address(name string) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, name[0]}), 0)
}

// outcome writes what was decided: the state of the pool, and each member with
// its placement, and its weight if it is in.
func outcome(o Outcome) string {
	state := "quorum"
	if o.QuorumLost {
		state = "lost"
	}
	if o.Panic {
		state += " panic"
	}
	for _, m := range o.Members {
		state += fmt.Sprintf(" | %c %s", m.Addr.Addr().As4()[3], m.Placement)
		if m.Placement.In() {
			state += " " + m.Weight.String()
		}
	}
	return state
}

func TestDesired(t *testing.T) {
	for _, tt := range []struct{ name, intent, want string }{
		{"healthy", "| a 1 up | b 4 up", "quorum | a serving 1 | b serving 4"},
		{"one down", "| a 1 up | b 4 down", "quorum | a serving 1 | b down"},
		{"one down, quiesced", "quiesce | a 1 up | b 4 down", "quorum | a serving 1 | b quiesced 0"},
		{"before the first success", "| a 1 up | b 4 unknown", "quorum | a serving 1 | b unproven"},
		{"weight 0 is configured", "| a 0 up | b 1 up", "quorum | a serving 0 | b serving 1"},
		{"no member", "", "lost"},

		{"restart: kept until judged", "| a 1 unknown carried=1 | b 4 unknown", "quorum | a adopted 1 | b unproven"},
		{"restart: its new weight", "| a 5 unknown carried=1", "quorum | a adopted 5"},
		{"restart: idle stays idle", "| a 5 unknown carried=0 | b 1 up", "quorum | a adopted 0 | b serving 1"},
		{"restart: then it fails", "| a 1 down carried=1 | b 1 up", "quorum | a down | b serving 1"},
		{"restart: the fallback served", "| a 1 unknown | s 1 unknown backup carried=1", "lost | a unproven | s adopted 1"},

		{"backup not needed", "| a 1 up | s 1 up backup", "quorum | a serving 1 | s standby"},
		{"backup needed", "| a 1 down | s 1 up backup", "lost | a down | s serving 1"},
		{"backup is down too", "| a 1 down | s 1 down backup", "lost | a down | s down"},
		{"a backup is no quorum", "quorum=2 | a 1 up | s 5 up backup", "lost | a serving 1 | s serving 5"},
		{"a quiesced backup that is not needed is out", "quiesce | a 1 up | s 1 down backup", "quorum | a serving 1 | s standby"},
		{"quorum by weight", "quorum=5 | a 1 up | b 4 up | s 1 up backup", "quorum | a serving 1 | b serving 4 | s standby"},
		{"quorum by weight, lost", "quorum=5 | a 1 down | b 4 up | s 1 up backup", "lost | a down | b serving 4 | s serving 1"},
		{"a weight of 0 is not alive", "| a 0 up | s 1 up backup", "lost | a serving 0 | s serving 1"},

		{"hysteresis: still there", "quorum=3 hysteresis=1 | a 2 up | s 1 up backup", "quorum | a serving 2 | s standby"},
		{"hysteresis: lost", "quorum=3 hysteresis=1 | a 1 up | s 1 up backup", "lost | a serving 1 | s serving 1"},
		{"hysteresis: not back yet", "quorum=3 hysteresis=1 lost | a 3 up | s 1 up backup", "lost | a serving 3 | s serving 1"},
		{"hysteresis: back", "quorum=3 hysteresis=1 lost | a 4 up | s 1 up backup", "quorum | a serving 4 | s standby"},
		{"hysteresis above the quorum", "quorum=1 hysteresis=5 | a 1 down | s 1 up backup", "lost | a down | s serving 1"},

		{"panic", "panic=0.5 | a 1 up | b 1 down | c 1 down", "quorum panic | a serving 1 | b panic 1 | c panic 1"},
		{"panic: not at the threshold", "panic=0.5 | a 1 up | b 1 down", "quorum | a serving 1 | b down"},
		{"panic: all down", "panic=0.1 quiesce | a 1 down | b 2 down", "lost panic | a panic 1 | b panic 2"},
		{"panic yields to a backup", "panic=0.5 | a 1 down | b 1 down | s 1 up backup", "lost | a down | b down | s serving 1"},
		{"panic, and the backup is down", "panic=0.5 | a 1 down | s 1 down backup", "lost panic | a panic 1 | s down"},
		{"panic: what the operator took out stays out", "panic=0.9 | a 1 down | b 1 down disable | c 1 down drain", "lost panic | a panic 1 | b disabled | c down"},
		{"panic: the unproven stay out", "panic=0.5 | a 1 down | b 1 unknown", "lost panic | a panic 1 | b unproven"},

		{"drain", "| a 1 up drain | b 1 up", "quorum | a draining 0 | b serving 1"},
		{"drain of one that was never in", "| a 1 unknown drain | b 1 up", "quorum | a unproven | b serving 1"},
		{"drain of one that fails", "| a 1 down drain | b 1 up", "quorum | a down | b serving 1"},
		{"drain of the last: the backup takes over", "| a 1 up drain | s 1 up backup", "lost | a draining 0 | s serving 1"},
		{"disable", "| a 1 up disable | b 1 up", "quorum | a disabled | b serving 1"},
		{"disable wins over adoption", "| a 1 unknown carried=1 disable | b 1 up", "quorum | a disabled | b serving 1"},
		{"another weight", "| a 1 up weight=7 | b 1 up", "quorum | a serving 7 | b serving 1"},
		{"another weight, down", "| a 1 down weight=7 | b 1 up", "quorum | a down | b serving 1"},

		{"slow start", "| a 100 up share=0.25 | b 100 up", "quorum | a serving 25 | b serving 100"},
		{"slow start: at least 1", "| a 2 up share=0.01", "quorum | a serving 1"},
		{"slow start: the whole", "| a 2 up share=1", "quorum | a serving 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := intent(t, tt.intent)
			table, outcomes := Desired([]Intent{in})
			if got := outcome(outcomes[0]); got != tt.want {
				t.Fatalf("%s\n got %s\nwant %s", tt.intent, got, tt.want)
			}
			want := Pool{Service: in.Service}
			for i, m := range outcomes[0].Members {
				if m.Placement.In() {
					s := in.Members[i].Server
					s.Weight = m.Weight
					want.Servers = append(want.Servers, s)
				}
			}
			if want := NewTable(want); !table.Equal(want) {
				t.Errorf("table:\n%swant:\n%s", table, want)
			}
		})
	}
}
