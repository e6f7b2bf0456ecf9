package vrrp

import (
	"fmt"
	"testing"
	"time"
)

func TestSkewAndMasterDown(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		version    Version
		priority   Priority
		interval   time.Duration
		down       int
		skew, wait time.Duration
	}{
		{3, 100, time.Second, 3, 609375 * time.Microsecond, 3609375 * time.Microsecond},
		{3, 200, time.Second, 3, 218750 * time.Microsecond, 3218750 * time.Microsecond},
		{3, 255, 10 * ms, 3, 39062, 30*ms + 39062},
		{3, 1, 10 * ms, 3, 9960937, 39960937},
		{3, 254, 40950 * ms, 3, 319921875, 123169921875},
		{3, 100, time.Second, 5, 609375 * time.Microsecond, 5609375 * time.Microsecond},
		{2, 100, time.Second, 3, 609375 * time.Microsecond, 3609375 * time.Microsecond},
		{2, 100, 10 * time.Second, 3, 609375 * time.Microsecond, 30609375 * time.Microsecond},
		{2, 255, 255 * time.Second, 3, 3906250, 765003906250},
	} {
		t.Run(fmt.Sprintf("v%d/%d/%v", c.version, c.priority, c.interval), func(t *testing.T) {
			if got := Skew(c.version, c.priority, c.interval); got != c.skew {
				t.Errorf("skew is %v, want %v", got, c.skew)
			}
			if got := MasterDown(c.version, c.priority, c.interval, c.down); got != c.wait {
				t.Errorf("master-down interval is %v, want %v", got, c.wait)
			}
		})
	}
}

func TestAutoLease(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		down     int
		want     time.Duration // in seconds
		overlap  bool          // a killed master may answer beside its successor
	}{
		{10 * time.Millisecond, 3, 1, true},
		{100 * time.Millisecond, 3, 1, true},
		{300 * time.Millisecond, 3, 1, true},
		{500 * time.Millisecond, 3, 1, false},
		{800 * time.Millisecond, 3, 2, false}, // by the skew alone
		{900 * time.Millisecond, 3, 2, false},
		{time.Second, 3, 2, false},
		{2 * time.Second, 3, 5, false},
		{10 * time.Second, 3, 29, false},
		{time.Second, 2, 2, true},
		{time.Second, 5, 4, false},
		{10 * time.Millisecond, 5, 1, true},
		{4095 * 10 * time.Millisecond, 3, 122, false},
	} {
		lease := AutoLease(c.interval, c.down)
		if lease != c.want*time.Second {
			t.Errorf("%v, %d adverts: lease %v, want %v", c.interval, c.down, lease, c.want*time.Second)
		}
		if lease < 2*c.interval {
			t.Errorf("%v: lease %v does not outlive a lost renewal", c.interval, lease)
		}
		overlap := lease+leaseTail >= QuickestTakeover(Version3, c.interval, c.down)
		if overlap != c.overlap {
			t.Errorf("%v, %d adverts: lease %v, overlap %v", c.interval, c.down, lease, overlap)
		}
	}
}

func TestNext(t *testing.T) {
	for _, c := range []struct{ at, period, now, want int }{
		{100, 10, 100, 110},
		{100, 10, 109, 110},
		{100, 10, 110, 120}, // due, but the one that is sent now serves for it
		{100, 10, 157, 160},
		{100, 10, 90, 110},
	} {
		got := next(Instant(c.at), time.Duration(c.period), Instant(c.now))
		if got != Instant(c.want) {
			t.Errorf("next(%d, %d, %d) = %d, want %d", c.at, c.period, c.now, got, c.want)
		}
	}
}

func TestBackOff(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 1, 2: 2, 3: 4, 4: 8, 5: 8, 1000: 8} {
		if got := backOff(failures, retryMin, retryMax); got != want*time.Second {
			t.Errorf("after %d failures %v, want %v", failures, got, want*time.Second)
		}
	}
}
