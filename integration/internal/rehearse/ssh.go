package rehearse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Remote is a real pair that is reached by ssh.
type Remote struct {
	Hosts   [2]string // of d1 and d2, as ssh takes them
	Command string    // ssh, with options; empty: one that asks nobody anything and notices a host that hangs
	Sudo    bool      // what needs the rights of root has them by sudo, which must not ask
	// Really allows what may hurt somebody: stop, start, kill, and a reload that changes something.
	Really bool
	Say    func(format string, args ...any) // told what is done, when it is done; nil: nobody
}

// SSH is such a pair as a place. It is taken as it is: nothing of a scenario's configuration is applied. All that can be seen from here is who says
// that it is master, asked several times a second.
//
// What a scenario did that must be taken back is taken back, however it ends: a step that fails unexpectedly ends it, since what comes next was
// meant for a pair in another state, and so does an interrupt.
type SSH struct {
	Remote
	scenario *script.Scenario // the one that is played
	owed     []debt
}

// Reasons for which a sentence is not obeyed on a real pair.
var (
	ErrHarmful = errors.New("refused on a real pair without --yes-really")
	ErrUnseen  = errors.New("cannot be seen over ssh")
	ErrRemote  = errors.New("cannot be done over ssh")
)

// leastSpan is the shortest time that answers over ssh can tell from none: two directors are asked, each on its own.
const leastSpan = 5 * askPeriod

// Can is part of [Place].
func (r *SSH) Can(c script.Clause) error {
	switch c.Form {
	case script.SetDirector:
		if c.Daemon != "lbha" {
			return fmt.Errorf("%w: only lbha can be asked who is master", ErrUnseen)
		}
	case script.Status, script.Failover, script.Lift:
	case script.Reload:
		if c.Option {
			return fmt.Errorf("%w: a real pair's configuration is its own", ErrRemote)
		}
	case script.Stop, script.Start, script.Kill:
		if c.Daemon != "" || !strings.HasPrefix(c.Host(), "d") {
			return ErrRemote
		}
		if !r.Really {
			return ErrHarmful
		}
	case script.OneMaster, script.BecomesMaster, script.HolderAtEnd, script.NoTransition, script.Fails:
	case script.NoHolder, script.TwoHolders:
		if c.Time < leastSpan {
			return fmt.Errorf("%w: times below %v", ErrUnseen, leastSpan)
		}
	default:
		if slices.ContainsFunc(script.Forms(), func(f script.Form) bool { return f.Text == c.Form && f.Kind == script.Demand }) {
			return fmt.Errorf("%w: that takes a client or an observer on the segment", ErrUnseen)
		}
		return ErrRemote
	}
	return nil
}

// Serves is part of [Place].
func (r *SSH) Serves() bool { return true }

func (r *SSH) host(director string) string { return r.Hosts[director[1]-'1'] }

func (r *SSH) say(format string, args ...any) {
	if r.Say != nil {
		r.Say(format, args...)
	}
}

// remote is what a director says of itself.
type remote struct {
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Instances []struct {
		Name     string `json:"name"`
		State    string `json:"state"`
		Priority int    `json:"priority"`
	} `json:"instances"`
}

// master reports whether it says that it is master of every virtual router that it has.
func (s *remote) master() bool {
	for _, i := range s.Instances {
		if i.State != "master" {
			return false
		}
	}
	return len(s.Instances) > 0
}

func (s *remote) String() string {
	var states []string
	for _, i := range s.Instances {
		states = append(states, fmt.Sprintf("%s of %s (priority %d)", i.State, i.Name, i.Priority))
	}
	return fmt.Sprintf("%s, lbha %s, %s", s.Name, s.Version, strings.Join(states, ", "))
}

// ask asks a director once.
func (r *SSH) ask(ctx context.Context, director string) (*remote, error) {
	out, err := r.run(ctx, director, r.may("lbha status --json"))
	if err != nil {
		return nil, err
	}
	s := new(remote)
	if err := json.Unmarshal([]byte(out), s); err != nil {
		return nil, fmt.Errorf("%s: status: %w", r.host(director), err)
	}
	return s, nil
}

// Prepare is part of [Place]: it waits for a pair at rest, and does nothing to get there.
func (r *SSH) Prepare(ctx context.Context, s *script.Scenario) error {
	r.scenario = s
	why, told := "", ""
	for deadline := mono.Now().Add(stage.RestLimit); mono.Now() < deadline && ctx.Err() == nil; sleep(ctx, askPeriod) {
		now, err := r.unrest(ctx, s)
		switch {
		case err != nil:
			return err
		case now == "":
			return nil
		case ctx.Err() == nil || why == "": // that time is up explains nothing
			why = now
		}
		if why != told {
			r.say("      not yet at rest: %s", why)
			told = why
		}
	}
	return fmt.Errorf("the pair is not at rest: %s", why)
}

