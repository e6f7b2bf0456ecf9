package ipvs_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/ipvstest"
)

func TestSync(t *testing.T) {
	bubble(t, "waits for the kernel's confirmation and tells what was done", func(t *testing.T) {
		d := start(t, "")
		d.set(want(web)) // already applied when Sync is called
		rep, err := d.Sync(t.Context())
		if err != nil || len(rep.Ops) != 3 || !rep.State.InSync || rep.State.Confirmed.IsZero() {
			t.Errorf("%+v, %v", rep, err)
		}
		if rep, err = d.Sync(t.Context()); err != nil || len(rep.Ops) != 0 || !rep.State.InSync {
			t.Errorf("again: %+v, %v", rep, err)
		}
		d.Set(want(web + dns)) // not yet
		rep, err = d.Sync(t.Context())
		if err != nil || len(rep.Ops) != 2 || !rep.State.InSync {
			t.Errorf("%+v, %v", rep, err)
		}
		if got := d.kernel.Table().String(); got != rules(web+dns).String() {
			t.Errorf("the kernel has:\n%s", got)
		}
	})

	bubble(t, "tells what the kernel refuses", func(t *testing.T) {
		d := start(t, "")
		d.kernel.Refuse(func(op ipvs.Op) error {
			if op.Action == ipvs.AddServer {
				return syscall.EINVAL
			}
			return nil
		})
		d.Set(want(dns))
		rep, err := d.Sync(t.Context())
		if !errors.Is(err, syscall.EINVAL) || len(rep.Ops) != 1 || len(rep.State.Pending) != 1 {
			t.Errorf("%+v, %v", rep, err)
		}
	})

	bubble(t, "ends with its context", func(t *testing.T) {
		d := start(t, "")
		d.kernel.Hang(true)
		d.set(want(web))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sync: %v", err)
		}
	})

	bubble(t, "ends with Run", func(t *testing.T) {
		d := start(t, "")
		d.kernel.Hang(true)
		d.set(want(web))
		go func() { time.Sleep(time.Second); d.cancel() }()
		if _, err := d.Sync(t.Context()); !errors.Is(err, ipvs.ErrStopped) {
			t.Errorf("Sync: %v", err)
		}
		if _, err := d.Refresh(t.Context()); !errors.Is(err, ipvs.ErrStopped) {
			t.Errorf("Refresh: %v", err)
		}
	})

	bubble(t, "settles a race with another program", func(t *testing.T) {
		d := start(t, "")
		raced := false
		d.kernel.Refuse(func(op ipvs.Op) error {
			if op.Action == ipvs.AddServer && !raced {
				raced = true
				return syscall.EEXIST
			}
			return nil
		})
		d.Set(want(dns))
		if _, err := d.Sync(t.Context()); err != nil {
			t.Errorf("Sync: %v", err)
		}
	})

	bubble(t, "gives up against a program that undoes everything", func(t *testing.T) {
		k := hostile{ipvstest.NewKernel()}
		r := ipvs.NewReconciler(k, ipvs.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		defer func() { cancel(); <-done }()
		r.Set(want("-A -f 1 -s rr\n"))
		if _, err := r.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), "as fast as it is repaired") {
			t.Errorf("Sync: %v", err)
		}
	})
}

// hostile is a kernel whose table is cleared after each write.
type hostile struct{ *ipvstest.Kernel }

func (k hostile) Apply(ctx context.Context, ops []ipvs.Op) error {
	err := k.Kernel.Apply(ctx, ops)
	k.Foreign(ipvs.Diff(nil, k.Table())...)
	return err
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, web)
		key := rules(web).Keys()[0]
		read := func() uint64 {
			t.Helper()
			s, err := d.Refresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return s.Stats[key].Service.Connections
		}
		d.kernel.SetStats(key, ipvs.PoolStats{Service: ipvs.ServiceStats{Traffic: ipvs.Traffic{Connections: 7}}})
		if n := read(); n != 0 {
			t.Errorf("a listing within the second: %d connections", n)
		}
		d.pass(time.Second)
		var all sync.WaitGroup
		for range 10 { // many readers, one listing
			all.Go(func() {
				if n := read(); n != 7 {
					t.Errorf("a second later: %d connections", n)
				}
			})
		}
		all.Wait()
		if n := d.State().Counts.Listings; n != 2 {
			t.Errorf("%d listings", n)
		}
		d.pass(time.Second)
		d.kernel.Fail(syscall.ENOBUFS)
		if s, err := d.Refresh(t.Context()); !errors.Is(err, syscall.ENOBUFS) || s.Table.String() != web {
			t.Errorf("a listing that fails: %v, %v", s.Table, err)
		}
	})
}
