package herald

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// events collects what a herald reports.
type events struct {
	mu   sync.Mutex
	list []Event
}

func (e *events) report(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprint(e.list)
}

// notifying makes a herald for instances that all are told of in one way.
func notifying(t *testing.T, n config.Notify, instances ...string) (*Herald, *events) {
	t.Helper()
	e := new(events)
	h := New(nil, e.report)
	var list []config.Instance
	for _, name := range instances {
		list = append(list, config.Instance{Name: name, Notify: &n})
	}
	h.Update(list)
	t.Cleanup(h.Finish)
	return h, e
}

func sh(line string) config.Notify {
	return config.Notify{Command: []string{"/bin/sh", "-c", line, "sh"}, Timeout: time.Minute}
}

// flap is transition n of an instance that goes to and fro.
func flap(instance string, n int) Transition {
	t := Transition{Time: time.Date(2026, 3, 1, 12, 0, 0, n*1e6, time.UTC), Instance: instance, From: vrrp.Backup, To: vrrp.Master, Reason: "no-master", Priority: n}
	if n%2 == 1 {
		t.From, t.To, t.Reason = vrrp.Master, vrrp.Backup, "higher-priority"
	}
	return t
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never %s", what)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func TestACommandIsToldEverything(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	h, e := notifying(t, sh("echo \"$*\" >>"+log+"; env | grep LBHA_ | sort >>"+log), "web")
	x := flap("web", 150)
	x.Detail, x.Missed = "a b\nc", 3
	h.Tell(x)
	h.Tell(Transition{Instance: "other"})
	h.Finish()
	want := `web backup master no-master 150
LBHA_DETAIL=a b
LBHA_INSTANCE=web
LBHA_MISSED=3
LBHA_NEW_STATE=master
LBHA_OLD_STATE=backup
LBHA_PRIORITY=150
LBHA_REASON=no-master
LBHA_TIME=2026-03-01T12:00:00.150Z
`
	if got := read(t, log); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if e.String() != "[]" {
		t.Error(e)
	}
	if told := h.Told(); told["web"] != vrrp.Master {
		t.Errorf("told: %v", told)
	}
}

// TestOrderUnderFlaps has two instances go to and fro, with commands that take any time: each is told in order.
func TestOrderUnderFlaps(t *testing.T) {
	dir := t.TempDir()
	h, _ := notifying(t, sh(fmt.Sprintf("sleep 0.0$(($5 %% 4)); echo $2 $3 $5 >>%s/$1", dir)), "web", "mail")
	const flaps = 100 // of each
	for n := range flaps {
		until(t, "less to wait for", func() bool {
			a, _ := h.Status("web")
			b, _ := h.Status("mail")
			return max(a.Waiting, b.Waiting) < maxWaiting
		})
		h.Tell(flap("web", n))
		h.Tell(flap("mail", n))
	}
	h.Finish()
	for _, name := range []string{"web", "mail"} {
		var want strings.Builder
		for n := range flaps {
			x := flap(name, n)
			fmt.Fprintln(&want, x.From, x.To, n)
		}
		if got := read(t, filepath.Join(dir, name)); got != want.String() {
			t.Errorf("%s was told\n%s", name, got)
		}
	}
}

