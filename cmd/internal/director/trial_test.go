package director

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lbha/lbha/vrrp"
)

// play takes a trial through steps, each an instant in seconds and what happens then, and renders what has come of each.
func play(t *trial, steps string) string {
	var out strings.Builder
	for step := range strings.SplitSeq(steps, ",") {
		words := strings.Fields(step)
		seconds, err := strconv.ParseFloat(words[0], 64)
		if err != nil {
			panic(err)
		}
		now := vrrp.Instant(seconds * float64(time.Second))
		outcome := ""
		switch words[1] {
		case "begin":
			t.begin(now.Add(60 * time.Second))
		case "confirm":
			outcome = why(t.confirm(now))
		case "revert":
			outcome = why(t.revert())
		case "expire":
			outcome = fmt.Sprint(t.expire(now))
		case "reverted":
			t.reverted()
		case "failed":
			outcome = map[bool]string{true: "news", false: "known"}[t.failed(now, words[2])]
		default:
			panic(words[1])
		}
		fmt.Fprintf(&out, "%s %s: %s\n", strings.Join(words, " "), outcome, state(*t, now))
	}
	return strings.ReplaceAll(out.String(), " : ", ": ")
}

func why(err error) string {
	switch err {
	case nil:
		return "done"
	case errNothingWaits:
		return "nothing waits"
	case errTooLate:
		return "too late"
	}
	return err.Error()
}

func state(t trial, now vrrp.Instant) string {
	text := string(t.phase)
	if t.phase == settled {
		return "settled"
	}
	if t.phase == waiting {
		text += fmt.Sprintf(", %v left", t.left(now))
	}
	if t.phase == stuck {
		text += fmt.Sprintf(", again in %v", t.deadline.Sub(now))
	}
	if t.failure != "" {
		text += ", because of " + t.failure
	}
	return text
}

func TestTrial(t *testing.T) {
	for name, tc := range map[string]struct{ steps, want string }{
		"confirmed": {"0 begin, 59.9 expire, 59.9 confirm, 60 expire, 61 confirm, 61 revert", `
0 begin: waiting, 1m0s left
59.9 expire false: waiting, 100ms left
59.9 confirm done: settled
60 expire false: settled
61 confirm nothing waits: settled
61 revert nothing waits: settled
`},
		"nobody confirms": {"0 begin, 60 expire, 60 expire, 60 confirm, 60 revert, 61 reverted, 61 confirm", `
0 begin: waiting, 1m0s left
60 expire true: reverting
60 expire false: reverting
60 confirm too late: reverting
60 revert too late: reverting
61 reverted: settled
61 confirm nothing waits: settled
`},
		// The confirmation is there first, but late: the timer decides, whenever it is looked at.
		"late": {"0 begin, 60 confirm, 75 confirm, 75 expire", `
0 begin: waiting, 1m0s left
60 confirm too late: waiting, 0s left
75 confirm too late: waiting, 0s left
75 expire true: reverting
`},
		"by hand": {"0 begin, 5 revert, 5 confirm, 60 expire, 61 reverted", `
0 begin: waiting, 1m0s left
5 revert done: reverting
5 confirm too late: reverting
60 expire false: reverting
61 reverted: settled
`},
		"no way back": {"0 begin, 60 expire, 61 failed elector, 70 expire, 71 expire, 72 failed elector, 73 revert, 74 failed kernel, 84 expire, 85 reverted", `
0 begin: waiting, 1m0s left
60 expire true: reverting
61 failed elector news: stuck, again in 10s, because of elector
70 expire false: stuck, again in 1s, because of elector
71 expire true: reverting, because of elector
72 failed elector known: stuck, again in 10s, because of elector
73 revert done: reverting, because of elector
74 failed kernel news: stuck, again in 10s, because of kernel
84 expire true: reverting, because of kernel
85 reverted: settled
`},
		"no way back, so it is kept": {"0 begin, 60 expire, 61 failed elector, 75 confirm, 80 expire", `
0 begin: waiting, 1m0s left
60 expire true: reverting
61 failed elector news: stuck, again in 10s, because of elector
75 confirm done: settled
80 expire false: settled
`},
	} {
		t.Run(name, func(t *testing.T) {
			got := play(new(trial), tc.steps)
			if got != tc.want[1:] {
				t.Errorf("got\n%swant%s", got, tc.want)
			}
		})
	}
}

// However a confirmation, an order to revert and the timer meet, one of them decides: who is told "confirmed" keeps it, and
// it is put back once at a time.
func TestATrialHasOneOutcome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr trial
		var now vrrp.Instant
		tr.begin(now.Add(3 * time.Second))
		confirmed, underWay, back := false, false, false
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second)
			begins := false
			switch rapid.SampledFrom([]string{"confirm", "revert", "expire", "reverted", "failed"}).Draw(t, "event") {
			case "confirm":
				if tr.confirm(now) == nil {
					if confirmed || underWay || back {
						t.Fatalf("confirmed, though confirmed %v, being put back %v, put back %v", confirmed, underWay, back)
					}
					confirmed = true
				}
			case "revert":
				begins = tr.revert() == nil
			case "expire":
				begins = tr.expire(now)
			case "reverted":
				if underWay {
					tr.reverted()
					underWay, back = false, true
				}
			case "failed":
				if underWay {
					tr.failed(now, "no luck")
					underWay = false
				}
			}
			if begins && (confirmed || underWay || back) {
				t.Fatalf("to be put back, though confirmed %v, being put back %v, put back %v", confirmed, underWay, back)
			}
			underWay = underWay || begins
		}
		// Left alone it comes to an end.
		if !confirmed && !underWay && !back && !tr.expire(now.Add(time.Hour)) {
			t.Fatalf("neither kept nor put back: %+v", tr)
		}
	})
}
