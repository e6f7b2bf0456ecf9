package director

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// playedElector is an elector that obeys (or not), and that holds one instance, "web". Tests set its fields while it
// runs.
type playedElector struct {
	refuse chan string // what it answers to the next Prepare, if anything
	asked  chan string // what it was asked
	told   atomic.Pointer[link.Tracks]
	say    chan link.Message // what it is to say
	pid    atomic.Int64      // its process, from its next State on; 0: 1
	backup atomic.Bool       // it is master no more
	slow   atomic.Bool       // it takes 100 ms to answer a commit, and speaks of it before
}

func newPlayedElector() *playedElector {
	return &playedElector{refuse: make(chan string, 1), asked: make(chan string, 64), say: make(chan link.Message, 64)}
}

// run plays it on its end of the link, until the context ends.
func (e *playedElector) run(ctx context.Context, t testing.TB, fd int) {
	conn, err := link.Open(fd)
	if err != nil {
		t.Error(err)
		return
	}
	var prepared link.Prepare
	state := func() {
		s := link.State{PID: int(max(1, e.pid.Load())), Hash: prepared.Hash}
		s.Instances = []link.InstanceState{{Name: "web", VRID: 51, State: vrrp.Master, Reason: vrrp.ReasonNoMaster}}
		if e.backup.Load() {
			s.Instances[0].State = vrrp.Backup
		}
		s.Instances[0].Seen = []link.Seen{{Kind: config.TrackInterface, Target: "eth1", Weight: -20, Text: "interface eth1 is down"}}
		_ = conn.Send(link.Message{State: &s})
	}
	for ctx.Err() == nil {
		m, err := conn.Receive()
		if err != nil {
			_ = conn.Wait(10)
			for len(e.say) > 0 {
				_ = conn.Send(<-e.say)
			}
			if int64(1) < e.pid.Load() || e.backup.Load() {
				state()
			}
			continue
		}
		switch {
		case m.Tracks != nil:
			e.told.Store(m.Tracks)
		case m.Prepare != nil:
			prepared = *m.Prepare
			o := link.Outcome{Generation: prepared.Generation}
			select {
			case o.Error = <-e.refuse:
			default:
			}
			e.asked <- fmt.Sprintf("prepare %d", len(prepared.Instances))
			_ = conn.Send(link.Message{Prepared: &o})
		case m.Commit != nil:
			e.asked <- "commit"
			if e.slow.Load() {
				_ = conn.Send(link.Message{State: &link.State{PID: 1, Hash: prepared.Hash}})
				time.Sleep(100 * time.Millisecond)
			}
			_ = conn.Send(link.Message{Committed: &link.Outcome{Generation: m.Commit.Generation}})
			state()
		}
	}
}

// wasAsked is what the director has asked of it since the last call.
func (e *playedElector) wasAsked() (all []string) {
	for {
		select {
		case a := <-e.asked:
			all = append(all, a)
		default:
			return all
		}
	}
}
