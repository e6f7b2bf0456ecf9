package ipvs

import "slices"

// Diff returns the ops that turn the table have into the table want, in an
// order that is safe to stop at or to fail in anywhere:
//
//   - first services that are made and edited;
//   - then what adds capacity: servers added, weights raised from 0;
//   - then other edits of servers;
//   - then what takes capacity away: weights lowered to 0, servers deleted;
//   - last the services that are not wanted.
//
// So a pool that is not empty before or after is never empty on the way; "empty"
// is a pool in which no server has a weight. Within a phase the order is that of
// the listing. What is equal in both tables has no op.
func Diff(want, have Table) []Op {
	keys := differing(want, have)
	// Ops are large, and a table that is filled has tens of thousands: they are counted, and then each is made where it
	// belongs.
	var at [phases + 1]int // of the next op of each phase
	differences(keys, want, have, func(op Op) { at[op.phase()+1]++ })
	for phase := range phases {
		at[phase+1] += at[phase]
	}
	if at[phases] == 0 {
		return nil
	}
	ops := make([]Op, at[phases])
	differences(keys, want, have, func(op Op) {
		phase := op.phase()
		ops[at[phase]] = op
		at[phase]++
	})
	return ops
}

// differing returns the keys of which the tables say different things, in their order.
func differing(want, have Table) []Key {
	var keys []Key
	for k, w := range want {
		if h, exists := have[k]; !exists || h.Service != w.Service || !slices.Equal(h.Servers, w.Servers) {
			keys = append(keys, k)
		}
	}
	for k := range have {
		if _, wanted := want[k]; !wanted {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, Key.Compare)
	return keys
}

// differences tells the ops for some keys, in the order of the listing.
func differences(keys []Key, want, have Table, tell func(Op)) {
	for _, k := range keys {
		w, wanted := want[k]
		h, exists := have[k]
		switch {
		case !wanted:
			tell(Op{Action: DeleteService, Service: Service{Key: k}, Was: Was{Service: h.Service}})
			continue
		case !exists:
			tell(Op{Action: AddService, Service: w.Service})
		case h.Service != w.Service:
			tell(Op{Action: EditService, Service: w.Service, Was: Was{Service: h.Service}})
		}
		serverDifferences(w, h, tell)
	}
}

// serverDifferences merges the two sorted lists of servers.
func serverDifferences(want, have Pool, tell func(Op)) {
	svc := Service{Key: want.Service.Key}
	w, h := want.Servers, have.Servers
	for len(w) > 0 || len(h) > 0 {
		switch side := order(w, h); {
		case side < 0:
			tell(Op{Action: AddServer, Service: svc, Server: w[0]})
			w = w[1:]
		case side > 0:
			tell(Op{Action: DeleteServer, Service: svc, Server: Server{Addr: h[0].Addr}, Was: Was{Server: h[0]}})
			h = h[1:]
		default:
			if w[0] != h[0] {
				tell(Op{Action: EditServer, Service: svc, Server: w[0], Was: Was{Server: h[0]}})
			}
			w, h = w[1:], h[1:]
		}
	}
}

// order says which list has the next server: negative want's, positive have's,
// 0 both. One of them is not empty.
func order(w, h []Server) int {
	switch {
	case len(h) == 0:
		return -1
	case len(w) == 0:
		return +1
	}
	return w[0].Addr.Compare(h[0].Addr)
}

// The phases of a [Diff].
const (
	phaseService = iota
	phaseRaise
	phaseEdit
	phaseLower
	phaseDelete

	phases = iota
)

func (o *Op) phase() int {
	switch o.Action {
	case AddService, EditService:
		return phaseService
	case AddServer:
		return phaseRaise
	case EditServer:
		switch from, to := o.Was.Server.Weight, o.Server.Weight; {
		case from == 0 && to > 0:
			return phaseRaise
		case from > 0 && to == 0:
			return phaseLower
		}
		return phaseEdit
	case DeleteServer:
		return phaseLower
	}
	return phaseDelete
}
