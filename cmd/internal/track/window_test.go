package track

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }

// TestAMasterIsSlowToGetWorse tells what is reported of one outage, in both roles, second by second.
func TestAMasterIsSlowToGetWorse(t *testing.T) {
	var w Window
	if w.Known() {
		t.Error("nothing was seen, and it is known")
	}
	got := ""
	for _, role := range []bool{true, false} {
		v := Window{}
		for s := 0; s <= 30; s++ {
			switch s {
			case 0:
				v.See(at(0), 1)
			case 10:
				v.See(at(10), 0.5)
			case 12:
				v.See(at(12), 0)
			case 20:
				v.See(at(20), 1)
			}
			share, _ := v.Report(at(float64(s)), 5*time.Second, role)
			if s >= 9 && s <= 26 {
				got += fmt.Sprint(share, " ")
			}
		}
		got += "\n"
	}
	// 9   10  11  12  13  14  15    16    17 …         20                  25
	want := "1 1 1 1 1 1 0.5 0.5 0 0 0 1 1 1 1 1 1 1 \n" +
		"1 0.5 0.5 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 \n"
	if got != want {
		t.Errorf("master, then backup:\n%swant\n%s", got, want)
	}
}

// TestReport holds the report against its definition: the best, or worst, that held at any time within the window; and
// that it becomes another exactly when it says so.
func TestReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		within := time.Duration(rapid.IntRange(1, 20).Draw(t, "within")) * time.Second
		shares := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 40).Draw(t, "shares") // one a second
		master := rapid.Bool().Draw(t, "master")
		var w Window
		var next time.Time
		reported := -1.0
		for s, share := range shares {
			now := at(float64(s))
			seen := s > 0 && share != shares[s-1]
			w.See(now, float64(share)/4)
			got, due := w.Report(now, within, master)
			best := share
			for k := s; k >= 0; k-- {
				// What was seen in second k held until k + 1.
				if k < s && time.Duration(s-k-1)*time.Second >= within {
					break
				}
				if master {
					best = max(best, shares[k])
				} else {
					best = min(best, shares[k])
				}
			}
			if got != float64(best)/4 {
				t.Fatalf("second %d: %v, want %v", s, got, float64(best)/4)
			}
			if reported >= 0 && got != reported && !seen && !now.Equal(next) {
				t.Fatalf("second %d: another report, announced for %v", s, next)
			}
			reported, next = got, due
			if len(w.seen) > int(within/time.Second)+2 {
				t.Fatalf("%d sights are kept of %v", len(w.seen), within)
			}
		}
	})
}

// director is one of two that see the same servers.
type director struct {
	priority, weight int
	window           Window
	master           bool
}

const detection = 7 * time.Second // 2s × 3 + 1s

func (d *director) advertised(now time.Time) int {
	share, _ := d.window.Report(now, detection, d.master)
	return d.priority + int(float64(d.weight)*(1-share))
}

// elect moves the mastership by what both advertise: a backup takes over from a master of a lower priority.
func elect(now time.Time, a, b *director) (moved bool) {
	master, backup := a, b
	if b.master {
		master, backup = b, a
	}
	if backup.advertised(now) > master.advertised(now) {
		master.master, backup.master = false, true
		return true
	}
	return false
}

// TestTwoDirectorsThatSeeTheSameDoNotSwap simulates outages of every extent that both directors see, each when its
// checks notice, which is up to one detection time apart, in a random order.
func TestTwoDirectorsThatSeeTheSameDoNotSwap(t *testing.T) {
	const seeds, step = 2000, 100 * time.Millisecond
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 3))
		a := &director{priority: 150, weight: -50 - r.IntN(200), master: true}
		b := &director{priority: 100 + r.IntN(51), weight: a.weight} // up to equal
		share := 1.0
		a.window.See(epoch, share)
		b.window.See(epoch, share)
		now := epoch
		for outage := range 10 {
			share = float64(r.IntN(5)) / 4
			directors := [...]*director{a, b}
			var sees [2]time.Time // the outage, or its end
			for i := range sees {
				sees[i] = now.Add(time.Duration(r.Int64N(int64(detection))))
			}
			for end := now.Add(detection + time.Duration(r.Int64N(int64(time.Minute)))); now.Before(end); now = now.Add(step) {
				for i, d := range directors {
					if !now.Before(sees[i]) {
						d.window.See(now, share)
					}
				}
				if elect(now, a, b) {
					t.Fatalf("seed %d, outage %d, share %v, weight %d: the addresses moved (a %d, b %d)", seed, outage, share, a.weight, a.advertised(now), b.advertised(now))
				}
			}
		}
	}
}

// TestAnOutageOfTheMasterAloneMovesTheAddresses holds that the calm is no blindness, and that the addresses return.
func TestAnOutageOfTheMasterAloneMovesTheAddresses(t *testing.T) {
	a, b := &director{priority: 150, weight: -100, master: true}, &director{priority: 100, weight: -100}
	a.window.See(epoch, 1)
	b.window.See(epoch, 1)
	var moves []time.Duration
	for now := epoch; now.Before(at(120)); now = now.Add(100 * time.Millisecond) {
		switch now.Sub(epoch) {
		case 10 * time.Second:
			a.window.See(now, 0)
		case 60 * time.Second:
			a.window.See(now, 1)
		}
		if elect(now, a, b) {
			moves = append(moves, now.Sub(epoch))
		}
	}
	if len(moves) != 2 || moves[0] != 10*time.Second+detection || moves[1] != 60*time.Second+detection {
		t.Errorf("the addresses moved at %v, want one detection time after 10s and 60s", moves)
	}
}
