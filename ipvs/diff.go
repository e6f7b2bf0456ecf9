package ipvs

import (
	"cmp"
	"slices"
)

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
	var ops []Op
	for _, k := range want.Keys() {
		w := want[k]
		h, exists := have[k]
		switch {
		case !exists:
			ops = append(ops, Op{Action: AddService, Service: w.Service})
		case h.Service != w.Service:
			ops = append(ops, Op{Action: EditService, Service: w.Service, Was: Was{Service: h.Service}})
		}
		ops = appendServerOps(ops, w, h)
	}
	for _, k := range have.Keys() {
		if _, wanted := want[k]; !wanted {
			ops = append(ops, Op{Action: DeleteService, Service: Service{Key: k}, Was: Was{Service: have[k].Service}})
		}
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Compare(a.phase(), b.phase()) })
	return ops
}

// appendServerOps merges the two sorted lists of servers.
func appendServerOps(ops []Op, want, have Pool) []Op {
	svc := Service{Key: want.Service.Key}
	w, h := want.Servers, have.Servers
	for len(w) > 0 || len(h) > 0 {
		switch side := order(w, h); {
		case side < 0:
			ops = append(ops, Op{Action: AddServer, Service: svc, Server: w[0]})
			w = w[1:]
		case side > 0:
			ops = append(ops, Op{Action: DeleteServer, Service: svc, Server: Server{Addr: h[0].Addr}, Was: Was{Server: h[0]}})
			h = h[1:]
		default:
			if w[0] != h[0] {
				ops = append(ops, Op{Action: EditServer, Service: svc, Server: w[0], Was: Was{Server: h[0]}})
			}
			w, h = w[1:], h[1:]
		}
	}
	return ops
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
)

func (o Op) phase() int {
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
