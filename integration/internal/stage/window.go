package stage

import (
	"context"
	"fmt"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
)

// Step is something done at a time of the window. What it returns goes into the evidence.
type Step struct {
	At   time.Duration
	Name string
	Do   func(s *Stage) (said string, err error)
}

// At makes a step.
func At(at time.Duration, name string, do func(s *Stage) (said string, err error)) Step {
	return Step{At: at, Name: name, Do: do}
}

// settleTime is how long after a window the last of its requests may still be open.
const settleTime = time.Second

// Watch plays steps at their times and collects the evidence of a window of the given length.
func (s *Stage) Watch(ctx context.Context, length time.Duration, steps []Step) *Evidence {
	e := &Evidence{Before: s.sides(false), Neighbour: map[string]string{}}
	e.From = mono.Now()
	e.To = e.From.Add(length)
	for _, step := range steps {
		if !SleepUntil(ctx, e.From.Add(step.At)) {
			break
		}
		m := Mark{At: mono.Now(), Name: step.Name}
		said, err := step.Do(s)
		m.Done, m.Said = mono.Now(), said
		if err != nil {
			m.Err = err.Error()
		}
		e.Marks = append(e.Marks, m)
		e.Last(length - step.At)
	}
	SleepUntil(ctx, e.To)
	for _, h := range []string{"client", "observer"} {
		e.Neighbour[h] = s.neighbour(h)
	}
	e.After = s.sides(true)
	s.cut(e)
	return e
}

// Since collects the evidence of a window that began in the past, without a look at the directors' sides.
func (s *Stage) Since(from, to mono.Time) *Evidence {
	e := &Evidence{From: from, To: to}
	s.cut(e)
	return e
}

// NextAdvert waits for a director's next advert.
func (s *Stage) NextAdvert(d *drive.Director, limit time.Duration) (mono.Time, error) {
	begin := mono.Now()
	for mono.Now() < begin.Add(limit) {
		for _, a := range s.wire.Adverts.Between(begin, mono.Now()) {
			if a.Source == d.Host.Addr {
				return a.At, nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	return 0, fmt.Errorf("no advert of %s within %v", d.Host.Name, limit)
}

// maxListed bounds how many lost requests are listed one by one.
const maxListed = 50

// Lost are the first of the requests that were lost.
func Lost(attempts []load.Attempt) (list []load.Attempt) {
	for _, a := range attempts {
		if a.Failure != load.None && len(list) < maxListed {
			list = append(list, a)
		}
	}
	return list
}

// cut takes the window out of every tape. It waits until the window's last requests have ended.
func (s *Stage) cut(e *Evidence) {
	time.Sleep(e.To.Add(settleTime).Until())
	from, to := e.From, e.To
	e.TCPAttempts, e.UDPAttempts = s.tcp.Between(from, to), s.udp.Between(from, to)
	e.TCP, e.UDP = load.Summarise(e.TCPAttempts, from, to), load.Summarise(e.UDPAttempts, from, to)
	e.LostTCP = Lost(e.TCPAttempts)
	e.Adverts = s.wire.Adverts.Between(from, to)
	e.Announcements = s.wire.Announcements.Between(from, to)
	for i, a := range e.Announcements {
		e.Announcements[i].MAC = s.owner(a.MAC, a.At)
	}
	e.Probes = s.wire.Probes.Between(from, to)
	// The last request's answers come after the window.
	e.Answers = s.wire.Answers.Between(from, to.Add(answerWindow))
	for i, a := range e.Answers {
		e.Answers[i].MAC = s.owner(a.MAC, a.At)
	}
	e.Holdings = s.holdings.Between(from, to)
	e.Tables = s.tables.Between(from, to)
	e.Writes = s.writes.Between(from, to)
	if e.Before == nil {
		return
	}
	e.Logs = map[string]string{}
	for _, d := range s.Directors() {
		name := d.Host.Name
		e.Logs[name] = d.Log(e.Before[name].LogSize, e.After[name].LogSize)
	}
}

// sides looks at both directors. Asking a daemon costs a process: it is done only after a window, so that it disturbs none.
func (s *Stage) sides(ask bool) map[string]Side {
	sides := map[string]Side{}
	now := mono.Now()
	for _, d := range s.Directors() {
		name := d.Host.Name
		mine := func(host string) bool { return host == name }
		side := Side{Processes: d.Processes(), LogSize: d.LogSize()}
		if h, ok := s.holdings.Before(now, func(h observe.Holding) bool { return mine(h.Host) }); ok {
			side.Holds = h.Holds
		}
		if t, ok := s.tables.Before(now, func(t observe.TableChange) bool { return mine(t.Host) }); ok {
			side.Table = t.Table
		}
		if ask && d.Running() {
			// A daemon that cannot answer has nothing to say; the expectations that need it fail.
			side.Status, _ = d.Status()
			side.Journal, _ = d.Journal()
		}
		sides[name] = side
	}
	return sides
}

// neighbour reads a host's ARP entry for the VIP.
func (s *Stage) neighbour(host string) string {
	h := s.Net.Client
	if host == "observer" {
		h = s.Net.Observer
	}
	mac, err := h.Neighbour(vip)
	if err != nil || mac == nil {
		return ""
	}
	return s.owner(hexMAC(mac), mono.Now())
}

// noticed is how long after an interface has come up that may be read of at the latest: what is sent from there may be heard before.
const noticed = 50 * time.Millisecond

// owner is the MAC address of the director that a MAC address belonged to at a time. A virtual router's belongs to the one that held the
// virtual address there at last.
func (s *Stage) owner(mac string, at mono.Time) string {
	h, ok := s.holdings.Before(at.Add(noticed), func(h observe.Holding) bool { return h.Holds && h.MAC == mac })
	if !ok {
		return mac
	}
	return MACOf(h.Host)
}

// SleepUntil sleeps until t and reports whether the context still lives.
func SleepUntil(ctx context.Context, t mono.Time) bool {
	timer := time.NewTimer(t.Until())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
