package director

import (
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

func TestSlowStart(t *testing.T) {
	up := time.Now()
	for _, test := range []struct {
		name    string
		verdict healthcheck.Verdict
		reason  healthcheck.Reason
		age     time.Duration
		slow    time.Duration
		want    float64
	}{
		{"off", healthcheck.Up, healthcheck.ReasonPassed, 0, 0, 1},
		{"just up", healthcheck.Up, healthcheck.ReasonPassed, 0, time.Minute, 0.1},
		{"half", healthcheck.Up, healthcheck.ReasonPassed, 30 * time.Second, time.Minute, 0.6},
		{"nearly", healthcheck.Up, healthcheck.ReasonPassed, 59 * time.Second, time.Minute, 1},
		{"over", healthcheck.Up, healthcheck.ReasonPassed, time.Hour, time.Minute, 1},
		{"found serving", healthcheck.Up, healthcheck.ReasonAdopted, 0, time.Minute, 1},
		{"restored", healthcheck.Up, healthcheck.ReasonRestored, 0, time.Minute, 1},
		{"down", healthcheck.Down, healthcheck.ReasonFailed, 0, time.Minute, 1},
	} {
		k := knowledge{now: up.Add(test.age), check: func(string) (healthcheck.Status, bool) {
			return healthcheck.Status{State: healthcheck.State{Verdict: test.verdict, Reason: test.reason, Since: up}}, true
		}}
		if got := k.share(healthcheck.All, []string{"www/a/tcp"}, test.slow); got != test.want {
			t.Errorf("%s: share %v, want %v", test.name, got, test.want)
		}
	}
}

// TestSlowStartOfSeveralChecks: a server began to serve when the last of the checks passed that it needed.
func TestSlowStartOfSeveralChecks(t *testing.T) {
	now := time.Now()
	status := map[string]healthcheck.State{
		"old":     {Verdict: healthcheck.Up, Reason: healthcheck.ReasonPassed, Since: now.Add(-time.Hour)},
		"new":     {Verdict: healthcheck.Up, Reason: healthcheck.ReasonPassed, Since: now},
		"adopted": {Verdict: healthcheck.Up, Reason: healthcheck.ReasonAdopted, Since: now},
		"down":    {Verdict: healthcheck.Down, Reason: healthcheck.ReasonFailed, Since: now},
	}
	k := knowledge{now: now, check: func(id string) (healthcheck.Status, bool) {
		return healthcheck.Status{State: status[id]}, true
	}}
	for _, test := range []struct {
		need   healthcheck.Need
		checks string
		want   float64
	}{
		{healthcheck.All, "old new", 0.1},
		{healthcheck.All, "old adopted", 1},
		{healthcheck.Any, "old new", 1},
		{healthcheck.Any, "new down", 0.1},
		{healthcheck.Any, "adopted new", 1},
		{2, "old new new", 0.1},
		{2, "old adopted new", 1},
		{healthcheck.All, "", 1},
	} {
		if got := k.share(test.need, strings.Fields(test.checks), time.Minute); got != test.want {
			t.Errorf("%v of %q: share %v, want %v", test.need, test.checks, got, test.want)
		}
	}
}
