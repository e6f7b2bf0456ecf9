package director

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// writeTracks makes the configuration of write with tracks of its instance.
func (h *host) writeTracks(tracks string, servers ...net.Listener) {
	h.t.Helper()
	h.write(servers...)
	h.extendRouter(tracks)
}

// tracked is what the elector was told last of the instance.
func (h *host) tracked() string {
	m := h.told.Load()
	if m == nil {
		return "never told"
	}
	t, ok := m.Instances["web"]
	if !ok {
		return "not told"
	}
	return fmt.Sprintf("%+d %q %q", t.Adjust, t.Fault, t.Detail)
}

func (h *host) untilTracked(prefix string) {
	h.t.Helper()
	defer func() {
		if h.t.Failed() {
			h.t.Logf("tracked: %s", h.tracked())
		}
	}()
	h.until(prefix, func() bool { return strings.HasPrefix(h.tracked(), prefix) })
}

func TestTheElectorIsToldOfEveryTrack(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	file, flag := filepath.Join(h.dir, "weight"), filepath.Join(h.dir, "flag")
	h.writeTracks(fmt.Sprintf(`
[[vrrp.track]]
file = %q
[[vrrp.track]]
service = "www"
weight = -50
[[vrrp.track]]
script = ["/bin/sh", "-c", "test ! -e %s || { echo the flag is there; exit 3; }"]
user = "root"
interval = "50ms"
rise = 1
fall = 2
[[vrrp.track]]
process = "no-such-process"
weight = 20
[[vrrp.track]]
interface = "eth1"
weight = -20
`, file, flag), a, b)
	h.start()
	h.untilTracked(`+0 "" ""`)

	if err := os.WriteFile(file, []byte("-7"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.untilTracked(fmt.Sprintf(`-7 "" "file %s: the content is -7 (-7)"`, file))
	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.untilTracked(`-7 "script /bin/sh: exit status 3 after `)
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	h.untilTracked(`-7 "" `)
	b.Close()
	h.untilTracked(fmt.Sprintf(`-32 "" "file %s: the content is -7 (-7), service www: 50 %% of the weight is healthy (-25)"`, file))

	var shown []string
	for _, x := range h.status().Instances[0].Tracks {
		shown = append(shown, fmt.Sprintf("%s %s %s %+d %v", x.Kind, x.Target, x.State, x.Adjust, !x.Since.IsZero()))
	}
	want := []string{"file " + file + " good -7 true", "service www good -25 true", "script /bin/sh good +0 true", "process no-such-process bad +0 true", "interface eth1 bad -20 true"}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	var told strings.Builder
	for _, e := range h.events() {
		if e.Kind == "track" && e.Object == "web" {
			fmt.Fprintln(&told, e.Reason, e.Message, e.Warn)
		}
	}
	for _, line := range []string{
		"good file " + file + " is good: the content is -7; -7 true\n", "bad script /bin/sh is bad: exit status 3 after ",
		": the flag is there; FAULT true\n", "good service www is good: 50 % of the weight is healthy; -25 true\n",
	} {
		if !strings.Contains(told.String(), line) {
			t.Errorf("the journal lacks %q:\n%s", line, told.String())
		}
	}

	// Another elector knows nothing of it.
	h.told.Store(nil)
	h.pid.Store(2)
	h.untilTracked("-32 ")
	// A reload keeps what is known, but for what is tracked no more.
	h.writeTracks(fmt.Sprintf("[[vrrp.track]]\nservice = \"www\"\nweight = -100\n[[vrrp.track]]\nfile = %q\n", file), a, b)
	if r := h.reload(); !r.OK {
		t.Fatal(r.Error)
	}
	h.untilTracked(fmt.Sprintf(`-57 "" "service www: 50 %% of the weight is healthy (-50), file %s: the content is -7 (-7)"`, file))
	for _, e := range h.events() {
		if e.Kind == "track" && e.Reason == "pending" {
			t.Errorf("the reload forgot something: %s", e.Message)
		}
	}
}

// TestWhatIsPendingIsNotTold holds that a script without a first result keeps the director silent on its instance, and
// lets it start all the same.
func TestWhatIsPendingIsNotTold(t *testing.T) {
	h := newHost(t)
	flag := filepath.Join(h.dir, "flag")
	h.writeTracks(fmt.Sprintf(`
[[vrrp.track]]
script = ["/bin/sh", "-c", "until test -e %s; do sleep 0.02; done"]
user = "root"
timeout = "1h"
`, flag), h.server())
	h.start() // it waits for the script, but not for ever
	if got := h.tracked(); got != "not told" {
		t.Errorf("while the script runs: %s", got)
	}
	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h.untilTracked(`+0 "" ""`)
}

// TestAMasterReportsLateAndABackupAtOnce holds that what is reported of a service hangs on the role.
func TestAMasterReportsLateAndABackupAtOnce(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.writeTracks("[[vrrp.track]]\nservice = \"www\"\nweight = -100\n", a, b)
	h.start()
	h.untilTracked(`+0 "" ""`)
	b.Close()
	h.untilOut(b)
	out := time.Now()
	h.untilTracked("-50 ")
	// Two intervals and a timeout, and the table is written a moment after the verdict.
	if took := time.Since(out); took < 200*time.Millisecond {
		t.Errorf("a master reported after %v", took)
	}

	h.backup.Store(true)
	h.until("a backup", func() bool {
		st, err := h.client.Status(t.Context())
		return err == nil && st.Instances[0].State == "backup"
	})
	again, err := net.Listen("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	h.untilIn(again)
	in := time.Now()
	h.untilTracked("+0 ")
	if took := time.Since(in); took < 200*time.Millisecond {
		t.Errorf("a backup reported that it is better after %v", took)
	}
}

// TestHealth tells the share of a service whose servers are in every state.
func TestHealth(t *testing.T) {
	d := &director{}
	checks := func(list ...healthcheck.Check) {
		t.Helper()
		ended := make(chan error, 1)
		d.checker = healthcheck.NewChecker(healthcheck.Options{})
		go func() { ended <- d.checker.Run(t.Context()) }()
		if err := d.checker.Update(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	check := func(id string, saved healthcheck.Verdict) healthcheck.Check {
		c := healthcheck.Check{ID: id, Prober: patient{}, Spec: healthcheck.Spec{Interval: time.Hour, Timeout: time.Hour, Policy: healthcheck.Policy{Rise: 1, Fall: 1}}}
		if saved != healthcheck.Unknown {
			c.Saved = &healthcheck.Saved{Verdict: saved}
		}
		return c
	}
	checks(check("up", healthcheck.Up), check("down", healthcheck.Down), check("new", healthcheck.Unknown))
	for name, c := range map[string]struct {
		servers []string // weight and check, and what is special
		want    string
	}{
		"no checks":         {[]string{"1 -", "2 -"}, "1 true"},
		"weights":           {[]string{"1 up", "3 down"}, "0.25 true"},
		"all down":          {[]string{"1 down", "3 down"}, "0 true"},
		"not known yet":     {[]string{"1 new", "3 new"}, "0 false"},
		"some not known":    {[]string{"1 new", "3 up", "1 down"}, "0.75 true"},
		"backups":           {[]string{"1 up", "3 down backup"}, "1 true"},
		"weight 0":          {[]string{"1 up", "0 down"}, "1 true"},
		"ordered out":       {[]string{"1 up", "3 down disable", "3 up drain"}, "1 true"},
		"all ordered out":   {[]string{"1 down disable"}, "1 true"},
		"of another weight": {[]string{"1 up", "1 down weight"}, "0.5 true"},
	} {
		p := &pool{service: &config.Service{Name: "www"}, outcomes: map[ipvs.Key]ipvs.Outcome{}}
		d.orders = orders{}
		for n, text := range c.servers {
			words := strings.Fields(text)
			var s config.Server
			if err := s.Weight.UnmarshalText([]byte(words[0])); err != nil {
				t.Fatal(err)
			}
			if err := s.Address.UnmarshalText(fmt.Appendf(nil, "10.0.0.%d:80", n+1)); err != nil {
				t.Fatal(err)
			}
			var ids []string
			if words[1] != "-" {
				ids = []string{words[1]}
			}
			switch special := append(words, "")[2]; special {
			case "":
			case "backup":
				s.Backup = true
			default:
				var o order
				if err := o.Mode.UnmarshalText([]byte(special)); err != nil {
					t.Fatal(err)
				}
				d.orders["www/"+s.Address.String()] = o
			}
			p.service.Servers, p.checks = append(p.service.Servers, s), append(p.checks, ids)
		}
		share, known := d.health(p)
		if got := fmt.Sprint(share, known); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestDetection tells how long two directors may be apart.
func TestDetection(t *testing.T) {
	s := &config.Service{
		Checks:  []config.Check{{Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3}, {Interval: time.Second, Timeout: time.Second, Rise: 4, Fall: 1}},
		Servers: []config.Server{{}, {Checks: []config.Check{{Interval: time.Second, Timeout: 100 * time.Millisecond, Rise: 1, Fall: 1}}}},
	}
	if got := detection(s); got != 7*time.Second {
		t.Errorf("%v, want 7s", got)
	}
	s.Standby = healthcheck.Slower
	if got := detection(s); got != 25*time.Second {
		t.Errorf("slower on a standby: %v, want 25s", got)
	}
	if got := detection(&config.Service{Servers: make([]config.Server, 2)}); got != 0 {
		t.Errorf("without checks: %v", got)
	}
}

// patient is a prober that never has a result.
type patient struct{}

func (patient) Probe(ctx context.Context) healthcheck.Result {
	<-ctx.Done()
	return healthcheck.Failed(healthcheck.FailureCanceled, "")
}
