package vrrp

import (
	"errors"
	"testing"
	"time"
)

// A router whose first advert does not leave holds no addresses: others would claim them, too.
func TestTheFirstAdvertMustLeave(t *testing.T) {
	m := running(t, testConfig(200))
	at, _ := m.Deadline()
	m.Step(at, TimerFired{})
	if m.Step(at, AdvertSent{Err: errors.New("no buffer space")}); m.state != Fault || m.reason != ReasonSendFailed {
		t.Errorf("is %v: %v", m.state, m.reason)
	}
}

// A new configuration may have ended what was wrong: it is tried at once.
func TestAConfigurationEndsTheWaitBeforeARetry(t *testing.T) {
	m := running(t, testConfig(200))
	at, _ := m.Deadline()
	m.Step(at, TimerFired{})
	if m.Step(at, Claimed{Err: errors.New("permission denied")}); m.state != Fault {
		t.Fatalf("is %v, want fault", m.state)
	}
	if m.Step(at.Add(time.Millisecond), Reconfigured{Config: m.cfg}); m.state != Backup {
		t.Errorf("is %v: %v", m.state, m.reason)
	}
}

// A backup that wakes late waits once more, and not each time: on a machine whose timers are always late nobody
// would ever take over.
func TestABackupThatIsAlwaysLateTakesOver(t *testing.T) {
	m := running(t, testConfig(100))
	for late := 1; late <= 2; late++ {
		if m.state != Backup {
			t.Fatalf("is %v after it was late %d times", m.state, late-1)
		}
		at, _ := m.Deadline()
		drive(m, at.Add(3*time.Second), TimerFired{})
	}
	if m.state != Master {
		t.Errorf("is %v after it was late twice", m.state)
	}
}
