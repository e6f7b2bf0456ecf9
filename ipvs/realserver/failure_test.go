package realserver

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// Whatever step of Up or Down fails, the host and the state are as before the
// call; whatever step the process dies in, Down restores the host, and Up again
// completes it.
func TestFailureAtEachStep(t *testing.T) {
	first, second := want(t, "192.0.2.1 tun"), want(t, "192.0.2.2 dr arp filter")
	replaced := want(t, "192.0.2.1 dr arp filter")
	calls := map[string]func(ctx context.Context, s *Setup) error{
		"up":      func(ctx context.Context, s *Setup) error { _, err := s.Up(ctx, second); return err },
		"replace": func(ctx context.Context, s *Setup) error { _, err := s.Up(ctx, replaced); return err },
		"down one": func(ctx context.Context, s *Setup) error {
			_, _, err := s.Down(ctx, first.VIP)
			return err
		},
		"down": func(ctx context.Context, s *Setup) error { _, _, err := s.Down(ctx); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			// begin is a host with one VIP up; bare is what it was before that.
			begin := func() (f *fake, dir, bare string) {
				f, dir = newFake(t), t.TempDir()
				f.addLink(Link{Name: "tunl0"})
				bare = f.String()
				if _, err := New(f, dir).Up(t.Context(), first); err != nil {
					t.Fatal(err)
				}
				f.steps = 0
				return f, dir, bare
			}
			f, dir, _ := begin()
			if err := call(t.Context(), New(f, dir)); err != nil {
				t.Fatal(err)
			}
			total, after := f.steps, f.String()
			if total == 0 {
				t.Fatal("no steps to fail")
			}
			for n := 1; n <= total; n++ {
				f, dir, _ := begin()
				before, state := f.String(), file(t, dir)
				f.fail = n
				if err := call(t.Context(), New(f, dir)); !errors.Is(err, errFake) {
					t.Errorf("step %d fails: %v", n, err)
				}
				same(t, "host after failure", before, f.String())
				same(t, "state after failure", state, file(t, dir))

				for _, end := range []string{"again", "down"} {
					f, dir, bare := begin()
					f.die = n
					func() {
						defer func() {
							if r := recover(); r != errDied {
								t.Fatal(r)
							}
						}()
						_ = call(t.Context(), New(f, dir))
					}()
					if end == "again" {
						if err := call(t.Context(), New(f, dir)); err != nil {
							// All that was wanted is gone from the state: only a full Down finds the rest.
							if _, _, err := New(f, dir).Down(t.Context()); err != nil {
								t.Errorf("died in step %d, and then: %v", n, err)
							}
						}
						if name != "down one" {
							same(t, "host completed", after, f.String())
						}
						continue
					}
					if _, _, err := New(f, dir).Down(t.Context()); err != nil {
						t.Errorf("died in step %d, down: %v", n, err)
					}
					same(t, "host after death and down", bare, f.String())
					same(t, "state after death and down", "", file(t, dir))
				}
			}
		})
	}
}

func TestRollbackThatFails(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	bare := f.String()
	s := New(f, dir)
	// The address cannot be added, nor the first sysctl on the way back be restored.
	broken := &refusing{f, map[string]bool{"ip address add 192.0.2.1/32 dev lo": true, "sysctl -w net/ipv4/conf/all/arp_ignore=0": true}}
	_, err := New(broken, dir).Up(t.Context(), want(t, "192.0.2.1 dr"))
	const said = `ip address add 192.0.2.1/32 dev lo: the kernel says no; and it could not all be undone: sysctl -w net/ipv4/conf/all/arp_ignore=0: the kernel says no; repair the cause and run: lbha realserver down`
	if err == nil || err.Error() != said {
		t.Errorf("error %v, want %s", err, said)
	}
	if _, _, err := s.Down(t.Context()); err != nil {
		t.Error(err)
	}
	same(t, "host", bare, f.String())
}

// refusing is a kernel that refuses some steps.
type refusing struct {
	*fake
	steps map[string]bool
}

func (r *refusing) Apply(ctx context.Context, s Step) error {
	if r.steps[s.String()] {
		return errFake
	}
	return r.fake.Apply(ctx, s)
}

func TestWhatDoesNotLast(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	f.stubborn = "net/ipv4/conf/eth0/arp_ignore"
	before := f.String()
	_, err := New(f, dir).Up(t.Context(), want(t, "192.0.2.1 dr"))
	if err == nil || !strings.HasPrefix(err.Error(), "sysctl -w net/ipv4/conf/eth0/arp_ignore=1 does not last") {
		t.Errorf("error: %v", err)
	}
	same(t, "host", before, f.String())
}

func TestNoModule(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	f.noModule = true
	before := f.String()
	_, err := New(f, dir).Up(t.Context(), want(t, "192.0.2.1 tun"))
	const said = "modprobe ipip: the kernel says no (what was done before that is undone)"
	if err == nil || err.Error() != said {
		t.Errorf("error %v, want %s", err, said)
	}
	same(t, "host", before, f.String())
}
