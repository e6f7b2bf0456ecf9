package ipvstest

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// Conformance checks the contract of an [ipvs.Kernel]. open returns one whose
// table is empty; it may skip the test.
func Conformance(t *testing.T, open func(t *testing.T) ipvs.Kernel) {
	t.Run("table", func(t *testing.T) { testTable(t, open) })
	t.Run("refusals", func(t *testing.T) { testRefusals(t, open) })
	t.Run("edits", func(t *testing.T) { testEdits(t, open) })
	t.Run("batch", func(t *testing.T) { testBatch(t, open(t)) })
	t.Run("settings", func(t *testing.T) { testSettings(t, open(t)) })
	t.Run("context", func(t *testing.T) { testContext(t, open(t)) })
	t.Run("counters", func(t *testing.T) { testCounters(t, open(t)) })
}

// list returns the kernel's table as text.
func list(t *testing.T, k ipvs.Kernel) string {
	t.Helper()
	snap, err := k.List(t.Context())
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return snap.Table.String()
}

func apply(t *testing.T, k ipvs.Kernel, ops ...ipvs.Op) {
	t.Helper()
	if err := k.Apply(t.Context(), ops); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// everything is one of each kind of thing that a table can hold.
var everything = []struct {
	name string
	pool ipvs.Pool
	text string
}{
	{"tcp", pool(svc("tcp/10.9.0.100:80", "wlc"), dr("10.9.0.3:80", 1), dr("10.9.0.4:80", 65535)), `
-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1
-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 65535
`},
	{"udp one-packet", pool(onePacket(svc("udp/10.9.0.100:53", "rr")), nat("10.9.0.3:5353", 0)), `
-A -u 10.9.0.100:53 -s rr -o
-a -u 10.9.0.100:53 -r 10.9.0.3:5353 -m -w 0
`},
	{"sctp", pool(svc("sctp/10.9.0.100:132", "lc"), nat("10.9.0.3:132", 1)), `
-A --sctp-service 10.9.0.100:132 -s lc
-a --sctp-service 10.9.0.100:132 -r 10.9.0.3:132 -m -w 1
`},
	{"ipv6", pool(svc("tcp/[2001:db8::1]:80", "rr"), dr("[2001:db8::3]:80", 1)), `
-A -t [2001:db8::1]:80 -s rr
-a -t [2001:db8::1]:80 -r [2001:db8::3]:80 -g -w 1
`},
	{"ipv6 with a low address", pool(svc("tcp/[::1:0:0:0]:80", "rr"), dr("[1::]:80", 1)), `
-A -t [::1:0:0:0]:80 -s rr
-a -t [::1:0:0:0]:80 -r [1::]:80 -g -w 1
`},
	{"fwmark", pool(svc("fwmark/10/ipv4", "sh"), nat("10.9.0.3:0", 1)), `
-A -f 10 -s sh
-a -f 10 -r 10.9.0.3:0 -m -w 1
`},
	{"fwmark ipv6", pool(svc("fwmark/4294967295/ipv6", "wrr"), dr("[2001:db8::3]:0", 2)), `
-A -f 4294967295 -6 -s wrr
-a -f 4294967295 -6 -r [2001:db8::3]:0 -g -w 2
`},
	{"persistent", pool(persistent(svc("tcp/10.9.0.100:0", "wlc"), 6*time.Minute, 0xffffffff), dr("10.9.0.3:0", 1)), `
-A -t 10.9.0.100:0 -s wlc -p 360
-a -t 10.9.0.100:0 -r 10.9.0.3:0 -g -w 1
`},
	{"persistent by net", pool(persistent(svc("tcp/10.9.0.100:80", "wlc"), time.Second, 0xffffff00)), `
-A -t 10.9.0.100:80 -s wlc -p 1 -M 255.255.255.0
`},
	{"persistent, all clients together", pool(persistent(svc("tcp/10.9.0.100:80", "wlc"), time.Second, 0)), `
-A -t 10.9.0.100:80 -s wlc -p 1 -M 0.0.0.0
`},
	{"persistent by an IPv6 net", pool(persistent(svc("tcp/[2001:db8::1]:80", "wlc"), time.Hour, 64)), `
-A -t [2001:db8::1]:80 -s wlc -p 3600 -M 64
`},
	{"persistent IPv6", pool(persistent(svc("tcp/[2001:db8::1]:80", "wlc"), time.Hour, 128)), `
-A -t [2001:db8::1]:80 -s wlc -p 3600
`},
	{"scheduler flags", pool(flags(svc("tcp/10.9.0.100:80", "mh"), ipvs.MaglevPort, ipvs.MaglevFallback)), `
-A -t 10.9.0.100:80 -s mh -b mh-fallback,mh-port
`},
	{"flags without a name", pool(flags(svc("tcp/10.9.0.100:80", "rr"), ipvs.Flag1, ipvs.Flag3)), `
-A -t 10.9.0.100:80 -s rr -b flag-1,flag-3
`},
	{"no scheduler", pool(svc("tcp/10.9.0.100:80", "none")), `
-A -t 10.9.0.100:80 -s none
`},
	{"persistence engine", pool(engine(persistent(svc("udp/10.9.0.100:5060", "rr"), time.Minute, 0xffffffff), "sip")), `
-A -u 10.9.0.100:5060 -s rr -p 60 --pe sip
`},
	{"thresholds", pool(svc("tcp/10.9.0.100:80", "wlc"), thresholds(dr("10.9.0.3:80", 1), 70000, 8000)), `
-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1 -x 70000 -y 8000
`},
	{"tunnels", pool(svc("tcp/10.9.0.100:80", "wlc"),
		tun("10.9.0.3:80", ipvs.Tunnel{}),
		tun("10.9.0.4:80", ipvs.Tunnel{Type: ipvs.GUE, Port: 6080, Checksum: ipvs.RemoteChecksum}),
		tun("10.9.0.5:80", ipvs.Tunnel{Type: ipvs.GRE, Checksum: ipvs.Checksum})), `
-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r 10.9.0.3:80 -i --tun-type ipip -w 1
-a -t 10.9.0.100:80 -r 10.9.0.4:80 -i --tun-type gue --tun-port 6080 --tun-remcsum -w 1
-a -t 10.9.0.100:80 -r 10.9.0.5:80 -i --tun-type gre --tun-csum -w 1
`},
	{"servers of the other family", pool(svc("tcp/10.9.0.100:80", "wlc"), tun("[2001:db8::3]:80", ipvs.Tunnel{})), `
-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r [2001:db8::3]:80 -i --tun-type ipip -w 1
`},
	{"the largest weight", pool(svc("tcp/10.9.0.100:80", "wlc"), dr("10.9.0.3:80", ipvs.MaxWeight)), `
-A -t 10.9.0.100:80 -s wlc
-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 2147483647
`},
}

// Everything runs f on one table for each kind of thing that a table can hold.
func Everything(t *testing.T, f func(t *testing.T, table ipvs.Table)) {
	for _, tt := range everything {
		t.Run(tt.name, func(t *testing.T) { f(t, ipvs.NewTable(tt.pool)) })
	}
}

// testTable writes one of each kind, reads it back, and takes it away again.
func testTable(t *testing.T, open func(*testing.T) ipvs.Kernel) {
	k := open(t)
	for _, tt := range everything {
		t.Run(tt.name, func(t *testing.T) {
			want := ipvs.NewTable(tt.pool)
			apply(t, k, ipvs.Diff(want, nil)...)
			if got := list(t, k); got != strings.TrimPrefix(tt.text, "\n") {
				t.Errorf("table:\n%swant:%s", got, tt.text)
			}
			snap, err := k.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if left := ipvs.Diff(want, snap.Table); len(left) > 0 {
				t.Errorf("still to be done: %v", left)
			}
			for _, s := range tt.pool.Servers {
				apply(t, k, op(ipvs.DeleteServer, tt.pool.Service.Key, ipvs.Server{Addr: s.Addr}))
			}
			apply(t, k, op(ipvs.DeleteService, tt.pool.Service.Key, ipvs.Server{}))
			if got := list(t, k); got != "" {
				t.Errorf("left over:\n%s", got)
			}
		})
	}
}

// testRefusals checks the errno of what the kernel refuses, and that it changed
// nothing.
func testRefusals(t *testing.T, open func(*testing.T) ipvs.Kernel) {
	web, none := svc("tcp/10.9.0.100:80", "wlc"), svc("tcp/10.9.0.101:80", "wlc")
	six := svc("tcp/[2001:db8::1]:80", "wlc")
	a, b := dr("10.9.0.3:80", 1), dr("10.9.0.4:80", 1)
	k := open(t)
	apply(t, k, add(web), ipvs.Op{Action: ipvs.AddServer, Service: web, Server: a})
	before := list(t, k)
	for _, tt := range []struct {
		name string
		op   ipvs.Op
		want syscall.Errno
	}{
		{"service exists", add(web), syscall.EEXIST},
		{"no service to edit", ipvs.Op{Action: ipvs.EditService, Service: none}, syscall.ESRCH},
		{"no service to delete", ipvs.Op{Action: ipvs.DeleteService, Service: none}, syscall.ESRCH},
		{"unknown scheduler", add(svc("tcp/10.9.0.101:80", "nosuch")), syscall.ENOENT},
		{"unknown scheduler, edit", ipvs.Op{Action: ipvs.EditService, Service: svc("tcp/10.9.0.100:80", "nosuch")}, syscall.ENOENT},
		{"empty scheduler", add(svc("tcp/10.9.0.101:80", "")), syscall.ENOENT},
		{"unknown engine", add(engine(persistent(none, time.Second, 0xffffffff), "nosuch")), syscall.ENOENT},
		{"IPv6 prefix 0", add(persistent(six, time.Second, 0)), syscall.EINVAL},
		{"server exists", op(ipvs.AddServer, web.Key, a), syscall.EEXIST},
		{"no server to edit", op(ipvs.EditServer, web.Key, b), syscall.ENOENT},
		{"no server to delete", op(ipvs.DeleteServer, web.Key, b), syscall.ENOENT},
		{"server of no service", op(ipvs.AddServer, none.Key, b), syscall.ESRCH},
		{"edit of a server of no service", op(ipvs.EditServer, none.Key, b), syscall.ESRCH},
		{"deletion of a server of no service", op(ipvs.DeleteServer, none.Key, b), syscall.ESRCH},
		{"negative weight", op(ipvs.AddServer, web.Key, dr("10.9.0.4:80", ipvs.MaxWeight+1)), syscall.ERANGE},
		{"thresholds crossed", op(ipvs.AddServer, web.Key, thresholds(b, 5, 6)), syscall.ERANGE},
		{"thresholds crossed, edit", op(ipvs.EditServer, web.Key, thresholds(a, 5, 6)), syscall.ERANGE},
		{"other family without a tunnel", op(ipvs.AddServer, web.Key, dr("[2001:db8::3]:80", 1)), syscall.EINVAL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := k.Apply(t.Context(), []ipvs.Op{tt.op})
			e, ok := errors.AsType[*ipvs.ApplyError](err)
			if !ok || len(e.Refused) != 1 || !errors.Is(err, tt.want) {
				t.Fatalf("Apply(%s): %v, want %v", tt.op, err, tt.want)
			}
			if got := e.Refused[0]; got.Index != 0 || got.Op != tt.op || got.Err != error(tt.want) {
				t.Errorf("refusal: %#v", got)
			}
			if got := list(t, k); got != before {
				t.Errorf("the table changed:\n%s", got)
			}
		})
	}
}

