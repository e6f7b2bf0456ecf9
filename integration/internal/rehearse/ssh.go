package rehearse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Remote is a real pair that is reached by ssh.
type Remote struct {
	Hosts   [2]string // of d1 and d2, as ssh takes them
	Command string    // ssh, with options; empty: "ssh -o BatchMode=yes"
	// Really allows what may hurt somebody: stop, start, kill, and a reload that changes something.
	Really bool
}

// SSH is such a pair as a place. It is taken as it is: nothing of a scenario's configuration is applied. All that can be seen from here is who says
// that it is master, asked several times a second.
type SSH struct{ Remote }

// Reasons for which a sentence is not obeyed on a real pair.
var (
	ErrHarmful = errors.New("refused on a real pair without --yes-really")
	ErrUnseen  = errors.New("cannot be seen over ssh")
	ErrRemote  = errors.New("cannot be done over ssh")
)

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
	default:
		if slices.ContainsFunc(script.Forms(), func(f script.Form) bool { return f.Text == c.Form && f.Kind == script.Demand }) {
			return ErrUnseen
		}
		return ErrRemote
	}
	return nil
}

// command is one that runs on a director.
func (r *SSH) command(ctx context.Context, director string, command string) *exec.Cmd {
	words := strings.Fields(r.Command)
	if len(words) == 0 {
		words = []string{"ssh", "-o", "BatchMode=yes"}
	}
	return exec.CommandContext(ctx, words[0], append(words[1:], r.host(director), command)...)
}

func (r *SSH) host(director string) string { return r.Hosts[director[1]-'1'] }

// run runs a command on a director.
func (r *SSH) run(ctx context.Context, director string, command string) (string, error) {
	cmd := r.command(ctx, director, command)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s: %w: %s", r.host(director), command, err, strings.TrimSpace(errs.String()))
	}
	return string(out), nil
}

// remote is what a director says of itself.
type remote struct {
	Instances []struct {
		State string `json:"state"`
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

// master asks a director once.
func (r *SSH) master(ctx context.Context, director string) (bool, error) {
	out, err := r.run(ctx, director, "lbha status --json")
	if err != nil {
		return false, err
	}
	var s remote
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return false, fmt.Errorf("%s: status: %w", director, err)
	}
	return s.master(), nil
}

// Prepare is part of [Place]: it waits for a pair at rest, and does nothing to get there.
func (r *SSH) Prepare(ctx context.Context, s *script.Scenario) error {
	why := ""
	for deadline := mono.Now().Add(stage.RestLimit); mono.Now() < deadline && ctx.Err() == nil; time.Sleep(askPeriod) {
		now := r.unrest(ctx, s)
		if now == "" {
			return nil
		}
		if ctx.Err() == nil || why == "" { // that time is up explains nothing
			why = now
		}
	}
	return fmt.Errorf("the pair is not at rest: %s", why)
}

// unrest says what is not yet as the scenario wants it at its begin.
func (r *SSH) unrest(ctx context.Context, s *script.Scenario) (why string) {
	for _, name := range []string{"d1", "d2"} {
		master, err := r.master(ctx, name)
		switch {
		case err != nil:
			why = err.Error()
		case master != (name == s.Favourite()):
			why = fmt.Sprintf("%s is master: %v, and the scenario begins with %s as master", name, master, s.Favourite())
		}
	}
	return why
}

// askPeriod is how often a director is asked.
const askPeriod = 200 * time.Millisecond

// Watch is part of [Place].
func (r *SSH) Watch(ctx context.Context, length time.Duration, steps []script.Step) (*stage.Evidence, error) {
	e := &stage.Evidence{Before: map[string]stage.Side{}, From: mono.Now()}
	for _, name := range []string{"d1", "d2"} {
		master, err := r.master(ctx, name)
		if err != nil {
			return nil, err
		}
		e.Before[name] = stage.Side{Holds: master}
	}
	e.From = mono.Now()
	e.To = e.From.Add(length)
	var mu sync.Mutex
	var all sync.WaitGroup
	asking, stop := context.WithCancel(ctx)
	defer stop()
	for _, name := range []string{"d1", "d2"} {
		all.Go(func() {
			was := e.Before[name].Holds
			r.follow(asking, name, length, func(now bool) {
				if now == was || asking.Err() != nil {
					return
				}
				was = now
				mu.Lock()
				e.Holdings = append(e.Holdings, observe.Holding{At: mono.Now(), Host: name, Holds: now})
				mu.Unlock()
			})
		})
	}
	for _, step := range steps {
		if !stage.SleepUntil(ctx, e.From.Add(step.At)) {
			return nil, context.Cause(ctx)
		}
		m := stage.Mark{At: mono.Now(), Name: step.Name}
		said, err := r.do(ctx, step.Clause)
		m.Done, m.Said = mono.Now(), strings.TrimSpace(said)
		if err != nil {
			m.Err = err.Error()
		}
		e.Marks = append(e.Marks, m)
	}
	stage.SleepUntil(ctx, e.To)
	stop()
	all.Wait()
	slices.SortFunc(e.Holdings, func(a, b observe.Holding) int { return int(a.At - b.At) })
	return e, nil
}

// do does one thing.
func (r *SSH) do(ctx context.Context, c script.Clause) (string, error) {
	// Whoever calls this has asked before; a pair that works deserves that it is asked again.
	if err := r.Can(c); err != nil {
		return "", err
	}
	name := c.Host()
	switch c.Form {
	case script.Status:
		_, err := r.run(ctx, name, "lbha status --json")
		return "", err
	case script.Failover:
		return r.run(ctx, name, "lbha failover")
	case script.Lift:
		return r.run(ctx, name, "lbha failover --lift")
	case script.Reload:
		if !r.Really {
			// The plan of a file that says what is in force already is empty, and its exit status 0.
			if said, err := r.run(ctx, name, "lbha plan"); err != nil {
				return said, fmt.Errorf("%w: the reload would change something: %w", ErrHarmful, err)
			}
		}
		return r.run(ctx, name, "lbha reload")
	case script.Stop, script.Start:
		verb, _, _ := strings.Cut(c.Text, " ")
		return r.run(ctx, name, "systemctl --no-block "+verb+" lbha")
	case script.Kill:
		if c.Part == "" {
			return r.run(ctx, name, "systemctl kill --signal=KILL lbha")
		}
		title := map[string]string{"elector": "^lbha: vrrp", "director": "^lbha: director", "supervisor": "^[^ ]*lbha run"}[c.Part]
		return r.run(ctx, name, fmt.Sprintf("pkill -KILL -f '%s'", title))
	}
	return "", ErrRemote
}
