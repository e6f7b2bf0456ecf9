package lvs

import (
	"fmt"
	"math"
	"net/netip"
	"strings"

	"github.com/lbha/lbha/ipvs"
)

// A trial plays a scheduler: 1,000 connections, and a property that they must have.
type trial struct {
	scheduler ipvs.Scheduler
	property  string
	weights   []int // of the servers 1, 2, …
	// edit changes the weights after half of the connections, or takes servers out where they end; nil: nothing changes.
	edit []int
	// sources and targets are how many clients and virtual addresses there are, odd where connections in turn would pass by their rhythm. A
	// service of several addresses has a firewall mark.
	sources, targets int
	hold             bool // every connection stays open
	judge            func(draws []draw, changed int) (bool, string)
}

// perTrial is the number of connections of each trial.
const perTrial = 1000

var trials = []trial{
	{scheduler: "rr", property: "in turn", weights: []int{1, 1}, judge: inTurn},
	{scheduler: "wrr", property: "weights 2:4 give 1:2 within 2 %", weights: []int{2, 4}, judge: shares(1, 2)},
	{scheduler: "lc", property: "open connections are never 2 apart, whatever the weights", weights: []int{1, 9}, hold: true, judge: level},
	{scheduler: "wlc", property: "open connections as the weights, 1:3 within 2 %", weights: []int{1, 3}, hold: true, judge: shares(1, 3)},
	{scheduler: "sed", property: "the first two go to the heavier although the other idles; then 1:3 within 2 %", weights: []int{1, 3}, hold: true,
		judge: both(begins(2, 2), shares(1, 3))},
	{scheduler: "nq", property: "the first two use both servers, none waits; then 1:3 within 2 %", weights: []int{1, 3}, hold: true,
		judge: both(noneIdle, shares(1, 3))},
	{scheduler: "sh", property: "each of 49 clients keeps its server", weights: []int{1, 1}, sources: 49, judge: keeps(func(d draw) netip.Addr { return d.Source })},
	{scheduler: "mh", property: "each of 250 clients keeps its server; when one of three goes, at most 5 % of the others move", weights: []int{1, 1, 1}, edit: []int{1, 1}, sources: 250,
		judge: fewMove},
	{scheduler: "dh", property: "each of 21 addresses keeps its server, whoever the client is", weights: []int{1, 1}, sources: 50, targets: 21,
		judge: keeps(func(d draw) netip.Addr { return d.Target })},
	{scheduler: "lblc", property: "an address keeps its server until that has more connections than its weight (50), then moves over whole", weights: []int{50, 50}, hold: true, targets: 1,
		judge: movesOver(50)},
	{scheduler: "lblcr", property: "as lblc, but then both servers of the set share within 2 %", weights: []int{50, 50}, hold: true, targets: 1,
		judge: sharesOver(50)},
	{scheduler: "fo", property: "all to the heaviest; at its weight 0 all to the next", weights: []int{1, 5}, edit: []int{1, 0}, judge: failsOver},
	{scheduler: "ovf", property: "to the heavier until it has 600 connections, its weight, then to the next", weights: []int{500, 600}, hold: true, judge: overflows(600)},
}

// counts are the connections of each server, by its number; those of 0 failed.
func counts(draws []draw) map[byte]int {
	n := map[byte]int{}
	for _, d := range draws {
		n[d.Server]++
	}
	return n
}

// tally renders them: "500:500".
func tally(draws []draw, servers int) string {
	n := counts(draws)
	var parts []string
	for i := range servers {
		parts = append(parts, fmt.Sprint(n[byte(i+1)]))
	}
	text := strings.Join(parts, ":")
	if n[0] > 0 {
		text += fmt.Sprintf(", %d failed", n[0])
	}
	return text
}

// whole reports whether every connection was made.
func whole(draws []draw) bool { return len(draws) > 0 && counts(draws)[0] == 0 }

func inTurn(draws []draw, _ int) (bool, string) {
	repeats := 0
	for i := 1; i < len(draws); i++ {
		if draws[i].Server == draws[i-1].Server {
			repeats++
		}
	}
	return whole(draws) && repeats == 0 && len(counts(draws)) == 2, fmt.Sprintf("%d times twice in a row", repeats)
}

// shares demands that the connections are spread in the given proportion, within 2 % of each share.
func shares(proportion ...int) func([]draw, int) (bool, string) {
	return func(draws []draw, _ int) (bool, string) {
		sum := 0
		for _, p := range proportion {
			sum += p
		}
		n, worst := counts(draws), 0.0
		for i, p := range proportion {
			share := float64(len(draws)*p) / float64(sum)
			worst = max(worst, math.Abs(float64(n[byte(i+1)])-share)/share)
		}
		return whole(draws) && worst <= 0.02, fmt.Sprintf("off by %.1f %%", 100*worst)
	}
}

