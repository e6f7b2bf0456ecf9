package peers

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/exchange"
)

// sink is a socket that sends nowhere, and counts the bytes.
type sink struct{ bytes int }

func (s *sink) Send(b []byte, _ netip.AddrPort) error { s.bytes += len(b); return nil }
func (s *sink) Close() error                          { return nil }
func (s *sink) Receive([]byte) (int, netip.AddrPort, error) {
	select {}
}

// BenchmarkRound tells one peer everything of 10,000 checks: that is every five seconds.
func BenchmarkRound(b *testing.B) {
	const n = 10_000
	set := make([]healthcheck.Check, n)
	for i := range set {
		id := fmt.Sprintf("www%d/10.1.%d.%d:8080/http", i/10, i/256, i%256)
		set[i] = healthcheck.Check{ID: id, Spec: healthcheck.Spec{Interval: time.Second, Timeout: time.Second, Policy: healthcheck.Policy{Rise: 1, Fall: 1}}, Prober: well{}}
	}
	checker := healthcheck.NewChecker(healthcheck.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- checker.Run(ctx) }()
	if err := checker.Update(ctx, set); err != nil {
		b.Fatal(err)
	}
	<-checker.Ready()
	cancel()
	<-done
	p := settings(key, one, two)
	s := &sink{}
	c := New(Options{Status: checker.Status, Record: func(observe.Event) {}})
	l := newLine(c, p, "lb1", newRegister(exchange.NewKey(p.KeyBytes()), set, nil), s, nil, time.Now())
	b.ReportAllocs()
	for b.Loop() {
		for range round {
			l.beat(time.Now())
		}
	}
	b.ReportMetric(float64(s.bytes)/float64(b.N), "bytes/round")
}

type well struct{}

func (well) Probe(context.Context) healthcheck.Result { return healthcheck.Passed("fine") }
