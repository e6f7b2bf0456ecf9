package director

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

func TestServersComeAndGoWithTheirHealth(t *testing.T) {
	h, a, b := newPair(t)
	h.start()
	if got, want := strings.Join(h.wasAsked(), ", "), "prepare 1, prepare 1, commit"; got != want {
		t.Errorf("the elector was asked %q, want %q", got, want)
	}
	h.untilIn(a, b)
	b.Close()
	h.untilOut(b)
	if !h.inTable(a) {
		t.Error("the healthy server went too")
	}
	st := h.status()
	if got := st.Instances[0].State; got != "master" {
		t.Errorf("instance is %s, want what the elector said", got)
	}
	if r := st.Services[0].Servers[1]; r.State != "down" || !strings.Contains(r.Reason, "refused") {
		t.Errorf("status of b: %+v; want down, refused", r)
	}
	events := h.events()
	if !slices.ContainsFunc(events, func(e observe.Event) bool {
		return e.Kind == "server" && e.Reason == "refused" && e.Object == "www/"+b.Addr().String()
	}) {
		t.Errorf("the journal does not say why b went: %+v", events)
	}
}

func TestAPanicIsShown(t *testing.T) {
	h, a, b := newPair(t)
	h.edit(`scheduler = "rr"`, "scheduler = \"rr\"\npanic_threshold = 0.6")
	h.start()
	h.untilIn(a, b)
	b.Close()
	h.until("panic shown", func() bool {
		st, err := h.client.Status(t.Context())
		return err == nil && st.Services[0].Panic && slices.ContainsFunc(st.Findings, func(f observe.Finding) bool { return f.Object == "www" && f.Reason == "panic" })
	})
	if !h.inTable(b) {
		t.Error("the dead server was removed in a panic")
	}
}

func TestARestartTouchesNothingThatIsRight(t *testing.T) {
	h, a, b := newPair(t)
	h.start()
	h.untilIn(a, b)
	h.stop()
	written := h.writes()
	for _, loss := range []string{"nothing", "the memory file", "every saved state"} {
		if loss != "nothing" {
			h.forget()
		}
		if loss == "every saved state" {
			os.Remove(filepath.Join(h.dir, stateFile))
		}
		h.start()
		time.Sleep(300 * time.Millisecond) // three rounds of checks
		h.stop()
		if got := written(); got != "" {
			t.Errorf("a restart that lost %s wrote to the table:\n%s", loss, got)
		}
	}
}

func TestADeadServerDoesNotReturnByARestart(t *testing.T) {
	h, a, b := newPair(t)
	h.start()
	b.Close()
	h.until("a in and b out", func() bool { return h.inTable(a) && !h.inTable(b) })
	h.stop()
	written := h.writes()
	h.start()
	time.Sleep(300 * time.Millisecond)
	if got := written(); got != "" {
		t.Errorf("a restart wrote to the table:\n%s", got)
	}
}

func TestReloadTouchesOnlyWhatDiffers(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a)
	h.start()
	h.untilIn(a)
	h.wasAsked()
	written := h.writes()
	if r := h.reload(); !r.OK || len(r.Changes) != 0 {
		t.Errorf("reload of the same: %+v; want no change", r)
	}
	h.write(a, b)
	if r := h.reload(); !r.OK || len(r.Changes) == 0 {
		t.Errorf("reload with one more server: %+v", r)
	}
	h.untilIn(b)
	if got, want := written(), fmt.Sprintf("-a -t 10.9.0.100:80 -r %s -m -w 1\n", b.Addr()); got != want {
		t.Errorf("operations:\n%swant:\n%s", got, want)
	}
	if asked := h.wasAsked(); asked != nil {
		t.Errorf("the elector was disturbed: %v", asked)
	}
}

func TestABadReloadChangesNothing(t *testing.T) {
	h := newHost(t)
	a := h.server()
	h.write(a)
	h.start()
	h.untilIn(a)
	hash, good, written := h.hash(), h.text(), h.writes()
	for name, text := range map[string]string{
		"syntax":      good + "\n[[service]\n",
		"unknown key": good + "\n[nonsense]\n",
		"garbage":     "\x00\xff\x1b[2J",
		"half":        good[:len(good)/2],
		"VRID 0":      strings.Replace(good, "id = 51", "id = 0", 1),
		"bad VIP":     strings.Replace(good, "10.9.0.100/32", "10.9.0.300/32", 1),
		"bad name":    strings.Replace(good, `interface = "eth0"`, `interface = "no such interface"`, 1),
		"restart":     strings.Replace(good, "lbha.sock", "other.sock", 1),
	} {
		h.writeText(text)
		r := h.reload()
		if r.OK || r.Error == "" {
			t.Errorf("%s: %+v; want a refusal with its reason", name, r)
		}
		if name != "restart" && (len(r.Diagnostics) == 0 || !strings.Contains(r.Diagnostics[0], h.path()+":")) {
			t.Errorf("%s: diagnostics %q; want a position", name, r.Diagnostics)
		}
		if r.Hash != hash {
			t.Errorf("%s: hash in force is %s, want %s", name, r.Hash, hash)
		}
	}
	h.write(a, h.server())
	h.otherRouter() // the elector refuses
	h.refuse <- "no such luck"
	if r := h.reload(); r.OK || !strings.Contains(r.Error, "no such luck") {
		t.Errorf("the elector refused: %+v", r)
	}
	if st := h.status(); st.Config.Reload == nil || st.Config.Reload.OK {
		t.Errorf("status does not tell of the refusal: %+v", st)
	}
	time.Sleep(250 * time.Millisecond)
	if got := written(); got != "" {
		t.Errorf("a refused reload wrote to the table:\n%s", got)
	}
}

func TestPlanIsWhatReloadDoes(t *testing.T) {
	h, a, b := startPair(t)
	h.write(a)
	plan, err := h.client.Plan(t.Context(), admin.PlanRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var planned strings.Builder
	for _, c := range plan.Changes {
		if c.Kind == "table" {
			fmt.Fprintln(&planned, c.Text)
		}
	}
	if !h.inTable(b) {
		t.Fatal("a plan changed the table")
	}
	written := h.writes()
	h.reload()
	if got := written(); got != planned.String() || strings.Count(got, "\n") != 1 {
		t.Errorf("planned:\n%sdone:\n%s", &planned, got)
	}
}

func TestASecondDaemonIsRefused(t *testing.T) {
	h := newHost(t)
	h.write(h.server())
	h.start()
	if _, err := admin.Listen(h.control()); !errors.Is(err, admin.ErrBusy) {
		t.Errorf("a second daemon on the same socket: %v, want ErrBusy", err)
	}
	if _, err := h.client.Status(t.Context()); err != nil {
		t.Errorf("the first one was disturbed: %v", err)
	}
}
