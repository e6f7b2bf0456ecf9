package director

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/lbha/lbha/ipvs"
)

// since is what was written to the table after the first n operations.
func (h *host) since(n int) string {
	var done []string
	for _, op := range h.kernel.Ops()[n:] {
		done = append(done, op.String())
	}
	return strings.Join(done, "\n")
}

func TestAReloadOfAWeightIsOneEdit(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	h.start()
	h.until("both in", func() bool { return h.inTable(a) && h.inTable(b) })
	h.wasAsked()
	before := len(h.kernel.Ops())
	line := fmt.Sprintf("address = %q\n", a.Addr())
	h.edit(line, line+"weight = 7\n")
	if r := h.reload(); !r.OK {
		t.Fatalf("reload: %+v", r)
	}
	want := fmt.Sprintf("-e -t 10.9.0.100:80 -r %s -m -w 7", a.Addr())
	h.until("the weight is changed", func() bool { return strings.Contains(h.since(before), want) })
	if got := h.since(before); got != want {
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
	h.until("all in", func() bool {
		for _, s := range pool {
			if !h.inTable(s) {
				return false
			}
		}
		return true
	})
	h.kernel.Watch(func(op ipvs.Op, _, after ipvs.Table) {
		if p, ok := after[op.Key()]; ok && len(p.Servers) == 0 {
			t.Errorf("%s empties the pool", op)
		}
	})
	before, writes := len(h.kernel.Ops()), h.kernel.Counts().Applies
	for _, s := range pool {
		s.Close()
	}
	h.until("only the backup serves", func() bool {
		for _, s := range pool {
			if h.inTable(s) {
				return false
			}
		}
		return h.inTable(sorry)
	})
	if n := len(h.kernel.Ops()) - before; n != len(pool)+1 {
		t.Errorf("%d operations, want %d:\n%s", n, len(pool)+1, h.since(before))
	}
	if writes = h.kernel.Counts().Applies - writes; writes > len(pool)/2 {
		t.Errorf("%d writes for %d servers", writes, len(pool))
	}
	st, err := h.client.Status(context.Background())
	if err != nil || st.Services[0].Servers[0].State != "down" {
		t.Errorf("status: %+v, %v", st, err)
	}
}
