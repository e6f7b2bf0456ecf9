package probe

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// polling runs a Poller until the test ends.
func polling(t testing.TB) *Poller {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := len(p.asking); n > 0 {
			t.Errorf("%d probes are left", n)
		}
	})
	return p
}

// poll lets a Poller run a probe, if it can, as a Checker would.
func poll(t testing.TB, p healthcheck.Prober, timeout time.Duration) (healthcheck.Result, bool) {
	t.Helper()
	results := make(chan healthcheck.Result, 2)
	asking, ok := polling(t).Start(p, func(r healthcheck.Result) { results <- r })
	if !ok {
		return healthcheck.Result{}, false
	}
	defer time.AfterFunc(timeout, func() { asking.End(healthcheck.FailureTimeout) }).Stop()
	select {
	case r := <-results:
		asking.End(healthcheck.FailureCanceled) // too late
		select {
		case again := <-results:
			t.Errorf("a second result: %v, after %v", again, r)
		default:
		}
		return r, true
	case <-time.After(timeout + slack):
		t.Fatal("no result")
	}
	return healthcheck.Result{}, false
}

// A Poller refuses what it cannot run.
func TestPollerRefuses(t *testing.T) {
	target := peer(hangup).listen(t, "127.0.0.1:0")
	poller := polling(t)
	for _, o := range []Options{
		{Type: "https", TLS: TLS{Insecure: true}},
		{Type: "http", HTTP: HTTP{Redirects: 1}},
		{Type: "tcp", Exchange: Exchange{Send: "hello"}},
		{Type: "udp"},
	} {
		o.Target = target
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := poller.Start(p, func(healthcheck.Result) { t.Error("done") }); ok {
			t.Errorf("%+v: started", o)
		}
	}
}

// What is on its way can be canceled: while it waits for an answer, and in a goroutine of its own once the answer came in
// many pieces.
func TestPollerCanceled(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 200 OK\r\nX: a long header"} {
		ready := make(chan struct{})
		target := peer(func(c net.Conn) {
			c.Read(make([]byte, 4096)) // the request
			for _, b := range []byte(answer) {
				c.Write([]byte{b})
				time.Sleep(5 * time.Millisecond)
			}
			close(ready)
			c.Read(make([]byte, 4096)) // until it is closed
		}).listen(t, "127.0.0.1:0")
		p, err := New(Options{Type: "http", Target: target})
		if err != nil {
			t.Fatal(err)
		}
		results := make(chan healthcheck.Result, 1)
		asking, _ := polling(t).Start(p, func(r healthcheck.Result) { results <- r })
		<-ready
		asking.End(healthcheck.FailureCanceled)
		if got := (<-results).String(); got != "canceled: canceled in response header" {
			t.Errorf("after %q: %s", answer, got)
		}
	}
}

// A closed Poller cancels what is on its way, and begins nothing.
func TestPollerClosed(t *testing.T) {
	target := peer(hangup).listen(t, "127.0.0.1:0")
	p, err := New(Options{Type: "http", Target: target})
	if err != nil {
		t.Fatal(err)
	}
	poller, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan healthcheck.Result, 1)
	if _, ok := poller.Start(p, func(r healthcheck.Result) { results <- r }); !ok {
		t.Fatal("not started")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := poller.Run(ctx); err != nil {
		t.Error(err)
	}
	if r := <-results; r.Failure != healthcheck.FailureCanceled {
		t.Error(r)
	}
	if _, ok := poller.Start(p, nil); ok {
		t.Error("started")
	}
}

func benchmarkPolled(b *testing.B, o Options, p peer) {
	o.Target = p.listen(b, "127.0.0.1:0")
	prober, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	poller := polling(b)
	const batch = 20
	results := make(chan healthcheck.Result, batch)
	b.ReportAllocs()
	for left := b.N; left > 0; left -= batch {
		for range batch {
			poller.Start(prober, func(r healthcheck.Result) { results <- r })
		}
		for range batch {
			if r := <-results; !r.OK() {
				b.Fatal(r)
			}
		}
	}
}

func BenchmarkPolledTCP(b *testing.B) { benchmarkPolled(b, Options{Type: "tcp"}, func(net.Conn) {}) }

func BenchmarkPolledHTTP(b *testing.B) { benchmarkPolled(b, Options{Type: "http"}, answers(b)) }
