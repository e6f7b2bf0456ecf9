package ipvs

// decide places every member of one service.
func (in Intent) decide() Outcome {
	out := Outcome{Key: in.Service.Key, Members: make([]MemberOutcome, len(in.Members))}
	for i, m := range in.Members {
		out.Members[i] = m.place(in.Policy.OnFail)
		if !m.Backup && out.Members[i].alive() {
			out.Alive += out.Members[i].Weight
		}
	}
	out.QuorumLost = in.Policy.lost(out.Alive, in.QuorumLost)

	fallback := false
	for i, m := range in.Members {
		if o := &out.Members[i]; m.Backup && !out.QuorumLost && o.Placement.In() {
			*o = MemberOutcome{o.Addr, OutStandby, 0}
		} else if m.Backup && o.alive() {
			fallback = true
		}
	}
	if out.Panic = !fallback && in.panicking(out.Members); out.Panic {
		for i, m := range in.Members {
			if o := &out.Members[i]; m.distrusted(*o) {
				*o = MemberOutcome{o.Addr, InPanic, m.weight()}
			}
		}
	}
	return out
}

// place puts a member where it belongs if nothing but itself mattered.
func (m Member) place(onFail OnFail) MemberOutcome {
	o := MemberOutcome{Addr: m.Server.Addr}
	switch {
	case m.Override.Mode == Disable:
		o.Placement = OutDisabled
	case m.Verdict == Unknown && !m.Carried:
		o.Placement = OutUnproven
	case m.Verdict == Down && onFail == Remove:
		// Even if it is being drained: persistence would send its clients back
		// to a server that is dead.
		o.Placement = OutDown
	case m.Verdict == Down:
		o.Placement = InQuiesced
	case m.Override.Mode == Drain:
		o.Placement = InDraining
	case m.Verdict == Unknown:
		o.Placement = InAdopted
		if m.CarriedWeight > 0 {
			o.Weight = m.weight()
		}
	default:
		o.Placement, o.Weight = InServing, m.weight()
	}
	return o
}

// weight is the weight of a member that takes connections.
func (m Member) weight() Weight {
	w := m.Server.Weight
	if m.Override.Mode == OverrideWeight {
		w = m.Override.Weight
	}
	if m.Share > 0 && m.Share < 1 && w > 0 {
		w = max(1, Weight(float64(w)*m.Share))
	}
	return w
}

// alive reports whether a member counts towards the quorum.
func (o MemberOutcome) alive() bool {
	return o.Weight > 0 && (o.Placement == InServing || o.Placement == InAdopted)
}

// lost says whether the quorum is lost with the alive weight, given whether it
// was before.
func (p Policy) lost(alive Weight, was bool) bool {
	quorum := max(1, p.Quorum)
	if was {
		return alive < quorum+p.Hysteresis
	}
	return alive < quorum-min(quorum-1, p.Hysteresis)
}

// panicking reports whether so few primary servers are alive that their checks
// are not to be believed. Servers that the operator took out do not count.
func (in Intent) panicking(members []MemberOutcome) bool {
	alive, down := 0, 0
	for i, m := range in.Members {
		switch o := members[i]; {
		case m.distrusted(o):
			down++
		case !m.Backup && (o.Placement == InServing || o.Placement == InAdopted):
			alive++
		}
	}
	return down > 0 && float64(alive) < in.Policy.PanicThreshold*float64(alive+down)
}

// distrusted reports whether a member is out, or idle, for nothing but its
// checks: such is put back in a panic.
func (m Member) distrusted(o MemberOutcome) bool {
	return !m.Backup && m.Override.Mode != Drain && (o.Placement == OutDown || o.Placement == InQuiesced)
}
