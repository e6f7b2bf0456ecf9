package exchange

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// pair is two directors, what each has sent, and an attacker who has it all.
type pair struct {
	zero time.Time
	now  time.Time
	ends map[string]*Session
	sent map[string]Header // by the name that the test gives it
	out  strings.Builder
}

func newPair() *pair {
	p := &pair{zero: time.Now(), ends: map[string]*Session{}, sent: map[string]Header{}}
	p.now = p.zero.Add(time.Hour)
	return p
}

// do runs a conversation, a line a step, and returns it with the answers.
//
//	start NAME RUN        a director begins, or begins anew
//	send NAME LABEL       it makes a datagram
//	hear NAME LABEL       it receives one
//	wait TIME
func (p *pair) do(t *testing.T, script string) string {
	t.Helper()
	p.out.Reset()
	for line := range strings.Lines(script) {
		w := strings.Fields(line)
		if len(w) == 0 {
			continue
		}
		said := ""
		switch w[0] {
		case "start":
			var run uint64
			fmt.Sscan(w[2], &run)
			p.ends[w[1]] = NewSession(run, p.now)
		case "send":
			var h Header
			h.Stamp, h.Echo = p.ends[w[1]].Next(p.now)
			p.sent[w[2]] = h
		case "hear":
			h := p.sent[w[2]]
			delay, why := p.ends[w[1]].Accept(&h, p.now)
			said = fmt.Sprint(cmp.Or(string(why), "made at most "+delay.Round(time.Millisecond).String()+" ago"))
		case "wait":
			d, err := time.ParseDuration(w[1])
			if err != nil {
				t.Fatal(err)
			}
			p.now = p.now.Add(d)
		default:
			t.Fatalf("no such step: %s", line)
		}
		fmt.Fprintln(&p.out, strings.TrimRight(fmt.Sprintf("%-14s %s", strings.Join(w, " "), said), " "))
	}
	return p.out.String()
}

// TestSessions are conversations. Each line that was heard shows what was held of it.
func TestSessions(t *testing.T) {
	const met = "start a 1\nstart b 2\nsend a a1\nhear b a1\nsend b b1\nhear a b1\nsend a a2\nhear b a2\n"
	for _, tc := range []struct{ name, before, want string }{
		{"the first word proves nothing, the answer does", "", `
start a 1
start b 2
send a a1
wait 10ms
hear b a1      stale
wait 90ms
send b b1
wait 1ms
hear a b1      made at most 101ms ago
send a a2
wait 3ms
hear b a2      made at most 4ms ago
`},
		{"nothing counts twice, nor when it was overtaken", met, `
send a a3
send a a4
hear b a4      made at most 0s ago
hear b a3      replayed
hear b a4      replayed
`},
		{"our own proves nothing to us", met, `
send a a3
hear a a3      own
`},
		{"what was held back is as old as it is", met, `
wait 1s
send b b2
wait 3s
hear a b2      made at most 4s ago
send b b3
wait 6s
hear a b3      stale
`},
		{"a peer that began anew is heard with its second word", met, `
start b 3
send b c1
hear a c1      stale
send a a3
hear b a3      stale
send b c2
hear a c2      made at most 0s ago
send a a4
hear b a4      made at most 0s ago
`},
		{"what it sent before is over then", met, `
send b b2
start b 3
send a a3
hear b a3      stale
send b c1
hear a c1      made at most 0s ago
hear a b2      replayed
`},
		{"what was recorded before we began anew proves nothing", met, `
send b b2
start a 4
hear a b2      stale
send a d1
hear b d1      made at most 0s ago
send b b3
hear a b3      made at most 0s ago
hear a b2      replayed
`},
		{"nothing old takes the place of who is there", met + "start a 4\nsend a d1\nhear b d1\nsend b b2\nhear a b2\nsend a d2\nhear b d2\n" +
			"start a 5\nsend a e1\nhear b e1\nsend b b3\nhear a b3\nsend a e2\nhear b e2\n", `
hear b a2      replayed
hear b d2      replayed
send b b4
hear a b4      made at most 0s ago
wait 6s
hear b a2      replayed
send b b5
hear a b5      stale
`},
		{"who does not hear us is not believed", met, `
wait 4s
send b b2
hear a b2      made at most 4s ago
wait 2s
send b b3
hear a b3      stale
`},
		{"one that is meant for another is not for us", met, `
start c 9
send a a3
hear c a3      stale
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPair()
			p.do(t, tc.before)
			var script strings.Builder
			for line := range strings.Lines(tc.want) {
				w := strings.Fields(line)
				n := map[string]int{"start": 3, "send": 3, "hear": 3, "wait": 2}
				if len(w) > 0 {
					fmt.Fprintln(&script, strings.Join(w[:n[w[0]]], " "))
				}
			}
			if got := p.do(t, script.String()); "\n"+got != tc.want {
				t.Errorf("got\n%s\nwant%s", got, tc.want)
			}
		})
	}
}

// TestNothingIsTakenForYounger: whatever the network and an attacker who records do, what is accepted was made no earlier
// than it is held to be, once only, and in order within a run.
func TestNothingIsTakenForYounger(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		now := time.Now()
		type sent struct {
			h  Header
			at time.Time
		}
		run := uint64(0)
		begin := func() *Session { run++; return NewSession(run, now) }
		ends := [2]*Session{begin(), begin()}
		var wire [2][]sent // to each
		type mark struct{ to, from, seq uint64 }
		used := make(map[mark]bool)
		accepted := 0
		for range 400 {
			now = now.Add(time.Duration(r.IntN(600)) * time.Millisecond)
			from := r.IntN(2)
			switch n := r.IntN(20); {
			case n == 0:
				ends[from] = begin()
			case n < 8:
				var h Header
				h.Stamp, h.Echo = ends[from].Next(now)
				wire[1-from] = append(wire[1-from], sent{h, now})
			default:
				all := wire[from]
				if len(all) == 0 {
					continue
				}
				i := len(all) - 1
				if r.IntN(3) == 0 {
					i = r.IntN(len(all)) // recorded
				}
				delay, why := ends[from].Accept(&all[i].h, now)
				if why != "" {
					continue
				}
				accepted++
				if age := now.Sub(all[i].at); delay < age-time.Microsecond || delay > MaxDelay { // within an instant, numbers rise by nanoseconds
					t.Fatalf("seed %d: made %v ago, held to be made at most %v ago", seed, age, delay)
				}
				m := mark{ends[from].self.Run, all[i].h.Stamp.Run, all[i].h.Stamp.Seq}
				if used[m] {
					t.Fatalf("seed %d: accepted twice", seed)
				}
				used[m] = true
			}
		}
		if accepted == 0 {
			t.Errorf("seed %d: nothing was accepted", seed)
		}
	}
}
