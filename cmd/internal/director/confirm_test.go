package director

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
)

// endless is a time for the confirmation that no test lives to see the end of.
const endless = admin.MaxConfirm

// try reloads on trial.
func (h *host) try(within time.Duration) *admin.ReloadResult {
	h.t.Helper()
	r, err := h.client.Reload(context.Background(), admin.ReloadRequest{Confirm: within})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// finding is the message of what is wrong with the last reload, by reason; empty: it is not.
func (h *host) finding(reason string) string {
	h.t.Helper()
	for _, f := range h.status().Findings {
		if f.Object == "reload" && f.Reason == reason {
			return f.Message
		}
	}
	return ""
}

// reloads are the reasons of the journal's events of reloads, in order.
func (h *host) reloads() (reasons []string) {
	h.t.Helper()
	for _, e := range h.events() {
		if e.Kind == "reload" && e.Reason != "trial-not-kept" { // where the test keeps its state is not always in memory
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

func (h *host) onFile(servers ...net.Listener) (hash string) {
	h.t.Helper()
	h.write(servers...)
	cfg, err := config.Load(h.path())
	if err != nil {
		h.t.Fatal(err)
	}
	return cfg.Hash
}

func TestAReloadThatNobodyConfirmsIsTakenBack(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	former := h.onFile(a)
	h.start()
	h.untilIn(a)
	tried := h.onFile(a, b)
	r := h.try(admin.MinConfirm)
	if !r.OK || r.Hash != tried || r.Trial == nil || r.Trial.Former != former || r.Trial.By == "" || r.Trial.Within != admin.MinConfirm {
		t.Fatalf("reload: %+v, trial %+v", r, r.Trial)
	}
	h.until("taken back", func() bool { return h.hash() == former })
	h.until("told", func() bool { return h.status().Config.Trials.Reverted == 1 })
	h.untilOut(b)
	if !h.inTable(a) {
		t.Error("the server of both configurations went")
	}
	st := h.status()
	if tr := st.Config.Trial; tr != nil {
		t.Errorf("still on trial: %+v", tr)
	}
	if last := st.Config.Reload; !last.OK || last.Reverted != "nobody confirmed it within 1s" {
		t.Errorf("the last reload: %+v", last)
	}
	// What the file says is not what is in force, and everybody who looks is told so.
	if got := h.finding("reverted"); !strings.Contains(got, h.path()+" says otherwise") {
		t.Errorf("finding %q", got)
	}
	if p, err := h.client.Plan(t.Context(), admin.PlanRequest{}); err != nil || p.Hash != tried || len(p.Changes) == 0 {
		t.Errorf("plan: %+v, %v", p, err)
	}
	if r := h.reload(); !r.OK || r.Hash != tried || h.finding("reverted") != "" {
		t.Errorf("reload: %+v; finding %q", r, h.finding("reverted"))
	}
	if got, want := strings.Join(h.reloads(), ", "), "on-trial, reverted, reloaded"; got != want {
		t.Errorf("the journal has %q, want %q", got, want)
	}
}

func TestAConfirmedReloadStays(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a)
	h.start()
	if _, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{}); err == nil || err.Error() != errNothingWaits.Error() {
		t.Errorf("a confirmation of nothing: %v", err)
	}
	tried := h.onFile(a, b)
	h.try(endless)
	st := h.status()
	if tr := st.Config.Trial; tr == nil || tr.State != "waiting" || tr.Left <= 23*time.Hour || tr.Left > endless || tr.By == "" {
		t.Errorf("on trial: %+v", tr)
	}
	if r, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{}); err != nil || !r.OK || r.Hash != tried {
		t.Errorf("confirm: %+v, %v", r, err)
	}
	for range 2 {
		st := h.status()
		if st.Config.Trial != nil || st.Config.Hash != tried {
			t.Errorf("in force: %+v", st.Config)
		}
		for _, revert := range []bool{false, true} {
			if _, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{Revert: revert}); err == nil || err.Error() != errNothingWaits.Error() {
				t.Errorf("confirmed again, revert %v: %v", revert, err)
			}
		}
		h.stop()
		h.start() // a successor knows it, too
	}
}

