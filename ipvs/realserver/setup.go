package realserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// ErrNothing: nothing is saved that could be undone or shown.
var ErrNothing = errors.New("nothing was set up here")

// Kernel is a host that can be looked at and changed. Its calls end in bounded
// time.
type Kernel interface {
	// Observe takes a snapshot, with what is extra in it only if asked.
	Observe(ctx context.Context, also Extra) (Host, error)
	// Apply carries out one step, or nothing of it.
	Apply(ctx context.Context, s Step) error
}

// Extra is what of a host is looked at only where it matters, since that needs
// what others may lack.
type Extra struct {
	Filter    bool // needs the program nft
	Listeners bool // needs the kernel's module fou
}

// Setup prepares one host.
type Setup struct {
	kernel Kernel
	dir    string
}

// New makes a Setup that keeps its state in a directory. Each network namespace
// needs a directory of its own.
func New(k Kernel, dir string) *Setup { return &Setup{k, dir} }

const (
	// rounds bounds the plans of one call: the first may load a tunnel's module,
	// the second set the device up, the third set what belongs to it, the fourth
	// finds nothing to do.
	rounds = 5
	// rollbackTimeout bounds the way back, which the caller's deadline does not.
	rollbackTimeout = 20 * time.Second
)

// Up makes the host fulfil what is wanted, beside what was wanted before, and
// returns the steps it took. A VIP that is wanted again replaces what was wanted
// of it. If it fails, what it did is undone.
func (u *Setup) Up(ctx context.Context, want ...Wanted) ([]Step, error) {
	st, err := lockState(ctx, u.dir)
	if err != nil {
		return nil, err
	}
	defer st.unlock()
	s, err := st.load()
	if err != nil {
		return nil, err
	}
	all, h, err := u.observe(ctx, s, want)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		if !slices.ContainsFunc(want, func(n Wanted) bool { return n.VIP == w.VIP }) {
			continue
		}
		if err := refused(w, h); err != nil {
			return nil, err
		}
	}
	return u.converge(ctx, st, s, all)
}

// refused is the error of what Up cannot repair.
func refused(w Wanted, h Host) error {
	var lines []string
	for _, f := range conflicts(w, h) {
		if !f.OK {
			lines = append(lines, fmt.Sprintf("%s; fix: %s", f.Text, f.Fix))
		}
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("VIP %v: %s", w.VIP, strings.Join(lines, "\n  "))
}

// Down gives up the VIPs, all if none is named, restores what nothing that
// remains depends on, and returns the steps it took. left are the settings that
// somebody else has changed since, and that are therefore not restored. Without
// a saved state for any of the VIPs it returns ErrNothing and changes nothing.
func (u *Setup) Down(ctx context.Context, vips ...netip.Addr) (steps []Step, left []Setting, err error) {
	st, err := lockState(ctx, u.dir)
	if err != nil {
		return nil, nil, err
	}
	defer st.unlock()
	s, err := st.load()
	if err != nil {
		return nil, nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(s.Wanted), func(w Wanted) bool {
		return len(vips) == 0 || slices.Contains(vips, w.VIP)
	})
	// Originals without a VIP are what a Down that was cut short left behind.
	if len(rest) == len(s.Wanted) && (len(s.Wanted) > 0 || len(s.Originals) == 0) {
		return nil, nil, ErrNothing
	}
	h, err := u.kernel.Observe(ctx, extra(s.Wanted, s))
	if err != nil {
		return nil, nil, err
	}
	needs := requirementsOf(rest, h)
	for _, o := range s.Originals {
		if o.left(h) && !slices.ContainsFunc(needs, func(r requirement) bool { return r.Setting == o.Setting }) {
			left = append(left, o.Setting)
		}
	}
	steps, err = u.converge(ctx, st, s, rest)
	return steps, left, err
}

// Show looks at what is wanted, or at all that is saved if nothing is. It
// changes nothing. With neither it returns ErrNothing.
func (u *Setup) Show(ctx context.Context, want ...Wanted) ([]Report, error) {
	// The file is replaced as a whole, so reading needs no lock, nor a right to it.
	s, err := stateIn(u.dir).load()
	if err != nil {
		return nil, err
	}
	if len(want) == 0 {
		want = s.Wanted
	}
	if len(want) == 0 {
		return nil, ErrNothing
	}
	all, h, err := u.observe(ctx, s, want)
	if err != nil {
		return nil, err
	}
	var reports []Report
	for _, w := range all {
		if slices.ContainsFunc(want, func(n Wanted) bool { return n.VIP == w.VIP }) {
			reports = append(reports, inspect(w, all, s, h))
		}
	}
	return reports, nil
}

// observe takes a snapshot and completes what is wanted with it and with what
// was wanted before.
func (u *Setup) observe(ctx context.Context, s saved, want []Wanted) ([]Wanted, Host, error) {
	h, err := u.kernel.Observe(ctx, extra(want, s))
	if err != nil {
		return nil, Host{}, err
	}
	all := slices.Clone(s.Wanted)
	for _, w := range want {
		w, err := w.resolve(h)
		if err != nil {
			return nil, Host{}, err
		}
		all = slices.DeleteFunc(all, func(o Wanted) bool { return o.VIP == w.VIP })
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b Wanted) int { return a.VIP.Compare(b.VIP) })
	return all, h, nil
}

