package director

import (
	"context"
	"fmt"
	"time"

	"github.com/lbha/lbha/cmd/internal/ground"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
)

// groundPeriod is between two looks at what this host is like. Nobody changes that often.
const groundPeriod = time.Minute

// groundRest is between a change of the configuration and the look at the host for it: with thousands of servers, whose
// routes it asks for one by one, a look costs more than the reload, which is first to be done with.
const groundRest = 2 * time.Second

// lookAround looks at the host once the start is over, then now and then, and when the configuration has changed. It runs
// beside the loop: it reads files.
func (d *director) lookAround(ctx context.Context) error {
	ticker := time.NewTicker(groundPeriod)
	defer ticker.Stop()
	told := make(map[string]bool)
	select {
	case <-d.relook:
	case <-ctx.Done():
		return nil
	}
	for {
		if v := d.board.view.Load(); v != nil {
			told = d.lookOnce(ctx, v.cfg, told)
		}
		select {
		case <-ticker.C:
		case <-d.relook:
			select {
			case <-time.After(groundRest):
			case <-ctx.Done():
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// lookOnce publishes what is wrong with the host, and tells what is new of it, or over.
func (d *director) lookOnce(ctx context.Context, cfg *config.Config, told map[string]bool) map[string]bool {
	facts, err := ground.Read(ctx, ground.Ask(cfg))
	found := []ground.Finding{{Severity: ground.Advice, Object: "host", Reason: "not-looked", Message: fmt.Sprintf("this host could not be looked at: %v", err)}}
	if err == nil {
		found = ground.Judge(cfg, facts)
	}
	if ctx.Err() != nil {
		return told
	}
	now := make(map[string]bool)
	shown := []observe.Ground{}
	var events []observe.Event
	for _, f := range found {
		if f.Severity != ground.Wrong && f.Severity != ground.Advice {
			continue
		}
		shown = append(shown, observe.Ground{Severity: string(f.Severity), Object: f.Object, Reason: f.Reason, Message: f.Message, Fix: f.Fix})
		name := f.Object + " " + f.Reason
		if now[name] = true; !told[name] {
			events = append(events, observe.Event{Kind: "ground", Object: f.Object, Reason: f.Reason, Message: f.Message + "; fix: " + f.Fix, Warn: f.Severity == ground.Wrong})
		}
	}
	for name := range told {
		if !now[name] {
			events = append(events, observe.Event{Kind: "ground", Object: "host", Reason: "ground-repaired", Message: name + ": is no longer so"})
		}
	}
	d.ground.Store(&shown)
	if len(events) > 0 {
		_ = d.do(ctx, func() {
			for _, e := range events {
				d.record(e)
			}
		})
	}
	return now
}

// lookAgain asks for a look soon. It does not wait.
func (d *director) lookAgain() {
	select {
	case d.relook <- struct{}{}:
	default:
	}
}
