package lvs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/suite"
	"github.com/lbha/lbha/integration/internal/witness"
	"github.com/lbha/lbha/ipvs"
)

const (
	// conversations is how many connections each service gets, unless more are asked for.
	conversations = 200
	// ripening is how long they talk before anything happens: the kernel tells of a connection after its third packet, and in a message that it
	// sends when it is full or two seconds old.
	ripening = 6 * time.Second
	// stopLength and crashLength are the windows after a planned stop and after a crash.
	stopLength  = 8 * time.Second
	crashLength = 14 * time.Second
)

// failover talks on many connections while the master is stopped and killed, and sees to it that all of that writes nothing.
func (s *session) failover(ctx context.Context) error {
	if err := s.rest(ctx); err != nil {
		return err
	}
	var writes observe.Tape[observe.Write]
	for _, d := range s.net.d {
		if err := observe.WatchWrites(d.Host, &writes); err != nil {
			return err
		}
	}
	var all []*talks
	for _, name := range []string{"nat", "dr"} {
		t, err := s.converse(ctx, named(name), s.talkers)
		if err != nil {
			return err
		}
		defer t.end()
		all = append(all, t)
	}
	pause(ctx, ripening+3*s.talkExtra())
	begin := mono.Now()
	before, err := s.counters(ctx)
	if err != nil {
		return err
	}

	quiet, stopped, err := s.planned(ctx, all)
	if err != nil {
		return err
	}
	for i, w := range stopped {
		name := all[i].name + ": after SIGTERM every connection goes on, no answer later than in a quiet run + 100 ms"
		ok, measured := w.asQuiet(quiet[i])
		if s.crowd() { // it is the lab's one processor that answers late then
			name = all[i].name + ": after SIGTERM every connection goes on"
			ok, measured = w.survived()
		}
		s.find(name, ok, "%s", measured)
	}
	if err := s.returns(ctx); err != nil {
		return err
	}
	s.say("  SIGKILL to all processes of the master")
	if err := s.directors[0].SignalAll(syscall.SIGKILL); err != nil {
		return err
	}
	crashed := s.during(ctx, all, crashLength)
	if err := s.took(); err != nil {
		return err
	}
	for i, w := range crashed {
		ok, measured := w.survived()
		s.find(all[i].name+": after SIGKILL every connection goes on", ok, "%s", measured)
	}
	if err := s.returns(ctx); err != nil {
		return err
	}
	if err := s.untouched(ctx, &writes); err != nil {
		return err
	}
	s.compare(ctx, begin, &writes, before)
	return nil
}

// planned watches a quiet run, and then a stop of the master, until it is certain whether an answer was late: see [suite.Repeat]. When the lab's own
// machine stood still meanwhile, that machine is what was measured.
func (s *session) planned(ctx context.Context, all []*talks) (quiet, stopped []window, err error) {
	again := false
	suite.Repeat(func() suite.Play {
		if again {
			s.say("  an answer was late, of which the lab's machine may be the reason: once more")
			if err = s.returns(ctx); err != nil {
				return suite.Broken
			}
		}
		again = true
		s.say("  a quiet run of %v", stopLength)
		quiet = s.during(ctx, all, stopLength)
		s.say("  SIGTERM to the master")
		seen, from := witness.Start(), mono.Now()
		defer seen.Stop()
		if err = s.directors[0].Stop(); err != nil {
			return suite.Broken
		}
		stopped = s.during(ctx, all, stopLength)
		stall := seen.Longest(from, mono.Now())
		if err = s.took(); err != nil {
			return suite.Broken
		}
		became := suite.Held
		for i, w := range stopped {
			ok, _ := w.asQuiet(quiet[i])
			switch {
			case ok || s.crowd():
			case w.Broken+w.Silent > 0:
				return suite.Broken
			default:
				became = suite.Missed
			}
		}
		if became == suite.Missed && stall >= stallLimit {
			return suite.Spoiled
		}
		return became
	})
	return quiet, stopped, err
}

// stallLimit is how long the machine may stand still while answers are to come in time.
const stallLimit = 60 * time.Millisecond

// during lets a time pass, more where connections talk rarely, and sums up what the conversations did in it.
func (s *session) during(ctx context.Context, all []*talks, length time.Duration) (ws []window) {
	from := mono.Now()
	pause(ctx, length+3*s.talkExtra())
	to := mono.Now()
	for _, t := range all {
		ws = append(ws, t.between(from, to))
	}
	return ws
}

