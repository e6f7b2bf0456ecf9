package ipvs_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/ipvstest"
)

// TestACrashAtAnyOpConverges ends a process between any two of its operations, on the way from one table to another. Its
// successor, which knows what was owned, comes to the same table; on the way it empties no pool that serves and is to
// serve; and when it is there, it has nothing to do.
func TestACrashAtAnyOpConverges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		have, want := ipvstest.Tables().Draw(rt, "have"), ipvstest.Tables().Draw(rt, "want")
		ops := ipvs.Diff(want, have)
		for done := range len(ops) + 1 {
			var wrong []string
			synctest.Test(t, func(t *testing.T) {
				d := start(t, "")
				d.kernel.Foreign(ipvs.Diff(have, nil)...)
				d.kernel.Foreign(ops[:done]...)
				d.kernel.Watch(func(op ipvs.Op, before, after ipvs.Table) {
					if k := op.Key(); live(before[k]) > 0 && live(after[k]) == 0 && live(want[k]) > 0 {
						wrong = append(wrong, op.String()+" empties its pool")
					}
				})
				w := ipvs.Want{Table: want, Owned: have.Keys()}
				d.set(w)
				if got := d.kernel.Table(); !got.Equal(want) {
					wrong = append(wrong, "the kernel has:\n"+got.String()+"want:\n"+want.String())
				}
				before := len(d.kernel.Ops())
				d.set(w)
				if _, err := d.Sync(t.Context()); err != nil {
					wrong = append(wrong, err.Error())
				}
				for _, op := range d.kernel.Ops()[before:] {
					wrong = append(wrong, "once more: "+op.String())
				}
			})
			if len(wrong) > 0 {
				rt.Fatalf("dead after %d of %v:\n%s", done, ops, strings.Join(wrong, "\n"))
			}
		}
	})
}