// unrest says what is not yet as the scenario wants it at its begin. The error is one that no time mends.
func (r *SSH) unrest(ctx context.Context, s *script.Scenario) (why string, err error) {
	var sides [2]*remote
	for i, name := range []string{"d1", "d2"} {
		side, err := r.ask(ctx, name)
		var f *failure
		switch {
		case errors.As(err, &f) && ctx.Err() == nil:
			if _, hopeless := f.hint(); hopeless {
				return "", err
			}
			return err.Error(), nil
		case err != nil:
			return err.Error(), nil
		}
		sides[i] = side
	}
	if a, b := sides[0], sides[1]; !a.Started.IsZero() && a.Started.Equal(b.Started) && a.Name == b.Name {
		return "", fmt.Errorf("%s and %s are the same director, %s", r.Hosts[0], r.Hosts[1], a.Name)
	}
	for i, side := range sides {
		if name := fmt.Sprintf("d%d", i+1); side.master() != (name == s.Favourite()) {
			return fmt.Sprintf("%s = %s is %v, and the scenario begins with %s as the only master", name, r.Hosts[i], side, s.Favourite()), nil
		}
	}
	for i, side := range sides {
		r.say("      d%d = %s: %v", i+1, r.Hosts[i], side)
	}
	return "", nil
}

// Watch is part of [Place]. With an error there may be evidence of what came before it.
func (r *SSH) Watch(ctx context.Context, length time.Duration, steps []script.Step) (*stage.Evidence, error) {
	w := newWatcher()
	asking, stop := context.WithCancel(ctx)
	wait := r.follow(asking, w, length)
	e, err := r.play(ctx, w, length, steps)
	if err != nil {
		e.To = mono.Now()
	}
	e.Holdings, e.Notes = w.end(e.To)
	stop()
	wait()
	// An interrupt is no reason to leave anything.
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
	defer cancel()
	done, left := r.settle(undoing)
	e.Notes = append(e.Notes, done...)
	return e, errors.Join(err, left)
}

// play does the steps at their times. With an error, the evidence is that of what came before it.
func (r *SSH) play(ctx context.Context, w *watcher, length time.Duration, steps []script.Step) (*stage.Evidence, error) {
	e := &stage.Evidence{Before: map[string]stage.Side{}}
	for deadline := mono.Now().Add(callLimit); ; sleep(ctx, askPeriod) {
		e.From = mono.Now()
		masters, ok := w.begin(e.From)
		if ok {
			for name, master := range masters {
				e.Before[name] = stage.Side{Holds: master}
			}
			break
		}
		if ctx.Err() != nil {
			return e, context.Cause(ctx)
		}
		if e.From > deadline {
			return e, fmt.Errorf("%v and %v do not both answer when they are asked all the time", r.Hosts[0], r.Hosts[1])
		}
	}
	e.To = e.From.Add(length)
	for _, step := range steps {
		if !stage.SleepUntil(ctx, e.From.Add(step.At)) {
			return e, context.Cause(ctx)
		}
		m := stage.Mark{At: mono.Now(), Name: step.Name}
		said, err := r.step(ctx, w, step)
		m.Done, m.Said = mono.Now(), strings.TrimSpace(said)
		if err != nil {
			m.Err = err.Error()
			if !r.scenario.MustFail(step.Name) {
				e.Marks = append(e.Marks, m)
				return e, fmt.Errorf("%v: %s: %w; nothing more is done", step.At, step.Name, err)
			}
		}
		e.Marks = append(e.Marks, m)
		e.Last(length - step.At)
	}
	if !stage.SleepUntil(ctx, e.To) {
		return e, context.Cause(ctx)
	}
	return e, nil
}

// step does one, if the other director is there for it.
func (r *SSH) step(ctx context.Context, w *watcher, step script.Step) (string, error) {
	name := step.Host()
	if d, ok := r.deed(step.Clause); ok && d.undo != "" && !w.answers(map[string]string{"d1": "d2", "d2": "d1"}[name]) {
		return "", errUnbacked
	}
	r.say("      %v %s on %s", step.At, step.Text, r.host(name))
	return r.do(ctx, step.Clause)
}
