package healthcheck

import "time"

// A Schedule says when the probes of one check start. The starts lie on a grid
// Epoch + Phase + n × Interval: they do not drift, however late a start or long
// a probe was.
type Schedule struct {
	Epoch    time.Time     // the same for all checks
	Phase    time.Duration // 0 to Interval; spreads the checks, see [Phase]
	Interval time.Duration
	Fast     time.Duration // between starts while unsettled; 0: Interval
}
