package vrrp

// Machine is one virtual router. The zero Machine is not usable: see [New].
type Machine struct {
	cfg     Config
	state   State
	effects []Effect
}

// New returns a machine in Initialize. It panics if the configuration is not
// valid: see [Config.Validate].
func New(cfg Config) *Machine {
	if err := cfg.Validate(); err != nil {
		panic("vrrp: " + err.Error())
	}
	return &Machine{cfg: cfg.withDefaults()}
}

// Step tells the machine what happened at now, and returns what has to be done
// about it, in this order. The slice is valid until the next Step.
func (m *Machine) Step(now Instant, ev Event) []Effect { return m.effects[:0] }

// Deadline returns when TimerFired is due, or false if no timer is armed.
func (m *Machine) Deadline() (Instant, bool) { return never, false }

// Status returns a copy of the state for observers.
func (m *Machine) Status() Status { return Status{} }

// Saved returns what a successor of this process needs to resume.
func (m *Machine) Saved() Saved { return Saved{} }
