package director

import (
	"errors"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// trial decides what becomes of a configuration that came in force on trial (`lbha reload --confirm`): it stays if somebody
// confirms it in time, else the former one returns. It is pure: instants are arguments, and what it decides is done by others.
// The zero value is the usual: nothing is on trial.
//
//	settled ──begin──► waiting ──expire, revert──► reverting ──reverted──► settled
//	   ▲                  │                          │    ▲
//	   ├──────confirm─────┘                    failed│    │expire, revert
//	   └──────confirm───────────────────── stuck ◄───┘────┘
//
// What was decided is final: once the former configuration is on its way back nobody confirms the other one any more, unless
// the way turns out to be closed.
type trial struct {
	phase    phase
	deadline vrrp.Instant // waiting: until then it can be confirmed; stuck: the next try
	failure  string       // why the former configuration could not be put in force, when that was tried last
}

// phase is where a trial is.
type phase string

const (
	settled   phase = ""          // nothing is on trial
	waiting   phase = "waiting"   // for somebody who confirms
	reverting phase = "reverting" // the former configuration is being put in force
	stuck     phase = "stuck"     // that was not possible
)

// revertAgain is the pause before a return that failed is tried again: what stood in its way may have gone.
const revertAgain = 10 * time.Second

var (
	errNothingWaits = errors.New("nothing waits for confirmation")
	errTooLate      = errors.New("too late: the former configuration is being put in force again; see lbha status")
)

// begin puts a configuration on trial.
func (t *trial) begin(deadline vrrp.Instant) { *t = trial{phase: waiting, deadline: deadline} }

// confirm ends the trial, and what is in force stays.
func (t *trial) confirm(now vrrp.Instant) error {
	switch {
	case t.phase == settled:
		return errNothingWaits
	case t.phase == reverting, t.phase == waiting && !now.Before(t.deadline):
		return errTooLate
	}
	*t = trial{}
	return nil
}

// revert decides for the former configuration, without waiting for the deadline.
func (t *trial) revert() error {
	switch t.phase {
	case settled:
		return errNothingWaits
	case reverting:
		return errTooLate
	}
	t.phase = reverting
	return nil
}

// expire decides for the former configuration if it is time, and reports whether it did: whoever asks has to put it in force,
// and to say what has come of that.
func (t *trial) expire(now vrrp.Instant) bool {
	if t.phase != waiting && t.phase != stuck || now.Before(t.deadline) {
		return false
	}
	t.phase = reverting
	return true
}

// reverted takes note that the former configuration is in force.
func (t *trial) reverted() { *t = trial{} }

// failed takes note that it could not be put in force, and why; it reports whether that is another reason than before.
func (t *trial) failed(now vrrp.Instant, why string) (news bool) {
	news = t.failure != why
	*t = trial{phase: stuck, deadline: now.Add(revertAgain), failure: why}
	return news
}

// left is how long it can still be confirmed; nothing if it is not waiting.
func (t trial) left(now vrrp.Instant) time.Duration {
	if t.phase != waiting {
		return 0
	}
	return max(0, t.deadline.Sub(now))
}
