package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Prober asks one real server once. Probe returns by the deadline of ctx; the
// [Checker] gives each call an absolute one, and stamps time and latency on the
// result. It is never called again before it has returned.
type Prober interface {
	Probe(ctx context.Context) Result
}

// A Spec says how often a check runs and what its results mean.
type Spec struct {
	Interval     time.Duration // between starts
	FastInterval time.Duration // between starts while results contradict the verdict; 0: Interval
	Timeout      time.Duration // from start to verdict, all phases together
	Jitter       time.Duration // by up to which each start is moved, at most Interval/2
	Policy
}

// A Check is one question about one server, asked again and again.
type Check struct {
	// ID is the stable identity: state follows it over updates and restarts.
	ID string
	// Group names the checks that share a pace (see [Checker.SetPaces]): a service.
	Group string
	// Target is what is asked, as the operator knows it ("10.9.0.3:80").
	Target string
	// Spec is the timing, and the rise and fall.
	Spec Spec
	// ProbeKey identifies what Prober does: checks with equal keys and timing
	// share one probe, and a changed key means a changed probe. Empty: the probe
	// is the check's own and never changes.
	ProbeKey string
	// Prober asks the server. Of checks with equal keys any one may be used.
	Prober Prober

	// Saved and Adopted say where a check starts that the Checker does not know
	// yet: with the saved verdict if there is one, else up if the kernel's table
	// already carries the server, else as Spec.Initial says.
	Saved   *Saved
	Adopted bool
}

// validate returns what is wrong with the check itself.
func (c *Check) validate() error {
	switch s := c.Spec; {
	case c.ID == "":
		return errors.New("check without an ID")
	case c.Prober == nil:
		return fmt.Errorf("check %s: no prober", c.ID)
	case s.Interval <= 0:
		return fmt.Errorf("check %s: interval %v is not positive", c.ID, s.Interval)
	case s.FastInterval < 0:
		return fmt.Errorf("check %s: fast interval %v is negative", c.ID, s.FastInterval)
	case s.Jitter < 0 || s.Jitter > s.Interval/2:
		return fmt.Errorf("check %s: jitter %v is not from 0 to half of the interval, %v", c.ID, s.Jitter, s.Interval)
	case s.Timeout <= 0:
		return fmt.Errorf("check %s: timeout %v is not positive", c.ID, s.Timeout)
	case s.Rise < 1 || s.Fall < 1:
		return fmt.Errorf("check %s: rise %d and fall %d must be at least 1", c.ID, s.Rise, s.Fall)
	}
	return nil
}
