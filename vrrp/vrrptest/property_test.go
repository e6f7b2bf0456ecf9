package vrrptest

import (
	"bytes"
	"flag"
	"strings"
	"testing"
)

var (
	seeds   = flag.Int("seeds", 3000, "how many random schedules to run")
	from    = flag.Uint64("from", 1, "the first of them")
	oneSeed = flag.Uint64("seed", 0, "run only the schedule of this seed, and print its transcript")
)

// failedSeeds are schedules beyond the default number that once found a mistake:
// a resumed master that did not announce after a split, a last word of a loser
// that hid the resignation of the winner.
var failedSeeds = []uint64{16497, 93892}

// TestProperties runs random schedules of faults. In all of them what check.go
// knows must hold at every step, and after healing one master must remain, the
// right one, known to the clients; when it ends, the best backup must follow.
func TestProperties(t *testing.T) {
	if *oneSeed != 0 {
		report(t, *oneSeed, true)
		return
	}
	for _, seed := range failedSeeds {
		report(t, seed, false)
	}
	for i := range uint64(*seeds) {
		report(t, *from+i, false)
		if t.Failed() {
			return
		}
	}
}

// report plays a seed, and prints its transcript if it fails.
func report(t *testing.T, seed uint64, always bool) {
	t.Helper()
	problems := play(seed, nil, nil)
	if len(problems) == 0 && !always {
		return
	}
	var out bytes.Buffer
	play(seed, nil, &out)
	t.Logf("transcript of seed %d:\n%s", seed, out.String())
	if len(problems) > 0 {
		t.Errorf("seed %d:\n%s", seed, strings.Join(problems, "\n"))
	}
}