// TestOverflow holds that what is left out is old, and is counted, and that the newest is told.
func TestOverflow(t *testing.T) {
	dir := t.TempDir()
	h, _ := notifying(t, sh(fmt.Sprintf("until test -e %[1]s/go; do sleep 0.01; done; echo $5 $LBHA_MISSED >>%[1]s/log", dir)), "web")
	const flaps = 1000
	start := time.Now()
	for n := range flaps {
		h.Tell(flap("web", n))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("telling of %d transitions took %v", flaps, took)
	}
	until(t, "running", func() bool { st, _ := h.Status("web"); return st.Running > 0 })
	st, ok := h.Status("web")
	if !ok || st.Waiting != maxWaiting+1 || st.Dropped != flaps-maxWaiting-1 {
		t.Errorf("status %+v", st)
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	until(t, "told", func() bool { st, _ := h.Status("web"); return st.Waiting == 0 })
	total, last, lines := 0, -1, 0
	for line := range strings.Lines(read(t, filepath.Join(dir, "log"))) {
		var n, missed int
		if _, err := fmt.Sscan(line, &n, &missed); err != nil {
			t.Fatal(err)
		}
		if n != last+missed+1 {
			t.Errorf("%d is told after %d, with %d missed", n, last, missed)
		}
		last, total, lines = n, total+missed, lines+1
	}
	if last != flaps-1 || lines != maxWaiting+1 || total != flaps-lines {
		t.Errorf("%d lines, the last %d, %d missed", lines, last, total)
	}
}

func TestAStuckCommandIsKilledAndTheNextIsTold(t *testing.T) {
	dir := t.TempDir()
	n := sh(fmt.Sprintf("test $3 = master && { echo stuck; trap '' TERM; sleep 1000; }; echo $3 >>%s/$1", dir))
	n.Timeout = 300 * time.Millisecond
	h, e := notifying(t, n, "web", "mail")
	h.Tell(flap("web", 0))
	h.Tell(flap("web", 1))
	h.Tell(flap("mail", 1))
	until(t, "told", func() bool { return read(t, dir+"/web") == "backup\n" && read(t, dir+"/mail") == "backup\n" })
	until(t, "counted", func() bool {
		st, _ := h.Status("web")
		return st.Ran == 2 && st.Failed == 1 && strings.HasPrefix(st.Last, "exit status 0")
	})
	if got := e.String(); !strings.HasPrefix(got, "[{web failed /bin/sh for backup → master: killed at its deadline after ") || !strings.Contains(got, ": stuck}") {
		t.Error(got)
	}
}

func TestACommandThatCannotRunIsReported(t *testing.T) {
	h, e := notifying(t, config.Notify{Command: []string{"/usr/absent"}, Timeout: time.Second}, "web")
	h.Tell(flap("web", 0))
	until(t, "reported", func() bool { return strings.Contains(e.String(), "not-run") })
	if st, _ := h.Status("web"); st.NotRun != 1 || st.Ran != 0 {
		t.Errorf("status %+v", st)
	}
}

// TestTheEndIsBounded holds that a stop tells what waits as long as it may, and no longer.
func TestTheEndIsBounded(t *testing.T) {
	t.Parallel()
	h, e := notifying(t, sh("sleep 1000"), "web")
	for n := range 3 {
		h.Tell(flap("web", n))
	}
	start := time.Now()
	h.Finish()
	if took := time.Since(start); took < drainLimit || took > drainLimit+20*time.Second {
		t.Errorf("the end took %v", took)
	}
	if got := e.String(); !strings.Contains(got, "{web not-told 3 transitions were not told before the end}") {
		t.Error(got)
	}
	h.Tell(flap("web", 4)) // is too late, and harmless
}

// TestTheLastWordsOfAnInstanceAreTold holds that an update does not silence what is on its way.
func TestTheLastWordsOfAnInstanceAreTold(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	h, _ := notifying(t, sh("sleep 0.1; echo $1 $3 >>"+log), "web")
	h.Tell(flap("web", 0))
	h.Update(nil)
	h.Tell(Transition{Instance: "web", From: vrrp.Master, To: vrrp.Initialize})
	until(t, "told", func() bool { return read(t, log) == "web master\nweb initialize\n" })
	if _, ok := h.Status("web"); ok {
		t.Error("it has a status still")
	}
	until(t, "forgotten", func() bool { h.Update(nil); return len(h.Told()) == 0 })
}

// TestACommandIsTakenAwayWhileTransitionsWait: a reload that leaves only the stream, or nothing, does not end the
// telling of those that wait: their command is not in the configuration any more, and nobody is told by it.
func TestACommandIsTakenAwayWhileTransitionsWait(t *testing.T) {
	dir := t.TempDir()
	h, e := notifying(t, sh("touch "+dir+"/began; while ! test -e "+dir+"/go; do sleep 0.01; done; echo $5 >>"+dir+"/log"), "web")
	for n := range 3 {
		h.Tell(flap("web", n))
	}
	until(t, "began", func() bool { _, err := os.Stat(dir + "/began"); return err == nil })
	h.Update([]config.Instance{{Name: "web", Notify: &config.Notify{Stream: dir + "/none"}}})
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "idle", func() bool { s, _ := h.Status("web"); return s.Waiting == 0 })
	if got := read(t, dir+"/log"); got != "0\n" {
		t.Errorf("the command was told %q", got)
	}
	if s, _ := h.Status("web"); s.Ran != 1 || s.Dropped != 2 {
		t.Errorf("%+v", s)
	}
	if told := h.Told(); told["web"] != vrrp.Master {
		t.Errorf("told %v", told)
	}
	if e.String() != "[]" {
		t.Error(e)
	}
}