// testEdits checks that an edit replaces the whole object.
func testEdits(t *testing.T, open func(*testing.T) ipvs.Kernel) {
	k := open(t)
	full := flags(persistent(svc("udp/10.9.0.100:53", "sh"), time.Minute, 0xffffff00), ipvs.SourceHashPort)
	plain := svc("udp/10.9.0.100:53", "rr")
	gue := thresholds(tun("10.9.0.3:53", ipvs.Tunnel{Type: ipvs.GUE, Port: 6080}), 10, 5)
	for _, step := range []struct {
		op   ipvs.Op
		want string
	}{
		{add(full), "-A -u 10.9.0.100:53 -s sh -p 60 -M 255.255.255.0 -b sh-port\n"},
		{ipvs.Op{Action: ipvs.EditService, Service: plain}, "-A -u 10.9.0.100:53 -s rr\n"},
		{ipvs.Op{Action: ipvs.EditService, Service: onePacket(plain)}, "-A -u 10.9.0.100:53 -s rr -o\n"},
		{ipvs.Op{Action: ipvs.EditService, Service: full}, "-A -u 10.9.0.100:53 -s sh -p 60 -M 255.255.255.0 -b sh-port\n"},
		{ipvs.Op{Action: ipvs.EditService, Service: plain}, "-A -u 10.9.0.100:53 -s rr\n"},
		{op(ipvs.AddServer, plain.Key, gue), "-A -u 10.9.0.100:53 -s rr\n-a -u 10.9.0.100:53 -r 10.9.0.3:53 -i --tun-type gue --tun-port 6080 -w 1 -x 10 -y 5\n"},
		{op(ipvs.EditServer, plain.Key, tun("10.9.0.3:53", ipvs.Tunnel{})), "-A -u 10.9.0.100:53 -s rr\n-a -u 10.9.0.100:53 -r 10.9.0.3:53 -i --tun-type ipip -w 1\n"},
		{op(ipvs.EditServer, plain.Key, gue), "-A -u 10.9.0.100:53 -s rr\n-a -u 10.9.0.100:53 -r 10.9.0.3:53 -i --tun-type gue --tun-port 6080 -w 1 -x 10 -y 5\n"},
		{op(ipvs.EditServer, plain.Key, nat("10.9.0.3:53", 7)), "-A -u 10.9.0.100:53 -s rr\n-a -u 10.9.0.100:53 -r 10.9.0.3:53 -m -w 7\n"},
		{op(ipvs.DeleteService, plain.Key, ipvs.Server{}), ""}, // and its servers with it
	} {
		apply(t, k, step.op)
		if got := list(t, k); got != step.want {
			t.Fatalf("after %s:\n%swant:\n%s", step.op, got, step.want)
		}
	}
}

