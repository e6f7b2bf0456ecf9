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
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	web = `-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1
-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1
`
	dns = `-A -u 10.9.0.100:53 -s rr
-a -u 10.9.0.100:53 -r 10.9.0.3:53 -m -w 1
`
)

func rules(text string) ipvs.Table {
	t, err := ipvs.ParseRules(text, nil)
	if err != nil {
		panic(err)
	}
	return t
}

func want(text string) ipvs.Want { return ipvs.Want{Table: rules(text)} }

// director is a reconciler on a fake kernel, inside a bubble.
type director struct {
	*ipvs.Reconciler
	kernel *ipvstest.Kernel
	t      *testing.T
	cancel context.CancelFunc
	done   chan error

	mu     sync.Mutex
	events []string
}

// start runs a reconciler on a kernel that has the table.
func start(t *testing.T, table string, prepare ...func(*ipvstest.Kernel)) *director {
	d := &director{kernel: ipvstest.NewKernel(), t: t, done: make(chan error, 1)}
	d.foreign(table)
	for _, f := range prepare {
		f(d.kernel)
	}
	d.Reconciler = ipvs.NewReconciler(d.kernel, ipvs.Options{Observe: func(e ipvs.Event) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events = append(d.events, e.String())
	}})
	ctx, cancel := context.WithCancel(t.Context())
	d.cancel = cancel
	go func() { d.done <- d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-d.done })
	synctest.Wait()
	return d
}

// foreign turns the kernel's table into another one, as another program would.
func (d *director) foreign(table string) {
	d.kernel.Foreign(ipvs.Diff(rules(table), d.kernel.Table())...)
}

// set wants a table and lets the reconciler act.
func (d *director) set(w ipvs.Want) {
	d.Set(w)
	synctest.Wait()
}

// pass lets time go by.
func (d *director) pass(t time.Duration) {
	time.Sleep(t)
	synctest.Wait()
}

