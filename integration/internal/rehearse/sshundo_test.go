package rehearse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/script"
)

const handOver = "title hand-over\nlength 2s\nat 100ms failover d1\nexpect holder is d2 at end\n"

// What a scenario leaves is taken back when it is over, and the report says so.
func TestSSHTakesBackWhatIsLeft(t *testing.T) {
	t.Parallel()
	pair, said := fakePair(t, false)
	r := Play(context.Background(), pair, parse(t, handOver), t.Logf)
	want := "one: lbha failover\none: lbha failover --lift\n"
	if !r.OK || said() != want || !slices.Contains(r.Run.Notes, "taken back at the end: one: lbha failover --lift") {
		t.Errorf("%+v; %s; said\n%s", r.Findings, r.Error, said())
	}
}

// Who interrupts a scenario finds the pair as it was.
func TestSSHTakesBackAfterAnInterrupt(t *testing.T) {
	t.Parallel()
	pair, said := fakePair(t, false)
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	pair.Say = func(format string, args ...any) {
		if strings.Contains(fmt.Sprintf(format, args...), "failover d1 on one") {
			time.AfterFunc(300*time.Millisecond, interrupt)
		}
	}
	r := Play(ctx, pair, parse(t, strings.Replace(handOver, "2s", "2h", 1)), t.Logf)
	want := "one: lbha failover\none: lbha failover --lift\n"
	if r.OK || said() != want || !strings.Contains(r.Error, "context canceled") || r.Picture == "" {
		t.Errorf("%s; said\n%s", r.Error, said())
	}
}

