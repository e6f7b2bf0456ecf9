package director

import (
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
		if got := k.share([]string{"www/a/tcp"}, test.slow); got != test.want {
			t.Errorf("%s: share %v, want %v", test.name, got, test.want)
		}
	}
}
