//go:build linux

package address

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
)

// hear reads until there has been no news for a moment.
func hear(t testing.TB, w *Watch) Changes {
	t.Helper()
	var all, ch Changes
	for lan.Readable(t, w.FD(), 100*time.Millisecond) {
		if err := w.Read(&ch); err != nil {
			t.Fatal(err)
		}
		all.Lost = all.Lost || ch.Lost
		for _, i := range ch.Links {
			all.changed(i)
		}
		all.Deleted = append(all.Deleted, ch.Deleted...)
	}
	return all
}

func TestWatch(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	w := watch(t, h, c)
	vs := vips(t, c, "10.77.0.100/32", "10.77.0.101/32")
	v6 := vips(t, c, "2001:db8::100/128")
	index := vs[0].Index
	hear(t, w) // what the making of the host left to say

	for _, step := range []struct {
		name string
		do   func() error
		want Changes
	}{
		{"our own doing", func() error {
			return errors.Join(c.Claim(vs, time.Minute), c.Renew(vs, time.Minute), c.Release(vs[1:2]), c.Claim(vs, 0))
		}, Changes{}},
		{"our own doing, IPv6", func() error { return errors.Join(c.Claim(v6, 0), c.Renew(v6, time.Minute)) }, Changes{}},
		{"our own release, IPv6", func() error { return c.Release(v6) },
			Changes{Links: []int{index}, Deleted: []Deleted{{Index: index, Prefix: v6[0].Prefix, Ours: true, Kernel: true}}}},
		{"ours deleted by hand", func() error {
			h.IP("address del 10.77.0.100/32 dev eth0")
			return nil
		}, Changes{Links: []int{index}, Deleted: []Deleted{{Index: index, Prefix: vs[0].Prefix, Ours: true}}}},
		{"another's added and deleted", func() error {
			h.IP("address add 10.77.0.200/32 dev eth0", "address del 10.77.0.200/32 dev eth0")
			return nil
		}, Changes{Links: []int{index}, Deleted: []Deleted{
			{Index: index, Prefix: netip.MustParsePrefix("10.77.0.200/32")},
		}}},
		{"link", func() error { h.IP("link set eth0 mtu 1400"); return nil }, Changes{Links: []int{index}}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, hear(t, w), cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}

	// With the link its addresses go, by no process's hand.
	h.IP("link del eth0")
	ch := hear(t, w)
	want := Deleted{Index: index, Prefix: netip.MustParsePrefix("10.77.0.101/32"), Ours: true, Kernel: true}
	if !slices.Contains(ch.Links, index) || !slices.Contains(ch.Deleted, want) {
		t.Errorf("link deleted: %+v", ch)
	}
}

// More events than the queue holds end in Lost, not in silence, and the Watch
// goes on.
func TestWatchOverrun(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	w := watch(t, h, c)
	if err := unix.SetsockoptInt(w.FD(), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		t.Fatal(err)
	}
	var add []string
	for i := range 200 {
		add = append(add, fmt.Sprintf("address add 10.78.0.%d/32 dev eth0", i+1))
	}
	h.IP(add...)
	if ch := hear(t, w); !ch.Lost {
		t.Errorf("nothing lost: %+v", ch)
	}
	h.IP("address del 10.78.0.1/32 dev eth0")
	if ch := hear(t, w); ch.Lost || len(ch.Deleted) != 1 {
		t.Errorf("after the overrun: %+v", ch)
	}
}

// A Changes does not grow without end.
func TestChangesAreBounded(t *testing.T) {
	var ch Changes
	for i := range 2 * changesLimit {
		v := VIP{Prefix: netip.MustParsePrefix("10.77.0.100/32"), Index: i + 1}
		ch.add(appendMessage(nil, unix.RTM_DELADDR, 0, 0, func(b []byte) []byte { return appendVIP(b, &v) }), 1)
	}
	if len(ch.Links) != changesLimit || len(ch.Deleted) != changesLimit || !ch.Lost {
		t.Errorf("%d links, %d deleted, lost %v", len(ch.Links), len(ch.Deleted), ch.Lost)
	}
}

// What a process other than the kernel sends is not believed, neither as an
// event nor as an answer, and does not keep us waiting.
func TestForgedMessages(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	w := watch(t, h, c)
	index := link(t, c).Index
	hear(t, w)
	forge := func(to uint32, message []byte) {
		h.Do(func() {
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: to}); err != nil {
				t.Fatalf("send: %v", err)
			}
		})
	}
	v := VIP{Prefix: netip.MustParsePrefix("10.77.0.100/32"), Index: index}
	forge(w.s.port, appendMessage(nil, unix.RTM_DELADDR, 0, 0, func(b []byte) []byte { return appendLease(appendVIP(b, &v), &v, 0) }))
	if ch := hear(t, w); len(ch.Deleted) != 0 || len(ch.Links) != 0 {
		t.Errorf("believed %+v", ch)
	}
	// "No such device" to the request that c will send next.
	forge(c.s.port, appendMessage(nil, unix.NLMSG_ERROR, 0, c.seq+1, func(b []byte) []byte {
		errno := -int32(unix.ENODEV)
		return native.AppendUint32(b, uint32(errno))
	}))
	if err := c.Claim([]VIP{v}, 0); err != nil {
		t.Errorf("believed %v", err)
	}
	check(t, "claimed", "inet 10.77.0.100/32 scope global eth0 valid_lft forever preferred_lft forever", shown(h))
}

// A kernel that does not answer is an error after a bounded time.
func TestNoAnswer(t *testing.T) {
	s, err := openSocket(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	start := time.Now()
	_, err = s.receive(start.Add(answerTimeout))
	if took := time.Since(start); err != ErrTimeout || took < answerTimeout/2 || took > 4*answerTimeout {
		t.Errorf("%v after %v", err, took)
	}
}