// After a step that failed the pair is not what the next one was written for.
func TestSSHEndsWithAStepThatFails(t *testing.T) {
	t.Parallel()
	pair, said := fakePair(t, false)
	if err := os.WriteFile(filepath.Join(filepath.Dir(pair.Command), "changed"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r := Play(context.Background(), pair, parse(t, `title t
length 2h
at 100ms failover d1
at 200ms reload d2
at 300ms status d1
expect holder is d1 at end
`), t.Logf)
	want := "one: lbha failover\none: lbha failover --lift\n"
	if r.OK || said() != want || !strings.Contains(r.Error, "would change something: edit  www; nothing more is done") {
		t.Errorf("%s; said\n%s", r.Error, said())
	}
}

// A connection that is lost in the middle of a command ends in time, with all that was started for it. What the command may have done is
// taken back.
func TestSSHLosesTheConnection(t *testing.T) {
	t.Parallel()
	pair, said := fakePair(t, true)
	if err := os.WriteFile(filepath.Join(filepath.Dir(pair.Command), "lost"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := pair.do(ctx, script.Clause{Form: script.Stop, Hosts: []string{"d1"}, Text: "stop d1"})
	if err == nil || !strings.Contains(err.Error(), "whether it was done is not known") || time.Since(begin) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	if done, err := pair.settle(context.Background()); err != nil || len(done) != 1 || !strings.HasSuffix(said(), "one: systemctl start lbha\n") {
		t.Errorf("%q, %v; said %s", done, err, said())
	}
}

// What cannot be taken back is told with the command that does it.
func TestSSHTellsWhatIsLeftBehind(t *testing.T) {
	t.Parallel()
	pair := &SSH{Remote: Remote{Hosts: [2]string{"one", "two"}, Command: "/nonexistent/ssh"}, owed: []debt{{"d2", "lbha failover --lift"}}}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := pair.settle(ctx); err == nil || !strings.Contains(err.Error(), "LEFT BEHIND; to be done by hand: two: lbha failover --lift") {
		t.Error(err)
	}
}

// Nothing that stops one director is done while the other does not answer.
func TestSSHLeavesSomebody(t *testing.T) {
	t.Parallel()
	pair, said := fakePair(t, true)
	w := newWatcher()
	step := script.Step{Clause: script.Clause{Form: script.Stop, Hosts: []string{"d1"}, Text: "stop d1"}}
	if _, err := pair.step(context.Background(), w, step); !errors.Is(err, errUnbacked) || said() != "" {
		t.Errorf("%v; said %s", err, said())
	}
}

func TestSSHAnnounces(t *testing.T) {
	t.Parallel()
	pair := &SSH{Remote: Remote{Hosts: [2]string{"lb1", "lb2"}, Really: true, Sudo: true}}
	s := parse(t, "title T\nlength 9s\nat 1s failover d1\nat 4s lift d1\nat 5s reload d2\nat 6s kill d2 elector\nexpect holder is d1 at end\n")
	got := strings.Join(pair.Announce(s), "\n")
	pair.Really, pair.Sudo = false, false
	got += "\n" + pair.Announce(s)[3]
	want := `pair: T (9s); on d1 = lb1 and d2 = lb2:
  at 1s      lb1: sudo -n lbha failover
  at 4s      lb1: sudo -n lbha failover --lift
  at 5s      lb2: sudo -n lbha reload
  at 6s      lb2: sudo -n pkill -KILL -P "$(systemctl show --property=MainPID --value lbha)" -f "^lbha: vrrp"   <- may hurt somebody
  all the time, every 200ms, on both: sudo -n lbha status --json
  at the end, however it ends, unless done already: lb1: sudo -n lbha failover --lift
  at 5s      lb2: lbha reload, if lbha plan says that it changes nothing`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Each way not to get there is told with what to do, and no time is lost on what no time mends.
func TestSSHNamesTheRemedy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		said     string
		status   int
		want     string
		hopeless bool
	}{
		{"No ED25519 host key is known for lb1\nHost key verification failed.", 255, "compare the fingerprint", true},
		{"root@lb1: Permission denied (publickey,password).", 255, "no key of yours", true},
		{"ssh: connect to host lb1 port 22: Connection refused", 255, "not reached", true},
		{"sh: 1: lbha: not found", 127, "no such program", true},
		{"sudo: a password is required", 1, "NOPASSWD", true},
		{"lbha: control socket /run/lbha/lbha.sock: permission denied", 1, "--sudo", true},
		{"lbha: control socket /run/lbha/lbha.sock: no daemon listens there", 1, "no daemon listens there", false},
	} {
		f := &failure{host: "lb1", command: "lbha status --json", said: tt.said, status: tt.status, cause: errors.New("exit status")}
		if _, hopeless := f.hint(); hopeless != tt.hopeless || !strings.Contains(f.Error(), tt.want) {
			t.Errorf("%q: hopeless %v: %v", tt.said, hopeless, f)
		}
	}
}

// Whoever is not heard for a while is not master, and the report says that nobody knows.
func TestWatcher(t *testing.T) {
	at := func(seconds float64) mono.Time {
		return mono.Time(1000*time.Second) + mono.Time(seconds*float64(time.Second))
	}
	master, backup := saying("master"), saying("backup")
	w := newWatcher()
	w.hear("d1", master, at(-1))
	if _, ok := w.begin(at(-0.5)); ok {
		t.Error("begins without an answer of d2")
	}
	w.hear("d2", backup, at(-0.5))
	if masters, ok := w.begin(at(0)); !ok || !masters["d1"] || masters["d2"] {
		t.Errorf("%v, %v", masters, ok)
	}
	w.hear("d1", master, at(0.4))
	for s := 0.2; s < 10; s += 0.2 {
		w.hear("d2", backup, at(s))
		w.miss(at(s))
		if s > 5 && s < 7 && w.answers("d1") {
			t.Errorf("d1 answers at %v", s)
		}
	}
	w.hear("d1", master, at(8))
	w.hear("d1", remote{}, at(8.5)) // the daemon does not run
	holdings, notes := w.end(at(10))
	var got []string
	for _, h := range holdings {
		got = append(got, fmt.Sprintf("%.1f %s %v", h.At.Sub(at(0)).Seconds(), h.Host, h.Holds))
	}
	got = append(got, notes...)
	want := "3.6 d1 false|8.0 d1 true|8.5 d1 false|d1 was not seen from 0.4 s to 8.0 s|d1 was not seen from 8.5 s to 10.0 s"
	if strings.Join(got, "|") != want {
		t.Errorf("got %s", strings.Join(got, "|"))
	}
}

// saying is what a director in a state says.
func saying(state string) (s remote) {
	s.Instances = append(s.Instances, struct {
		Name     string `json:"name"`
		State    string `json:"state"`
		Priority int    `json:"priority"`
	}{State: state})
	return s
}
