package vrrp

import (
	"errors"
	"testing"
	"time"
)

// count returns how many effects are of type E.
func count[E Effect](effects []Effect) (n int) {
	for _, e := range effects {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

// A lease that could not be renewed has ended, whether the kernel has said so or not: what is due to be announced
// is claimed first.
func TestAnEndedLeaseIsNotAnnounced(t *testing.T) {
	cfg := testConfig(200)
	cfg.Lease = 3 * time.Second
	m := running(t, cfg)
	at, _ := m.Deadline()
	drive(m, at, TimerFired{}) // master: announces at once, and 3 s later for the last time
	end := at.Add(3 * time.Second)
	for at < end {
		at, _ = m.Deadline()
		effects := append([]Effect(nil), m.Step(at, TimerFired{})...)
		if at == end && (count[Announce](effects) > 0 || count[Claim](effects) == 0) {
			t.Errorf("the lease ended, and it does %+v", effects)
		}
		for range count[Send](effects) {
			for range count[Renew](m.Step(at, AdvertSent{})) {
				m.Step(at, Renewed{Err: errors.New("operation not permitted")})
			}
		}
	}
}

// What a release of before came to does not take the addresses from a master.
func TestALateReleaseIsNotRepeatedByAMaster(t *testing.T) {
	m := running(t, testConfig(200))
	at, _ := m.Deadline()
	drive(m, at, TimerFired{})
	drive(m, at, Released{Err: errors.New("operation not permitted")})
	if times := until[Release](m, at.Add(10*time.Second)); len(times) > 0 || m.state != Master {
		t.Errorf("is %v, and releases at %v", m.state, times)
	}
}