// level demands that two servers never have numbers of connections that differ by more than one.
func level(draws []draw, _ int) (bool, string) {
	n, worst := map[byte]int{}, 0
	for _, d := range draws {
		n[d.Server]++
		worst = max(worst, n[1]-n[2], n[2]-n[1])
	}
	return whole(draws) && worst <= 1, fmt.Sprintf("at most %d apart", worst)
}

// begins demands that the first connections go to the given servers.
func begins(servers ...byte) func([]draw, int) (bool, string) {
	return func(draws []draw, _ int) (bool, string) {
		ok := len(draws) >= len(servers)
		for i, want := range servers {
			ok = ok && draws[i].Server == want
		}
		return ok, "first " + first(draws, len(servers))
	}
}

func first(draws []draw, n int) string {
	var parts []string
	for _, d := range draws[:min(n, len(draws))] {
		parts = append(parts, fmt.Sprint(d.Server))
	}
	return strings.Join(parts, ",")
}

// noneIdle demands that the second connection goes where the first did not.
func noneIdle(draws []draw, _ int) (bool, string) {
	return len(draws) > 1 && draws[0].Server != draws[1].Server, "first " + first(draws, 2)
}

func both(a, b func([]draw, int) (bool, string)) func([]draw, int) (bool, string) {
	return func(draws []draw, changed int) (bool, string) {
		okA, saidA := a(draws, changed)
		okB, saidB := b(draws, changed)
		return okA && okB, saidA + "; " + saidB
	}
}

// keeps demands that what key says decides the server, and that each server has its part of the keys.
func keeps(key func(draw) netip.Addr) func([]draw, int) (bool, string) {
	return func(draws []draw, _ int) (bool, string) {
		home, moved := map[netip.Addr]byte{}, 0
		for _, d := range draws {
			if at, known := home[key(d)]; known && at != d.Server {
				moved++
			}
			home[key(d)] = d.Server
		}
		used := map[byte]int{}
		for _, server := range home {
			used[server]++
		}
		return whole(draws) && moved == 0 && len(used) == 2, fmt.Sprintf("%d moves; of the %d the servers have %d and %d", moved, len(home), used[1], used[2])
	}
}

// fewMove demands that clients keep their server, and that few move when the third of three goes, but for its own.
func fewMove(draws []draw, changed int) (bool, string) {
	home, moved := map[netip.Addr]byte{}, 0
	for _, d := range draws[:changed] {
		if at, known := home[d.Source]; known && at != d.Server {
			moved++
		}
		home[d.Source] = d.Server
	}
	later, left, others := map[netip.Addr]byte{}, 0, 0
	for _, d := range draws[changed:] {
		if at, known := later[d.Source]; known && at != d.Server || d.Server == 3 {
			moved++
		}
		later[d.Source] = d.Server
	}
	orphans := 0
	for client, server := range home {
		switch {
		case server == 3:
			orphans++
		case later[client] != server:
			left++
			others++
		default:
			others++
		}
	}
	return whole(draws) && moved == 0 && orphans > 0 && others > 0 && left*20 <= others,
		fmt.Sprintf("%d clients lost their server, of the %d others %d moved", orphans, others, left)
}

// movesOver demands that a server gets what its weight allows, and the other all that follows.
func movesOver(weight int) func([]draw, int) (bool, string) {
	return func(draws []draw, _ int) (bool, string) {
		n, ok := run(draws, weight)
		for _, d := range draws[n:] {
			ok = ok && d.Server != draws[0].Server
		}
		return ok, fmt.Sprintf("moved after %d", n)
	}
}

// sharesOver demands that a server gets what its weight allows, and that both have the same in the end.
func sharesOver(weight int) func([]draw, int) (bool, string) {
	return func(draws []draw, changed int) (bool, string) {
		n, ok := run(draws, weight)
		even, said := shares(1, 1)(draws, changed)
		return ok && even, fmt.Sprintf("grew after %d; %s", n, said)
	}
}

// run counts how many connections the first server got in a row, and says whether that is its weight, give or take two.
func run(draws []draw, weight int) (n int, ok bool) {
	for n < len(draws) && draws[n].Server == draws[0].Server {
		n++
	}
	return n, whole(draws) && n >= weight && n <= weight+2 && n < len(draws)
}

func failsOver(draws []draw, changed int) (bool, string) {
	wrong := 0
	for i, d := range draws {
		if i < changed && d.Server != 2 || i >= changed && d.Server != 1 {
			wrong++
		}
	}
	return whole(draws) && changed > 0 && changed < len(draws) && wrong == 0, fmt.Sprintf("%d elsewhere", wrong)
}

func overflows(weight int) func([]draw, int) (bool, string) {
	return func(draws []draw, _ int) (bool, string) {
		n, ok := run(draws, weight)
		for _, d := range draws[n:] {
			ok = ok && d.Server == 1
		}
		return ok && draws[0].Server == 2, fmt.Sprintf("overflowed after %d", n)
	}
}
