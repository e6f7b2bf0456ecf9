package vrrptest

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/vrrp"
)

var (
	seeds   = flag.Int("seeds", schedules, "how many random schedules of each kind to run")
	from    = flag.Uint64("from", 1, "the first of them")
	oneSeed = flag.Uint64("seed", 0, "run only the schedule of this seed, and print its transcript")
)

// TestProperties runs random schedules of faults. In all of them what check.go
// knows must hold at every step, and after healing one master must remain, the
// right one, known to the clients; when it ends, the best backup must follow.
//
// The same for sync groups, which have to be of one role besides, on two or three
// segments whose faults are independent.
//
// A tenth as many of both are harsh: see harsh_test.go.
func TestProperties(t *testing.T) {
	t.Run("alone", func(t *testing.T) { explore(t, kind{}) })
	t.Run("grouped", func(t *testing.T) { explore(t, kind{grouped: true}) })
	t.Run("harsh", func(t *testing.T) { explore(t, kind{harsh: true}) })
	t.Run("harsh, grouped", func(t *testing.T) { explore(t, kind{harsh: true, grouped: true}) })
}

// TestRareSchedules plays what was found far beyond the seeds that TestProperties plays each time.
func TestRareSchedules(t *testing.T) {
	for _, s := range []struct {
		name string
		seed uint64
		kind kind
	}{
		{"the only answer to a stranger is overtaken by what it answers", 21107, kind{}},
		{"and in a group", 38255, kind{grouped: true}},
		{"a send failed because the link went down, and keeps the better group from preempting", 59816, kind{grouped: true}},
		{"who was master would win by itself, is bound by its group, and told clients unheard", 44914, kind{grouped: true}},
	} {
		t.Run(s.name, func(t *testing.T) { report(t, s.seed, s.kind, false) })
	}
}

func explore(t *testing.T, k kind) {
	if *oneSeed != 0 {
		report(t, *oneSeed, k, true)
		return
	}
	t.Parallel()
	n := uint64(*seeds)
	if k.harsh { // they have long ones among them
		n /= 10
	}
	for i := range n {
		report(t, *from+i, k, false)
		if t.Failed() {
			return
		}
	}
}

// report plays a seed, and prints its transcript if it fails.
func report(t *testing.T, seed uint64, k kind, always bool) {
	t.Helper()
	problems := play(seed, k, nil)
	if len(problems) == 0 && !always {
		return
	}
	var out bytes.Buffer
	play(seed, k, &out)
	t.Logf("transcript of seed %d:\n%s", seed, out.String())
	if len(problems) > 0 {
		t.Errorf("seed %d:\n%s", seed, strings.Join(problems, "\n"))
	}
}

// TestGroupOfOne: it is its machine, to the last effect.
func TestGroupOfOne(t *testing.T) {
	whole := kind{spoilGroup: func(g *vrrp.Group, _ []*vrrp.Machine) Group { return g }}
	for seed := range uint64(300) {
		var alone, grouped bytes.Buffer
		play(seed+1, kind{}, &alone)
		play(seed+1, whole, &grouped)
		if diff := cmp.Diff(alone.String(), grouped.String()); diff != "" {
			t.Fatalf("seed %d: a machine, and a group of one (-+):\n%s", seed+1, diff)
		}
	}
}
