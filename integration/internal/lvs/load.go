package lvs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/suite"
)

// edit is what is done to a pool under load.
type edit struct {
	name string
	do   func(s *session, v service) error
}

// edits are done one after the other while a load runs.
var edits = []edit{
	{"a server drained", func(s *session, v service) error {
		return s.ask("server", "drain", v.name, "10.9.0.3", "--reason", "load")
	}},
	{"it is back", func(s *session, v service) error { return s.ask("server", "enable", v.name, "10.9.0.3") }},
	{"the scheduler changed from rr to wlc", func(s *session, v service) error { return s.reconfigure(settings{scheduler: "wlc"}) }},
	{"a weight changed", func(s *session, v service) error { return s.ask("server", "weight", v.name, "10.9.0.4", "3") }},
}

// load puts load on each forwarding method while its pool is changed.
func (s *session) load(ctx context.Context) error {
	for _, name := range []string{"nat", "dr", "tun"} {
		v := named(name)
		if err := s.edited(ctx, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := s.killed(ctx, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// edited edits the pool while ab runs, over and over until all is done.
func (s *session) edited(ctx context.Context, v service) error {
	if err := s.rest(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		var failed error
		for _, e := range edits {
			pause(ctx, 100*time.Millisecond) // some requests with each state of the pool
			if err := e.do(s, v); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", e.name, err))
			}
		}
		done <- failed
	}()
	var runs []abResult
	var edited, err error
	for going := true; going && err == nil; {
		var out string
		if out, err = s.net.client.Output("ab", "-c", "10", "-n", strconv.Itoa(abRequests), fmt.Sprintf("http://%s/", v.addr)); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		runs = append(runs, parseAB(out))
		select {
		case edited = <-done:
			going = false
		default:
		}
	}
	if err != nil {
		edited = <-done
	}
	if err := errors.Join(edited, s.ask("server", "enable", v.name, "10.9.0.4"), s.reconfigure(settings{})); err != nil {
		return err
	}
	ok, measured := judgeRuns(runs)
	if err != nil {
		ok, measured = false, err.Error()
	}
	s.find(v.name+": drained, enabled, rr → wlc, weighed: no request fails", ok, "%s", measured)
	return nil
}

const abRequests = 10000

// judgeRuns demands that every run of ab completed all of its requests and that none failed.
func judgeRuns(runs []abResult) (bool, string) {
	ok, complete, failed := len(runs) > 0, 0, 0
	for _, r := range runs {
		ok = ok && r.complete == abRequests && r.failed == 0
		complete += max(r.complete, 0)
		failed += max(r.failed, 0)
	}
	measured := fmt.Sprintf("%d complete, %d failed", complete, failed)
	if len(runs) > 0 {
		measured += ", " + runs[0].rate + " requests/s"
	}
	return ok, measured
}

func ifAny(text string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	return text + strings.Join(list, ", ")
}

// abResult is what ab says of a run.
type abResult struct {
	complete, failed int
	rate             string
}

// parseAB reads the report of ab. What it does not say is -1: no zero may come from a report that is not there.
func parseAB(text string) abResult {
	r := abResult{complete: -1, failed: -1}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			continue
		}
		word, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		number, err := strconv.Atoi(word)
		switch {
		case name == "Requests per second":
			r.rate = word
		case err != nil:
		case name == "Complete requests":
			r.complete = number
		case name == "Failed requests", name == "Write errors", name == "Non-2xx responses":
			r.failed = max(r.failed, 0) + number
		}
	}
	return r
}

// attempt is one request of the load that outlives its failures, which ab does not.
type attempt struct {
	begin, end mono.Time
	err        error
}

// killed kills a server under the same load, and judges when requests fail: see [suite.Repeat].
func (s *session) killed(ctx context.Context, v service) (err error) {
	var ok bool
	var measured string
	suite.Repeat(func() suite.Play {
		if measured != "" {
			s.say("  %s: a server killed: %s: once more", v.name, measured)
		}
		var all []attempt
		var death mono.Time
		if all, death, err = s.death(ctx, v); err != nil {
			return suite.Broken
		}
		if ok, measured = judgeDeath(all, death); !ok {
			return suite.Missed
		}
		return suite.Held
	})
	if err != nil {
		return err
	}
	s.find(fmt.Sprintf("%s: a server killed: nothing fails before, nor %v after", v.name, deathBound), ok, "%s", measured)
	return nil
}

// death kills a server under load, and starts it again.
func (s *session) death(ctx context.Context, v service) (all []attempt, at mono.Time, err error) {
	if err := s.rest(ctx); err != nil {
		return nil, 0, err
	}
	stop := make(chan struct{})
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 10 {
		workers.Go(func() {
			mine := s.requests(v, stop)
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		})
	}
	time.Sleep(500 * time.Millisecond)
	at = mono.Now()
	err = s.net.killWeb(0)
	time.Sleep(deathBound + time.Second)
	close(stop)
	workers.Wait()
	return all, at, errors.Join(err, s.net.startWeb(0))
}

// judgeDeath demands that requests fail only between the death of a server and the time when its checks must have found it.
func judgeDeath(all []attempt, death mono.Time) (bool, string) {
	failed, outside, after, last := 0, 0, 0, death
	for _, a := range all {
		if a.begin > death.Add(deathBound) {
			after++
		}
		if a.err == nil {
			continue
		}
		failed++
		last = max(last, a.begin)
		if a.end < death || a.begin > death.Add(deathBound) {
			outside++
		}
	}
	return outside == 0 && after > 100, fmt.Sprintf("%d of %d failed, the last %.0f ms after the death; %d requests later", failed, len(all),
		float64(last.Sub(death).Microseconds())/1000, after)
}

// requests makes one request after the other until stop is closed.
func (s *session) requests(v service, stop <-chan struct{}) (all []attempt) {
	_ = s.net.client.Do(func() error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			a := attempt{begin: mono.Now()}
			fd, _, err := ask(s.net.client.at(v.iface, false), netip.AddrPortFrom(v.addr, drive.PortHTTP), "GET / HTTP/1.0\r\n\r\n")
			shut(fd)
			a.end, a.err = mono.Now(), err
			all = append(all, a)
		}
	})
	return all
}
