package lvs

import (
	"errors"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
)

const abReport = `Concurrency Level:      10
Time taken for tests:   2.591 seconds
Complete requests:      10000
Failed requests:        0
Total transferred:      1440000 bytes
Requests per second:    3860.49 [#/sec] (mean)
Time per request:       2.590 [ms] (mean)
`

func TestParseAB(t *testing.T) {
	for _, tt := range []struct {
		text string
		want abResult
	}{
		{abReport, abResult{10000, 0, "3860.49"}},
		{"Complete requests:      10000\nFailed requests:        3\n   (Connect: 0, Receive: 0, Length: 3, Exceptions: 0)\nNon-2xx responses:      2\n", abResult{10000, 5, ""}},
		{"apr_socket_recv: Connection reset by peer (104)\nTotal of 12 requests completed\n", abResult{-1, -1, ""}},
	} {
		if got := parseAB(tt.text); got != tt.want {
			t.Errorf("%+v, want %+v", got, tt.want)
		}
	}
	if ok, _ := judgeRuns([]abResult{parseAB(abReport), parseAB(abReport)}); !ok {
		t.Error("good runs fail")
	}
	for _, bad := range [][]abResult{nil, {{9999, 0, ""}}, {{10000, 0, ""}, {10000, 1, ""}}, {{10000, -1, ""}}} {
		if ok, said := judgeRuns(bad); ok {
			t.Errorf("%+v passes: %s", bad, said)
		}
	}
}

func at(d time.Duration) mono.Time { return mono.Time(0).Add(d) }

func TestJudgeDeath(t *testing.T) {
	refused := errors.New("refused")
	good := func() (all []attempt) {
		for i := range 400 {
			begin := at(time.Duration(i) * 10 * time.Millisecond)
			a := attempt{begin: begin, end: begin.Add(time.Millisecond)}
			if i >= 100 && i < 200 && i%2 == 0 {
				a.err = refused
			}
			all = append(all, a)
		}
		return all
	}
	death := at(time.Second)
	if ok, said := judgeDeath(good(), death); !ok {
		t.Errorf("good: %s", said)
	}
	early, late := good(), good()
	early[50].err = refused
	late[100+int(deathBound/(10*time.Millisecond))+5].err = refused
	for name, all := range map[string][]attempt{"before": early, "after": late, "nothing later": good()[:200]} {
		if ok, said := judgeDeath(all, death); ok {
			t.Errorf("%s: passes: %s", name, said)
		}
	}
}

// conversation is two connections that talk for ten seconds.
func conversation() *talks {
	t := &talks{all: []*talk{{period: talkPeriod}, {period: talkPeriod}}}
	for _, c := range t.all {
		for i := range 10 {
			begin := at(time.Duration(i) * time.Second)
			c.said = append(c.said, said{begin, begin.Add(5 * time.Millisecond)})
		}
	}
	return t
}

func TestWindow(t *testing.T) {
	from, to := at(4*time.Second), at(10*time.Second)
	quiet := conversation().between(at(0), from)
	for _, tt := range []struct {
		name      string
		spoil     func(t *talks)
		survives  bool
		asInQuiet bool
	}{
		{"good", func(*talks) {}, true, true},
		{"late, but there", func(t *talks) { t.all[0].said[6].end = t.all[0].said[6].begin.Add(106 * time.Millisecond) }, true, false},
		{"begun before the window", func(t *talks) { t.all[0].said[4].begin = at(3 * time.Second) }, true, false},
		{"broken", func(t *talks) { t.all[1].err = errors.New("reset") }, false, false},
		{"silent", func(t *talks) { t.all[1].said = t.all[1].said[:7] }, false, false},
		{"none", func(t *talks) { t.all = nil }, false, false},
	} {
		c := conversation()
		tt.spoil(c)
		w := c.between(from, to)
		if ok, said := w.survived(); ok != tt.survives {
			t.Errorf("%s: survived: %v: %s", tt.name, ok, said)
		}
		if ok, said := w.asQuiet(quiet); ok != tt.asInQuiet {
			t.Errorf("%s: as quiet: %v: %s", tt.name, ok, said)
		}
	}
	if ok, _ := conversation().between(from, to).asQuiet(window{}); ok {
		t.Error("a quiet run without an answer is a measure")
	}
}

func TestDifferences(t *testing.T) {
	before := map[string]counter{"a": {100, 100}, "b": {100, 100}}
	if d := differences(before, map[string]counter{"a": {100, 100}, "b": {100, 100}}); d != nil {
		t.Errorf("the same: %v", d)
	}
	for name, after := range map[string]map[string]counter{
		"gone": {"a": {100, 100}}, "begun anew": {"a": {0, 100}, "b": {100, 100}}, "fewer open": {"a": {100, 99}, "b": {100, 100}},
	} {
		if d := differences(before, after); len(d) != 1 {
			t.Errorf("%s: %v", name, d)
		}
	}
}
