package synced

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line is a source for a test.
type line struct {
	packets chan Packet
	closed  bool
}

func (l *line) Packets() <-chan Packet { return l.packets }
func (l *line) Close()                 { l.closed = true }

// A finding is told when it comes and when it is gone, once each; the interface is followed; what cannot be listened to is tried again.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // of all that follows
		self := Self{Interface: "eth0", ID: 51, Shared: true}
		self.Others = append(self.Others, peer)
		var told []string
		var lines []*line
		attempts := 0
		w := New(Options{
			Self: func() Self {
				mu.Lock()
				defer mu.Unlock()
				return self
			},
			Listen: func(ifname string) (Source, error) {
				mu.Lock()
				defer mu.Unlock()
				if attempts++; attempts == 1 {
					return nil, errors.New("not yet")
				}
				told = append(told, "listen "+ifname)
				lines = append(lines, &line{packets: make(chan Packet)})
				return lines[len(lines)-1], nil
			},
			Tell: func(f Finding, gone bool) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprintf("%s %s gone %v", f.Object, f.Reason, gone))
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		time.Sleep(3 * period)
		mu.Lock()
		first := lines[0]
		mu.Unlock()
		first.packets <- Packet{"eth0", peer, 52}
		time.Sleep(3 * period)
		if len(w.Findings()) != 1 {
			t.Errorf("%v", w.Findings())
		}
		time.Sleep(lately)
		for _, ifname := range []string{"eth1", ""} {
			mu.Lock()
			self.Interface = ifname
			mu.Unlock()
			time.Sleep(2 * period)
		}
		cancel()
		if err := <-ended; err != nil || len(lines) != 2 || !lines[0].closed || !lines[1].closed {
			t.Errorf("%v, %v", err, lines)
		}
		want := "listen eth0|eth0 sync-id-differs gone false|eth0 sync-id-differs gone true|listen eth1"
		if got := strings.Join(told, "|"); got != want {
			t.Errorf("got %s", got)
		}
	})
}
