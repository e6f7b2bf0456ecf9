package director

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/lbha/lbha/ipvs"
)

func TestAReloadOfAWeightIsOneEdit(t *testing.T) {
	h, a, _ := startPair(t)
	h.wasAsked()
	written := h.writes()
	line := fmt.Sprintf("address = %q\n", a.Addr())
	h.edit(line, line+"weight = 7\n")
	if r := h.reload(); !r.OK {
		t.Fatalf("reload: %+v", r)
	}
	want := fmt.Sprintf("-e -t 10.9.0.100:80 -r %s -m -w 7\n", a.Addr())
	h.until("the weight is changed", func() bool { return strings.Contains(written(), want) })
	if got := written(); got != want {
		t.Errorf("operations:\n%s\nwant only:\n%s", got, want)
	}
	if asked := h.wasAsked(); asked != nil {
		t.Errorf("the elector was disturbed: %v", asked)
	}
}

// All servers die between two checks of each: the pool is never empty, the backup server is in before the last is out, and
// it does not take a write for each of them.
func TestAllServersDieAtOnce(t *testing.T) {
	h := newHost(t)
	var pool []net.Listener
	for range 40 {
		pool = append(pool, h.server())
	}
	sorry := h.server()
	h.write(append(pool, sorry)...)
	line := fmt.Sprintf("address = %q\n", sorry.Addr())
	h.edit(line, line+"backup = true\n")
	h.start()
	h.untilIn(pool...)
	h.kernel.Watch(func(op ipvs.Op, _, after ipvs.Table) {
		if p, ok := after[op.Key()]; ok && len(p.Servers) == 0 {
			t.Errorf("%s empties the pool", op)
		}
	})
	written, writes := h.writes(), h.kernel.Counts().Applies
	for _, s := range pool {
		s.Close()
	}
	h.until("only the backup serves", func() bool { return !slices.ContainsFunc(pool, h.inTable) && h.inTable(sorry) })
	if got := written(); strings.Count(got, "\n") != len(pool)+1 {
		t.Errorf("want %d operations:\n%s", len(pool)+1, got)
	}
	if writes = h.kernel.Counts().Applies - writes; writes > len(pool)/2 {
		t.Errorf("%d writes for %d servers", writes, len(pool))
	}
	if st := h.status(); st.Services[0].Servers[0].State != "down" {
		t.Errorf("status: %+v", st)
	}
}