// testBatch checks that refusals in the middle of many ops are told apart, and
// stop nothing.
func testBatch(t *testing.T, k ipvs.Kernel) {
	web := svc("tcp/10.9.0.100:80", "wlc")
	ops := []ipvs.Op{add(web)}
	refusals := map[int]syscall.Errno{}
	want := ipvs.Pool{Service: web}
	for i := range 700 {
		s := dr(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 10, byte(i >> 8), byte(i)}), 80).String(), 1)
		switch {
		case i%50 == 7:
			refusals[len(ops)] = syscall.ENOENT
			ops = append(ops, op(ipvs.DeleteServer, web.Key, s))
		case i%50 == 8:
			refusals[len(ops)] = syscall.ERANGE
			ops = append(ops, op(ipvs.AddServer, web.Key, thresholds(s, 1, 2)))
		case i == 350: // ops on services split the batch of those on servers
			refusals[len(ops)] = syscall.EEXIST
			ops = append(ops, add(web))
		default:
			ops = append(ops, op(ipvs.AddServer, web.Key, s))
			want.Servers = append(want.Servers, s)
		}
	}
	refusals[len(ops)] = syscall.ESRCH // the last of all
	ops = append(ops, op(ipvs.DeleteServer, svc("tcp/10.9.0.101:80", "wlc").Key, dr("10.9.0.3:80", 1)))

	err := k.Apply(t.Context(), ops)
	e, ok := errors.AsType[*ipvs.ApplyError](err)
	if !ok {
		t.Fatalf("Apply: %v, want an *ApplyError", err)
	}
	last := -1
	for _, r := range e.Refused {
		if want, ok := refusals[r.Index]; !ok || r.Err != error(want) || r.Op != ops[r.Index] || r.Index <= last {
			t.Errorf("op %d: %v, want %v", r.Index, r, want)
		}
		last = r.Index
	}
	if len(e.Refused) != len(refusals) {
		t.Errorf("%d refusals, want %d", len(e.Refused), len(refusals))
	}
	if got, want := list(t, k), ipvs.NewTable(want).String(); got != want {
		t.Errorf("table:\n%swant:\n%s", got, want)
	}
}