// That the file says otherwise is true until the next reload, whoever asks.
func TestATakenBackReloadIsToldByASuccessor(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	former := h.onFile(a)
	h.start()
	tried := h.onFile(a, b)
	h.try(endless)
	if r, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{Revert: true}); err != nil || !r.OK {
		t.Fatalf("reverted: %+v, %v", r, err)
	}
	for range 2 {
		before, found := h.status().Config.Reload, h.finding("reverted")
		h.stop()
		h.start()
		after := h.status().Config.Reload
		if h.hash() != former || found == "" || h.finding("reverted") != found {
			t.Errorf("the finding was %q, and is %q", found, h.finding("reverted"))
		}
		if after == nil || after.Reverted != before.Reverted || after.File != before.File {
			t.Errorf("the last reload was %+v, and is %+v", before, after)
		}
	}
	if r := h.reload(); !r.OK || r.Hash != tried || h.finding("reverted") != "" {
		t.Errorf("reload: %+v; finding %q", r, h.finding("reverted"))
	}
	h.stop()
	h.start()
	if got := h.finding("reverted"); got != "" || h.hash() != tried {
		t.Errorf("finding %q after another reload", got)
	}
}

func TestATrialIsEndedByHand(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	former := h.onFile(a)
	h.start()
	h.onFile(a, b)
	h.try(endless)
	h.write(a) // somebody puts the file back, too
	r, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{Revert: true})
	if err != nil || !r.OK || r.Hash != former || len(r.Changes) == 0 {
		t.Fatalf("reverted: %+v, %v", r, err)
	}
	if got := h.finding("reverted"); got != "" {
		t.Errorf("finding %q, though the file says what is in force", got)
	}
	if last := h.status().Config.Reload; !strings.HasSuffix(last.Reverted, "took it back") {
		t.Errorf("the last reload: %+v", last)
	}
}

func TestThereIsNoOtherReloadDuringATrial(t *testing.T) {
	h := newHost(t)
	a, b, c := h.server(), h.server(), h.server()
	h.write(a)
	h.start()
	tried := h.onFile(a, b)
	h.try(endless)
	h.write(a, b, c)
	for _, within := range []time.Duration{0, endless} {
		if r := h.try(within); r.OK || r.Applied || !strings.Contains(r.Error, "keep it with `lbha confirm`") || r.Hash != tried || r.Trial == nil {
			t.Errorf("reload with %v: %+v", within, r)
		}
	}
	p, err := h.client.Plan(t.Context(), admin.PlanRequest{})
	if err != nil || len(p.Changes) == 0 || !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "would be refused now") }) {
		t.Errorf("plan: %+v, %v", p, err)
	}
	if _, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{}); err != nil {
		t.Fatal(err)
	}
	if r := h.reload(); !r.OK || r.Hash == tried {
		t.Errorf("reload after the trial: %+v", r)
	}
	for _, within := range []time.Duration{-1, admin.MinConfirm - 1, admin.MaxConfirm + 1} {
		if r := h.try(within); r.OK || !strings.Contains(r.Error, "want 1s to 24h") {
			t.Errorf("a trial of %v: %+v", within, r)
		}
	}
	if r := h.try(endless); !r.OK || r.Trial != nil {
		t.Errorf("what is in force already is not on trial: %+v", r)
	}
}