// took sees to it that d2 is master: connections that stayed where they were prove nothing.
func (s *session) took() error {
	st, err := s.directors[1].Status()
	if err != nil {
		return err
	}
	if len(st.Instances) != 1 || !strings.EqualFold(st.Instances[0].State, "master") {
		return fmt.Errorf("d2 did not take over: %+v", st.Instances)
	}
	return nil
}

// returns starts d1 again and waits until it is master again.
func (s *session) returns(ctx context.Context) error {
	d := s.directors[0]
	if err := d.Wait(10 * time.Second); err != nil {
		return err
	}
	if err := d.Start(); err != nil {
		return err
	}
	if err := s.rest(ctx); err != nil {
		return err
	}
	pause(ctx, 2*time.Second)
	return nil
}

// untouched reloads and restarts what is unchanged.
func (s *session) untouched(ctx context.Context, writes *observe.Tape[observe.Write]) error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"a reload on both", func() error {
			for _, d := range s.directors {
				if out, err := d.Reload(); err != nil {
					return errors.Join(err, errors.New(out))
				}
			}
			return nil
		}},
		{"a hand-over and back", func() error {
			if err := s.ask("failover"); err != nil {
				return err
			}
			pause(ctx, 5*time.Second)
			return s.ask("failover", "--lift")
		}},
		{"a restart of the backup", func() error {
			d := s.directors[1]
			if err := d.Stop(); err != nil {
				return err
			}
			if err := d.Wait(10 * time.Second); err != nil {
				return err
			}
			return d.Start()
		}},
	} {
		from := mono.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if err := s.rest(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		pause(ctx, 500*time.Millisecond)
		n := writes.Between(from, mono.Now())
		s.find(step.name+" of an unchanged configuration writes nothing to IPVS", len(n) == 0, "%s", commands(n))
	}
	return nil
}

// compare judges the whole time since begin, failovers and restarts of the master included.
func (s *session) compare(ctx context.Context, begin mono.Time, writes *observe.Tape[observe.Write], before [2]map[string]counter) {
	n := writes.Between(begin, mono.Now())
	s.find("nor do a stop, a crash, and two restarts of the master", len(n) == 0, "%s on both directors in %.0f s", commands(n), mono.Now().Sub(begin).Seconds())
	after, err := s.counters(ctx)
	if err != nil {
		s.find("the connection counters can be read", false, "%v", err)
		return
	}
	for i, d := range s.net.d {
		diff := differences(before[i], after[i])
		s.find(d.Name+": every server of the connections has the counters that it had", len(diff) == 0 && len(before[i]) == 2*2, "%d servers%s", len(before[i]), ifAny("; ", diff))
	}
}

// commands counts writes.
func commands(list []observe.Write) string {
	text := fmt.Sprintf("%d commands", len(list))
	if len(list) > 0 {
		text += fmt.Sprintf(", the first %s on %s", list[0].Command, list[0].Host)
	}
	return text
}

// counter is what the kernel has counted for a server. One that was removed and added again begins anew.
type counter struct {
	connections uint64 // ever
	open        uint32
}

// counters reads those of the conversations' servers on both directors. Of the traffic only the number of connections is compared: it does
// not change while no connection is made.
func (s *session) counters(ctx context.Context) (both [2]map[string]counter, err error) {
	pause(ctx, 2500*time.Millisecond) // the kernel sums them up every two seconds
	for i := range both {
		snap, err := s.list(ctx, i)
		if err != nil {
			return both, err
		}
		both[i] = countersOf(snap)
	}
	return both, nil
}

func countersOf(snap ipvs.Snapshot) map[string]counter {
	all := map[string]counter{}
	for key, p := range snap.Table {
		if key.Addr().Port() != talkPort {
			continue
		}
		for _, server := range p.Servers {
			stats := snap.Stats[key].Servers[server.Addr]
			all[key.String()+" "+server.Addr.String()] = counter{stats.Connections, stats.Active + stats.Inactive}
		}
	}
	return all
}

// differences lists the servers whose counters differ.
func differences(before, after map[string]counter) (list []string) {
	for name, b := range before {
		if a, ok := after[name]; !ok || a != b {
			list = append(list, fmt.Sprintf("%s had %d connections, %d open, and has %d, %d", name, b.connections, b.open, a.connections, a.open))
		}
	}
	slices.Sort(list)
	return list
}

// pause waits.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
