package ipvs

import "context"

// overtake lists the table, and gives up when something else becomes wanted: that is returned. With thousands of services a
// listing takes a good part of a second, and a server that has failed, or just become healthy, should not wait for it.
//
// Only what may be written without a listing overtakes one: if what is known of the table is young, and the settings stay as they
// are, which attempt puts in order with the table. The caller lists again after it has written, whatever comes then, so that a
// storm of changes delays a listing once and not for ever.
func (l *loop) overtake(ctx context.Context) (Snapshot, *Want, error) {
	if !l.trusts() {
		snap, err := l.kernel.List(ctx)
		return snap, nil, err
	}
	listing, cancel := context.WithCancel(ctx)
	defer cancel()
	settings := l.want.Settings
	came := make(chan *Want)
	go func() {
		defer close(came)
		select {
		case w := <-l.wants:
			if w.Settings.equal(settings) {
				cancel()
			}
			came <- &w
		case <-listing.Done():
		}
	}()
	snap, err := l.kernel.List(listing)
	abandoned := err != nil && listing.Err() != nil && ctx.Err() == nil
	cancel()
	w := <-came
	if w == nil || abandoned {
		return snap, w, err
	}
	select {
	case l.wants <- *w: // Run takes it when this attempt is over
	default: // a later one is there
	}
	return snap, nil, err
}
