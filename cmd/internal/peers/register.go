package peers

import (
	"slices"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/exchange"
	"github.com/lbha/lbha/healthcheck/probe"
)

// register is our checks, and what each asks. It is immutable.
type register struct {
	key   *exchange.Key
	ids   []string // sorted
	entry map[string]entry
}

type entry struct {
	id    string
	probe string // key of the probe, from which asks was made
	asks  exchange.Digest
}

// newRegister registers checks. What former, of the same key, knows already is not worked out anew.
func newRegister(key *exchange.Key, checks []healthcheck.Check, former *register) *register {
	r := &register{key: key, ids: make([]string, 0, len(checks)), entry: make(map[string]entry, len(checks))}
	for i := range checks {
		c := &checks[i]
		var e entry
		if former != nil {
			e = former.entry[c.ID]
		}
		if e.id == "" || e.probe != c.ProbeKey {
			e = entry{id: c.ID, probe: c.ProbeKey, asks: key.Digest(c.ID, probe.Question(c.ProbeKey))}
		}
		r.ids = append(r.ids, c.ID)
		r.entry[c.ID] = e
	}
	slices.Sort(r.ids)
	return r
}
