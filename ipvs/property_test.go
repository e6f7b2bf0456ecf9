package ipvs_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/ipvstest"
	"pgregory.net/rapid"
)

// step is one thing that happens to a reconciler.
type step struct {
	kind   string
	table  ipvs.Table    // wanted, or made by another program
	refuse ipvs.Action   // the kernel refuses it from now on
	pass   time.Duration // goes by
}

var steps = rapid.Custom(func(t *rapid.T) step {
	s := step{kind: rapid.SampledFrom([]string{"want", "want", "foreign", "refuse", "pass"}).Draw(t, "kind")}
	switch s.kind {
	case "want", "foreign":
		s.table = ipvstest.Tables().Draw(t, "table")
	case "refuse":
		s.refuse = ipvs.Action(rapid.IntRange(1, 6).Draw(t, "action"))
	case "pass":
		s.pass = time.Duration(rapid.IntRange(0, 15).Draw(t, "seconds")) * time.Second
	}
	return s
})

// TestReconcilerConverges has a director and other programs change things at
// random while the kernel refuses things at random. Once all is quiet the
// kernel holds what is wanted; and never did the reconciler empty a pool that
// was live before and is wanted live.
func TestReconcilerConverges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// Drawn before the bubble begins, and judged after it ended: rapid ends
		// a failed run by a panic, which is not to cross the bubble.
		list := rapid.SliceOfN(steps, 1, 10).Draw(rt, "steps")
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = play(t, list) })
		if len(wrong) > 0 {
			rt.Fatal(strings.Join(wrong, "\n"))
		}
	})
}

// play has the steps happen and returns what went wrong.
func play(t *testing.T, list []step) (wrong []string) {
	d := start(t, "")
	var wanted ipvs.Table
	d.kernel.Watch(func(op ipvs.Op, before, after ipvs.Table) {
		if k := op.Key(); live(before[k]) > 0 && live(after[k]) == 0 && live(wanted[k]) > 0 {
			wrong = append(wrong, op.String()+" empties its pool")
		}
	})
	for _, s := range list {
		switch s.kind {
		case "want":
			wanted = s.table
			d.set(ipvs.Want{Table: wanted, Exclusive: true})
		case "foreign":
			d.kernel.Foreign(ipvs.Diff(s.table, d.kernel.Table())...)
		case "refuse":
			d.kernel.Refuse(func(op ipvs.Op) error {
				if op.Action == s.refuse {
					return syscall.ENOMEM
				}
				return nil
			})
		case "pass":
			d.pass(s.pass)
		}
	}
	d.kernel.Refuse(nil)
	d.pass(20 * time.Second)
	if wanted == nil {
		return wrong
	}
	if got := d.kernel.Table(); !got.Equal(wanted) {
		wrong = append(wrong, "the kernel has:\n"+got.String()+"want:\n"+wanted.String())
	}
	if s := d.State(); !s.InSync || s.Err != nil || len(s.Pending) > 0 || !s.Table.Equal(wanted) {
		wrong = append(wrong, fmt.Sprintf("state: %+v", s))
	}
	return wrong
}

func live(p ipvs.Pool) (n int) {
	for _, s := range p.Servers {
		if s.Weight > 0 {
			n++
		}
	}
	return n
}