// extra is what matters besides, for what is wanted and what was changed before.
func extra(want []Wanted, s saved) Extra {
	changed := func(k Kind) bool {
		return slices.ContainsFunc(s.Originals, func(o original) bool { return o.Kind == k })
	}
	return Extra{
		Filter:    changed(Filter) || slices.ContainsFunc(want, func(w Wanted) bool { return w.ARP == ByFilter }),
		Listeners: changed(Listener) || slices.ContainsFunc(want, func(w Wanted) bool { return w.Tunnel.Type == ipvs.GUE }),
	}
}

// converge plans and takes steps until there are none left. What it is about to
// change is saved first, so that Down can undo the work of a process that died.
func (u *Setup) converge(ctx context.Context, st *state, before saved, want []Wanted) (done []Step, err error) {
	s := before.clone()
	s.Wanted = want
	defer func() {
		if err != nil {
			err = u.rollback(ctx, st, before, s, done, err)
			done = nil
		}
	}()
	for range rounds {
		h, err := u.kernel.Observe(ctx, extra(want, s))
		if err != nil {
			return done, err
		}
		if n := len(done); n > 0 && slices.ContainsFunc(done, func(d Step) bool { return d.Kind == Filter }) {
			s.Listing = h.Filter
		}
		steps := plan(want, s, h)
		if len(steps) == 0 {
			s.forget(h)
			return done, st.store(s)
		}
		s.record(steps)
		if err := st.store(s); err != nil {
			return done, err
		}
		for _, step := range steps {
			if err := cmp.Or(ctx.Err(), u.kernel.Apply(ctx, step)); err != nil {
				return done, fmt.Errorf("%v: %w", step, err)
			}
			done = append(done, step)
		}
	}
	return done, fmt.Errorf("%v does not last: something else changes it back", done[len(done)-1])
}

// rollback takes the steps back and restores the saved state. If it cannot, the
// state keeps what remains to be undone.
func (u *Setup) rollback(ctx context.Context, st *state, before, s saved, done []Step, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	var failed []error
	for _, step := range slices.Backward(done) {
		back := step.undo()
		if back.From == back.To {
			continue
		}
		if err := u.kernel.Apply(ctx, back); err != nil {
			failed = append(failed, fmt.Errorf("%v: %w", back, err))
		}
	}
	if failed == nil {
		if extra(nil, before).Filter {
			// The filter came back, perhaps in other words.
			if h, err := u.kernel.Observe(ctx, Extra{Filter: true}); err == nil {
				before.Listing = h.Filter
			}
		}
		if err := st.store(before); err != nil {
			return fmt.Errorf("%w; all was undone, but %s is out of date: %w", cause, st.path, err)
		}
		if len(done) > 0 {
			return fmt.Errorf("%w (what was done before that is undone)", cause)
		}
		return cause
	}
	return fmt.Errorf("%w; and it could not all be undone: %w; repair the cause and run: lbha realserver down", cause, errors.Join(append(failed, st.store(s))...))
}