// expect checks the kernel's table and the events since the last call.
func (d *director) expect(table string, events ...string) {
	d.t.Helper()
	if got := d.kernel.Table().String(); got != rules(table).String() {
		d.t.Errorf("the kernel has:\n%swant:\n%s", got, table)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if got, want := strings.Join(d.events, "\n"), strings.Join(events, "\n"); got != want {
		d.t.Errorf("events:\n%s\nwant:\n%s", got, want)
	}
	d.events = nil
}

func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestReconciler(t *testing.T) {
	bubble(t, "nothing wanted, nothing done", func(t *testing.T) {
		d := start(t, web)
		d.pass(time.Minute)
		d.expect(web)
		if s := d.State(); s.InSync || s.Table.String() != web || s.Err != nil || len(s.Foreign) != 0 {
			t.Errorf("state: %+v", s)
		}
	})

	bubble(t, "a table that matches is not touched", func(t *testing.T) {
		d := start(t, web)
		d.set(want(web))
		d.expect(web)
		if c := d.kernel.Counts(); c.Applies != 0 {
			t.Errorf("%d writes", c.Applies)
		}
		if s := d.State(); !s.InSync || s.Confirmed != s.Listed || len(s.Owned) != 1 {
			t.Errorf("state: %+v", s)
		}
	})

	bubble(t, "startup and change act at once", func(t *testing.T) {
		d := start(t, "")
		begin := time.Now()
		d.set(want(dns))
		d.expect(dns, "table-applied (startup): -A -u 10.9.0.100:53 -s rr; -a -u 10.9.0.100:53 -r 10.9.0.3:53 -m -w 1")
		d.set(want(web))
		d.expect(web, "table-applied (change): -A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; "+
			"-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1; -D -u 10.9.0.100:53")
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
	})

	bubble(t, "the latest want wins", func(t *testing.T) {
		d := start(t, "")
		for range 5 {
			d.Set(want(dns))
			d.Set(want(web))
		}
		synctest.Wait()
		if got := d.kernel.Table().String(); got != web {
			t.Errorf("the kernel has:\n%s", got)
		}
	})

	bubble(t, "a cleared table is back within the interval", func(t *testing.T) {
		d := start(t, web)
		d.set(want(web))
		d.foreign("")
		d.pass(10 * time.Second)
		rule := "-A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1"
		d.expect(web, "foreign-edit (drift): "+rule, "table-applied (drift): "+rule)
		if s := d.State(); s.Counts.Drifts != 1 || s.Counts.Applied != 3 {
			t.Errorf("counts: %+v", s.Counts)
		}
	})

	bubble(t, "a foreign edit is named even if a change hides it", func(t *testing.T) {
		d := start(t, web)
		d.set(want(web))
		d.foreign(strings.Replace(web, "4:80 -g -w 1", "4:80 -g -w 9", 1))
		d.set(want(web + dns))
		d.expect(web+dns,
			"foreign-edit (drift): -e -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1",
			"table-applied (change): -A -u 10.9.0.100:53 -s rr; -a -u 10.9.0.100:53 -r 10.9.0.3:53 -m -w 1; -e -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1")
	})

	bubble(t, "services of others are reported once and left alone", func(t *testing.T) {
		d := start(t, dns)
		d.set(want(web))
		d.pass(time.Minute)
		d.expect(web+dns, "foreign-service (startup): udp/10.9.0.100:53",
			"table-applied (startup): -A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1")
		if s := d.State(); len(s.Foreign) != 1 || !s.InSync {
			t.Errorf("state: %+v", s)
		}
	})

	bubble(t, "unless exclusive", func(t *testing.T) {
		d := start(t, web+dns)
		d.set(ipvs.Want{Table: rules(web), Exclusive: true})
		d.expect(web, "table-applied (startup): -D -u 10.9.0.100:53")
	})

	bubble(t, "what a former process owned is deleted", func(t *testing.T) {
		d := start(t, web+dns)
		d.set(ipvs.Want{Table: rules(web), Owned: rules(dns).Keys()})
		d.expect(web, "table-applied (startup): -D -u 10.9.0.100:53")
		d.pass(10 * time.Second) // a listing confirms it, and the ownership ends
		d.foreign(web + dns)
		d.pass(10 * time.Second)
		d.expect(web+dns, "foreign-service (drift): udp/10.9.0.100:53")
	})

	bubble(t, "refused ops stop no others and are tried again", func(t *testing.T) {
		d := start(t, "")
		d.kernel.Refuse(func(op ipvs.Op) error {
			if op.Key().Protocol() == ipvs.UDP {
				return syscall.ENOENT
			}
			return nil
		})
		d.set(want(web + dns))
		d.pass(30 * time.Second)
		refusal := "operation-refused (startup): add-service (-A -u 10.9.0.100:53 -s rr): no such file or directory: the kernel has no module ip_vs_rr; " +
			"add-server (-a -u 10.9.0.100:53 -r 10.9.0.3:53 -m -w 1): no such file or directory"
		d.expect(web, "table-applied (startup): -A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1", refusal)
		if s := d.State(); s.InSync || len(s.Pending) != 2 || !errors.Is(s.Err, syscall.ENOENT) {
			t.Errorf("state: %+v", s)
		}
		d.kernel.Refuse(nil)
		d.pass(10 * time.Second)
		d.expect(web+dns, "table-applied (retry): -A -u 10.9.0.100:53 -s rr; -a -u 10.9.0.100:53 -r 10.9.0.3:53 -m -w 1")
		if s := d.State(); !s.InSync || len(s.Pending) != 0 || s.Err != nil {
			t.Errorf("state: %+v", s)
		}
	})

	bubble(t, "no pool is emptied whose fallback is refused", func(t *testing.T) {
		const spare = "-A -t 10.9.0.100:80 -s wlc\n-a -t 10.9.0.100:80 -r 10.9.0.9:80 -g -w 1\n"
		d := start(t, web)
		d.kernel.Refuse(func(op ipvs.Op) error {
			if op.Action == ipvs.AddServer {
				return syscall.ENOMEM
			}
			return nil
		})
		d.set(want(spare))
		d.expect("-A -t 10.9.0.100:80 -s wlc\n-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1\n",
			"removal-held (startup): -d -t 10.9.0.100:80 -r 10.9.0.4:80",
			"table-applied (startup): -d -t 10.9.0.100:80 -r 10.9.0.3:80",
			"operation-refused (startup): add-server (-a -t 10.9.0.100:80 -r 10.9.0.9:80 -g -w 1): cannot allocate memory")
		d.kernel.Refuse(nil)
		d.pass(10 * time.Second)
		d.expect(spare, "table-applied (retry): -a -t 10.9.0.100:80 -r 10.9.0.9:80 -g -w 1; -d -t 10.9.0.100:80 -r 10.9.0.4:80")
	})

	bubble(t, "a kernel without IPVS is asked again, ever more slowly", func(t *testing.T) {
		d := start(t, "", func(k *ipvstest.Kernel) { k.Fail(ipvs.ErrUnavailable) })
		d.set(want(web))
		d.expect("", "kernel-unavailable (): list the table: the kernel has no IPVS (module ip_vs)")
		d.pass(20 * time.Second)
		d.expect("")
		if n := d.State().Counts.Errors; n < 5 || n > 7 {
			t.Errorf("%d attempts in 20 s", n)
		}
		d.kernel.Fail(nil)
		d.pass(10 * time.Second)
		d.expect(web, "kernel-available (retry)",
			"table-applied (retry): -A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1")
	})

	bubble(t, "settings", func(t *testing.T) {
		d := start(t, "")
		w := ipvs.Want{Table: rules(web), Settings: ipvs.Settings{
			Timeouts: ipvs.Timeouts{UDP: time.Minute},
			Daemons:  []ipvs.Daemon{{Role: ipvs.SyncMaster, Interface: "absent", ID: 1}},
		}}
		applied := "table-applied (startup): -A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1"
		d.set(w)
		d.expect(web, applied, "table-error (startup): change the settings: start the IPVS sync master on absent: no such device")
		w.Settings.Daemons = []ipvs.Daemon{{Role: ipvs.SyncMaster, Interface: "eth0", ID: 1}}
		d.set(w)
		d.expect(web, "settings-applied (change): --start-daemon master --mcast-interface eth0 --syncid 1")
		d.pass(time.Minute)
		d.expect(web)
		if err := d.kernel.Configure(t.Context(), ipvs.Settings{Timeouts: ipvs.Timeouts{UDP: time.Hour}}); err != nil {
			t.Fatal(err)
		}
		d.pass(10 * time.Second)
		d.expect(web, "settings-applied (drift): --set 0 0 60")
	})

	bubble(t, "daemons that are to stop do so before servers of another family come, and start after they went", func(t *testing.T) {
		d := start(t, "")
		synced := ipvs.Want{Table: rules(web), Settings: ipvs.Settings{Daemons: []ipvs.Daemon{{Role: ipvs.SyncMaster, Interface: "eth0", ID: 1}}}}
		d.set(synced)
		const applied = "table-applied (startup): -A -t 10.9.0.100:80 -s wlc; -a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1; -a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1"
		d.expect(web, applied, "settings-applied (startup): --start-daemon master --mcast-interface eth0 --syncid 1")
		const crossing = "-A -t 10.9.0.101:80 -s wlc\n-a -t 10.9.0.101:80 -r [2001:db8::3]:80 -i --tun-type ipip -w 1\n"
		d.set(ipvs.Want{Table: rules(web + crossing), Settings: ipvs.Settings{Daemons: []ipvs.Daemon{}}})
		d.expect(web+crossing, "settings-applied (change): no sync daemon",
			"table-applied (change): -A -t 10.9.0.101:80 -s wlc; -a -t 10.9.0.101:80 -r [2001:db8::3]:80 -i --tun-type ipip -w 1")
		d.set(synced)
		d.expect(web, "table-applied (change): -D -t 10.9.0.101:80", "settings-applied (change): --start-daemon master --mcast-interface eth0 --syncid 1")
	})
}