// An order for a server is the operator's, not the configuration's: it returns with the server.
func TestOrdersReturnWithTheFormerConfiguration(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	h.start()
	h.untilIn(a, b)
	if err := h.client.Server(t.Context(), admin.ServerRequest{Service: "www", Server: b.Addr().String(), Action: admin.Disable, Reason: "broken"}); err != nil {
		t.Fatal(err)
	}
	h.write(a)
	h.try(endless)
	if n := len(h.status().Services[0].Servers); n != 1 {
		t.Fatalf("%d servers on trial", n)
	}
	if r, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{Revert: true}); err != nil || !r.OK {
		t.Fatalf("reverted: %+v, %v", r, err)
	}
	if got := h.status().Services[0].Servers[1].Order; !strings.HasSuffix(got, ": broken") {
		t.Errorf("the order is %q", got)
	}
	if h.inTable(b) {
		t.Error("a disabled server is in the table again")
	}
}

// A process that dies does not know what it was about to do; its successor does.
func TestATrialOutlivesTheProcess(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	former := h.onFile(a)
	h.start()
	tried := h.onFile(a, b)
	h.try(2 * time.Second)
	since := h.status().Config.Trial.Since
	h.stop()
	h.start()
	// It is the trial that it was. On a crowded machine its end may have come.
	if st := h.status(); st.Config.Hash == tried && (st.Config.Trial == nil || !st.Config.Trial.Since.Equal(since)) {
		t.Errorf("after the restart: %+v, trial %+v", st.Config, st.Config.Trial)
	}
	h.until("taken back", func() bool { return h.hash() == former && h.status().Config.Trial == nil })
}

func TestAReturnThatIsRefusedIsTold(t *testing.T) {
	h := newHost(t)
	former := h.onFile(h.server())
	h.start()
	h.otherRouter()
	tried := h.try(endless).Hash
	h.refuse <- "no such luck"
	r, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{Revert: true})
	if err != nil || r.Applied || r.Hash != tried || !strings.Contains(r.Error, "no such luck") {
		t.Fatalf("reverted: %+v, %v", r, err)
	}
	if tr := h.status().Config.Trial; tr == nil || tr.State != "stuck" || !strings.Contains(tr.Error, "no such luck") {
		t.Errorf("trial: %+v", tr)
	}
	if got := h.finding("not-reverted"); !strings.Contains(got, "no such luck") {
		t.Errorf("finding %q", got)
	}
	if r := h.reload(); r.OK || !strings.Contains(r.Error, "cannot be put in force again") {
		t.Errorf("reload: %+v", r)
	}
	if r, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{Revert: true}); err != nil || !r.OK || r.Hash != former {
		t.Errorf("tried again: %+v, %v", r, err)
	}
	if got := h.finding("not-reverted"); got != "" {
		t.Errorf("finding %q when it is over", got)
	}
	if got := h.status().Config.Trials; got != (observe.Trials{Reverted: 1, Failed: 1}) {
		t.Errorf("counted: %+v", got)
	}
}

// Many confirm at the very end, and some go back: whatever one of them is told is what happens.
func TestAConfirmationAtTheDeadlineHasOneOutcome(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	former := h.onFile(a)
	h.start()
	tried := h.onFile(a, b)
	r := h.try(admin.MinConfirm)
	time.Sleep(r.Trial.Left - 30*time.Millisecond)
	var group sync.WaitGroup
	var mu sync.Mutex
	kept, back := 0, 0
	for n := range 8 {
		group.Go(func() {
			for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				r, err := h.client.Confirm(context.Background(), admin.ConfirmRequest{Revert: n == 0})
				mu.Lock()
				switch {
				case err != nil:
				case n == 0 && r.OK:
					back++
				default:
					kept++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	h.until("over", func() bool { return h.status().Config.Trial == nil })
	h.until("counted", func() bool { tr := h.status().Config.Trials; return tr.Confirmed+tr.Reverted == 1 })
	tr := h.status().Config.Trials
	want := former
	if kept > 0 {
		want = tried
	}
	if got := h.hash(); got != want || kept+back > 1 || int(tr.Confirmed) != kept || kept+int(tr.Reverted) != 1 {
		t.Errorf("%d were told that it stays, %d that it is taken back; counted %+v; in force %.12s, want %.12s", kept, back, tr, got, want)
	}
}
