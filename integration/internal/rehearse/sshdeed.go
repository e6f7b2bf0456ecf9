package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/script"
)

// deed is what a sentence means on a host.
type deed struct {
	command string
	harm    bool   // it may hurt somebody
	undo    string // what takes it back; empty: nothing has to
	first   string // must succeed before, and says why not; empty: nothing
}

const (
	lbhaPlan  = "lbha plan" // exit status 2: the reload would change something
	unitStart = "systemctl start lbha"
)

// deed returns what is to be run for a sentence.
func (r *SSH) deed(c script.Clause) (d deed, ok bool) {
	switch c.Form {
	case script.Status:
		d.command = "lbha status --json"
	case script.Failover:
		d = deed{command: "lbha failover", undo: "lbha failover --lift"}
	case script.Lift:
		d.command = "lbha failover --lift"
	case script.Reload:
		d.command = "lbha reload"
		if !r.Really {
			d.first = lbhaPlan
		}
	case script.Stop:
		d = deed{command: "systemctl --no-block stop lbha", harm: true, undo: unitStart}
	case script.Start:
		d = deed{command: unitStart, harm: true}
	case script.Kill:
		d = r.kill(c.Part)
	default:
		return deed{}, false
	}
	d.command, d.undo, d.first = r.may(d.command), r.may(d.undo), r.may(d.first)
	return d, true
}

// kill ends all processes of the unit or one of them, and never those of another lbha on the host. Whatever the unit does then, it is
// started afterwards.
func (r *SSH) kill(part string) deed {
	d := deed{command: "systemctl kill --signal=KILL lbha", harm: true, undo: unitStart}
	switch part {
	case "supervisor":
		d.command = "systemctl kill --kill-who=main --signal=KILL lbha"
	case "elector":
		d = deed{command: `pkill -KILL -P "$(systemctl show --property=MainPID --value lbha)" -f "^lbha: vrrp"`, harm: true}
	case "director":
		d = deed{command: `pkill -KILL -P "$(systemctl show --property=MainPID --value lbha)" -f "^lbha: director"`, harm: true}
	}
	return d
}

// may is a command with the right to do it.
func (r *SSH) may(command string) string {
	if command == "" || !r.Sudo {
		return command
	}
	return "sudo -n " + command
}

// Announce says what a scenario will do, and on which host, before anything is done.
func (r *SSH) Announce(s *script.Scenario) (lines []string) {
	lines = append(lines, fmt.Sprintf("%s: %s (%v); on d1 = %s and d2 = %s:", s.Name, s.Title, s.Length, r.Hosts[0], r.Hosts[1]))
	owed := map[string]bool{}
	for _, step := range s.Steps {
		d, ok := r.deed(step.Clause)
		if !ok {
			continue // refused
		}
		what := d.command
		if d.first != "" {
			what = fmt.Sprintf("%s, if %s says that it changes nothing", d.command, d.first)
		}
		if d.harm {
			what += "   <- may hurt somebody"
		}
		lines = append(lines, fmt.Sprintf("  at %-7v %s: %s", step.At, r.host(step.Host()), what))
		if d.undo != "" {
			owed[r.host(step.Host())+": "+d.undo] = true
		}
	}
	lines = append(lines, fmt.Sprintf("  all the time, every %v, on both: %s", askPeriod, r.may("lbha status --json")))
	for _, what := range []string{r.Hosts[0], r.Hosts[1]} {
		for undo := range owed {
			if strings.HasPrefix(undo, what+": ") {
				lines = append(lines, "  at the end, however it ends, unless done already: "+undo)
			}
		}
	}
	slices.Sort(lines[len(lines)-len(owed):])
	return lines
}

// debt is what must be taken back.
type debt struct{ director, undo string }

// errUnbacked is returned for what would leave nobody.
var errUnbacked = errors.New("refused: the other director does not answer, and somebody must forward")

// do does one thing.
func (r *SSH) do(ctx context.Context, c script.Clause) (string, error) {
	// Whoever calls this has asked before; a pair that works deserves that it is asked again.
	if err := r.Can(c); err != nil {
		return "", err
	}
	d, ok := r.deed(c)
	if !ok {
		return "", ErrRemote
	}
	name := c.Host()
	if d.first != "" {
		var f *failure
		switch said, err := r.run(ctx, name, d.first); {
		case errors.As(err, &f) && f.status == 2:
			return said, fmt.Errorf("%w: the reload would change something: %s", ErrHarmful, strings.TrimSpace(said))
		case err != nil:
			return said, err
		}
	}
	if d.undo != "" {
		// It is owed before it is known to be done: of a connection that breaks nobody knows.
		r.owed = append(slices.DeleteFunc(r.owed, func(o debt) bool { return o == debt{name, d.undo} }), debt{name, d.undo})
	}
	said, err := r.run(ctx, name, d.command)
	if err == nil {
		r.owed = slices.DeleteFunc(r.owed, func(o debt) bool { return o == debt{name, d.command} })
	}
	if c.Form == script.Status {
		said = "" // long, and of no use to a reader
	}
	return said, err
}

const (
	// undoLimit is how long it is tried to take something back from a host that does not answer.
	undoLimit = time.Minute
	undoPause = 2 * time.Second
)

// settle takes back what the scenario left. It returns what it did; the error says what is left when ctx ends, and what to do about it.
func (r *SSH) settle(ctx context.Context) (done []string, err error) {
	var errs []error
	for _, o := range slices.Backward(r.owed) {
		what := r.host(o.director) + ": " + o.undo
		r.say("      taking back: %s", what)
		for {
			_, err := r.run(ctx, o.director, o.undo)
			if err == nil {
				done = append(done, "taken back at the end: "+what)
				break
			}
			sleep(ctx, undoPause)
			if ctx.Err() != nil {
				errs = append(errs, fmt.Errorf("LEFT BEHIND; to be done by hand: %s (%w)", what, err))
				break
			}
		}
	}
	r.owed = nil
	return done, errors.Join(errs...)
}
