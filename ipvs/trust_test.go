package ipvs_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/ipvstest"
)

// slow is a kernel whose table is so large that a listing takes a while.
type slow struct {
	*ipvstest.Kernel
	listing time.Duration
}

func (k slow) List(ctx context.Context) (ipvs.Snapshot, error) {
	select {
	case <-time.After(k.listing):
	case <-ctx.Done():
	}
	return k.Kernel.List(ctx)
}

// While the last listing is young for what it cost, changes are made without another. What others do meanwhile is found at the next
// one, which comes in time whatever is asked for, or when the kernel refuses.
func TestReconcilerTrustsAListing(t *testing.T) {
	const listing = 100 * time.Millisecond
	startSlow := func(t *testing.T) (*director, func() int) {
		d := &director{kernel: ipvstest.NewKernel(), t: t, done: make(chan error, 1)}
		d.Reconciler = ipvs.NewReconciler(slow{d.kernel, listing}, ipvs.Options{Observe: func(e ipvs.Event) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.events = append(d.events, e.String())
		}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { d.done <- d.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-d.done })
		synctest.Wait() // the first listing is under way, whoever of the two goroutines runs first
		d.set(want(web))
		d.pass(2 * listing) // the first listing, and the one for the first table: just listed
		d.expect(web, "table-applied (startup): -A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1")
		return d, func() int { return d.kernel.Counts().Lists }
	}
	const added = "table-applied (change): -A -u 10.9.0.100:53 -s rr; -a -u 10.9.0.100:53 -r 10.9.0.3:53 -m -w 1"
	const removed = "table-applied (change): -D -u 10.9.0.100:53"

	bubble(t, "changes need none", func(t *testing.T) {
		d, lists := startSlow(t)
		before, begin := lists(), time.Now()
		d.set(want(web + dns))
		d.expect(web+dns, added)
		d.set(want(web))
		d.expect(web, removed)
		if n := lists() - before; n != 0 || time.Since(begin) != 0 {
			t.Errorf("%d listings, %v", n, time.Since(begin))
		}
		if s := d.State(); !s.InSync || s.Confirmed.After(s.Listed) {
			t.Errorf("state: %+v", s)
		}
	})

	bubble(t, "a storm of changes leaves the listing of each interval", func(t *testing.T) {
		d, lists := startSlow(t)
		before := lists()
		d.foreign("")
		for i := range 300 { // for 30 s
			d.Set(want([]string{web, web + dns}[i%2]))
			d.pass(listing)
		}
		if n := lists() - before; n < 2 || n > 4 {
			t.Errorf("%d listings in 30 s", n)
		}
		if s := d.State(); s.Counts.Drifts != 1 {
			t.Errorf("counts: %+v", s.Counts)
		}
		d.set(want(web))
		d.pass(time.Second)
		if got := d.kernel.Table().String(); got != web {
			t.Errorf("the kernel has:\n%s", got)
		}
	})

	bubble(t, "a refusal asks for one", func(t *testing.T) {
		d, _ := startSlow(t)
		d.foreign("")
		d.set(want(`-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 2
-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1
`))
		d.pass(3 * listing)
		again := "-A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1"
		d.expect("-A -t 10.9.0.100:80 -s wlc\n-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 2\n-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1\n",
			"foreign-edit (drift): "+again,
			"table-applied (change): -A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 2; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1")
	})

	bubble(t, "what is confirmed is listed", func(t *testing.T) {
		d, lists := startSlow(t)
		d.pass(listing)
		before := lists()
		d.Set(want(web + dns))
		if _, err := d.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		d.expect(web+dns, added)
		if s := d.State(); lists() == before || s.Confirmed != s.Listed {
			t.Errorf("%d listings; state: %+v", lists()-before, s)
		}
	})

	bubble(t, "a change does not wait for a listing, and is confirmed with the others", func(t *testing.T) {
		d, lists := startSlow(t)
		d.pass(listing)
		before, begin := lists(), time.Now()
		d.Set(want(web + dns))
		var rep ipvs.Report
		var err error
		synced := make(chan struct{})
		go func() { rep, err = d.Sync(t.Context()); close(synced) }()
		d.pass(listing / 2)
		d.expect(web+dns, added)
		d.set(want(web))
		d.expect(web, removed) // in the middle of the listing
		<-synced
		if n, took := lists()-before, time.Since(begin); err != nil || n != 1 || took != listing*3/2 {
			t.Errorf("%d listings, %v, %v", n, took, err)
		}
		if s := rep.State; len(rep.Ops) != 3 || !s.InSync || s.Confirmed != begin.Add(listing*3/2) {
			t.Errorf("report: %+v", rep)
		}
	})

	bubble(t, "a storm of changes puts a listing off once", func(t *testing.T) {
		d, _ := startSlow(t)
		d.pass(listing)
		begin := time.Now()
		go func() {
			for i := range 40 {
				d.Set(want([]string{web, web + dns}[i%2]))
				time.Sleep(listing / 10)
			}
		}()
		if rep, err := d.Sync(t.Context()); err != nil || rep.State.Confirmed.Before(begin) || time.Since(begin) > 3*listing {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		d.pass(5 * listing)
	})

	bubble(t, "a change of the settings waits for a listing", func(t *testing.T) {
		d, _ := startSlow(t)
		d.pass(listing)
		go d.Sync(t.Context())
		d.pass(listing / 2)
		w := want(web + dns)
		w.Settings.Timeouts.TCP = time.Minute
		d.set(w)
		d.expect(web)
		d.pass(listing)
		d.expect(web+dns, added, "settings-applied (change): --set 60 0 0")
	})

	bubble(t, "what somebody changed during a listing that was given up is found by the next", func(t *testing.T) {
		d, _ := startSlow(t)
		d.pass(listing)
		go d.Sync(t.Context())
		d.pass(listing / 2)
		d.foreign("")
		d.set(want(web + dns))
		d.pass(4 * listing)
		if s := d.State(); s.Counts.Drifts != 1 || !s.InSync || d.kernel.Table().String() != rules(web+dns).String() {
			t.Errorf("counts: %+v\n%s", s.Counts, d.kernel.Table())
		}
	})

	bubble(t, "exclusive counts at once", func(t *testing.T) {
		d, lists := startSlow(t)
		d.foreign(web + dns)
		d.pass(10*time.Second + listing + listing/2) // the slow timer's listing is over
		d.expect(web+dns, "foreign-service (drift): udp/10.9.0.100:53")
		before := lists()
		d.set(ipvs.Want{Table: rules(web), Exclusive: true})
		d.expect(web, removed)
		if n := lists() - before; n != 0 {
			t.Errorf("%d listings", n)
		}
	})
}