func testSettings(t *testing.T, k ipvs.Kernel) {
	ctx := t.Context()
	read := func() ipvs.Settings {
		t.Helper()
		s, err := k.Settings(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := read()
	if want := (ipvs.Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute}); s.Timeouts != want {
		t.Errorf("timeouts %v, want the kernel's defaults %v", s.Timeouts, want)
	}
	if s.Daemons == nil || len(s.Daemons) > 0 {
		t.Errorf("daemons %v, want an empty list", s.Daemons)
	}
	if err := k.Configure(ctx, ipvs.Settings{Timeouts: ipvs.Timeouts{TCPFin: time.Minute}}); err != nil {
		t.Fatal(err)
	}
	if got, want := read().Timeouts, (ipvs.Timeouts{TCP: 15 * time.Minute, TCPFin: time.Minute, UDP: 5 * time.Minute}); got != want {
		t.Errorf("timeouts %v, want %v", got, want)
	}
	if err := k.Configure(ctx, ipvs.Settings{Timeouts: ipvs.Timeouts{UDP: 1500 * time.Millisecond}}); err == nil {
		t.Error("a timeout of 1.5 s was accepted")
	}
	err := k.Configure(ctx, ipvs.Settings{Daemons: []ipvs.Daemon{{Role: ipvs.SyncMaster, Interface: "absent", ID: 1}}})
	if !errors.Is(err, syscall.ENODEV) {
		t.Errorf("sync daemon on an unknown interface: %v, want %v", err, syscall.ENODEV)
	}
}

func testContext(t *testing.T, k ipvs.Kernel) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v, want %v", err, context.Canceled)
	}
	if err := k.Apply(ctx, []ipvs.Op{add(svc("tcp/10.9.0.100:80", "wlc"))}); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v, want %v", err, context.Canceled)
	}
	if got := list(t, k); got != "" { // and it works again
		t.Errorf("a call that was given up took effect:\n%s", got)
	}
}

func testCounters(t *testing.T, k ipvs.Kernel) {
	web := svc("tcp/10.9.0.100:80", "wlc")
	a := dr("10.9.0.3:80", 1)
	apply(t, k, add(web), op(ipvs.AddServer, web.Key, a))
	snap, err := k.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st, ok := snap.Stats[web.Key]
	if !ok || st.Service != (ipvs.ServiceStats{}) {
		t.Errorf("counters of a new service: %+v, %v", st.Service, ok)
	}
	if server, ok := st.Servers[a.Addr]; !ok || server != (ipvs.ServerStats{}) {
		t.Errorf("counters of a new server: %+v, %v", server, ok)
	}
}
