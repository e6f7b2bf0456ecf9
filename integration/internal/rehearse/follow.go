package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// deaf is how long a director may say nothing before it is not master, as far as anybody can tell.
const deaf = 3 * time.Second

// follow calls see with whether a director says that it is master, several times a second, until the context ends. One connection asks all the
// time: to make one may take longer than what is to be seen.
func (r *SSH) follow(ctx context.Context, director string, length time.Duration, see func(master bool)) {
	// The loop ends by itself where nobody ends it: when it has lasted as long as the window, or nobody reads what it prints.
	loop := fmt.Sprintf("i=0; while [ $i -le %d ]; do lbha status --json || echo '{}'; sleep %g; i=$((i+1)); done", length/askPeriod, askPeriod.Seconds())
	for ctx.Err() == nil {
		r.listen(ctx, director, loop, see)
		see(false)
		sleep(ctx, askPeriod)
	}
}

// listen is one connection of that.
func (r *SSH) listen(ctx context.Context, director, loop string, see func(master bool)) {
	ctx, hangUp := context.WithCancel(ctx)
	cmd := r.command(ctx, director, loop)
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		hangUp()
		return
	}
	// Nobody reads any more: it ends by itself, or it is killed.
	defer func() { _ = cmd.Wait() }()
	defer hangUp()
	said := make(chan bool)
	go func() {
		defer close(said)
		for d := json.NewDecoder(out); ; {
			var s remote
			if d.Decode(&s) != nil {
				_, _ = io.Copy(io.Discard, out)
				return
			}
			select {
			case said <- s.master():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case master, ok := <-said:
			if !ok {
				return
			}
			see(master)
		case <-time.After(deaf):
			see(false)
		case <-ctx.Done():
			return
		}
	}
}

// sleep waits, if nobody ends that.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
