package director

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
)

const (
	// answerTimeout bounds the wait for an answer of the elector, which may be in the middle of its restart.
	answerTimeout = 10 * time.Second
	resendAfter   = time.Second
	pollPeriod    = 500 // milliseconds between two looks at the context
)

// errNoElector is the outcome of a configuration step to which the elector did not answer.
var errNoElector = errors.New("the VRRP process does not answer")

// elector is the director's view of the other process. Its goroutine only receives; the loop of the director owns the
// rest, but for the steps of a configuration, of which one is under way at a time.
type elector struct {
	conn       *link.Conn
	messages   chan link.Message
	answers    chan link.Message // Prepared and Committed
	generation uint64
}

func newElector(conn *link.Conn) *elector {
	return &elector{
		conn:     conn,
		messages: make(chan link.Message, 64),
		answers:  make(chan link.Message, 8),
		// Two incarnations of the director must not mistake each other's answers.
		generation: uint64(time.Now().UnixNano()),
	}
}

// Run receives until ctx ends, and then what is there already: the elector is stopped first, and its last words tell how
// that went. It closes messages.
func (e *elector) Run(ctx context.Context) error {
	defer close(e.messages)
	for {
		m, err := e.conn.Receive()
		if errors.Is(err, link.ErrEmpty) {
			if ctx.Err() != nil {
				return nil
			}
			if err := e.conn.Wait(pollPeriod); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, link.ErrGarbled) {
			continue // a State follows within a second
		}
		if err != nil {
			return err
		}
		if m.Prepared != nil || m.Committed != nil {
			e.answer(m)
			continue
		}
		e.messages <- m // the loop takes them until it is closed
	}
}

// answer hands an answer to whoever waits for it. What nobody took is old: it makes room.
func (e *elector) answer(m link.Message) {
	for {
		select {
		case e.answers <- m:
			return
		default:
		}
		select {
		case <-e.answers:
		default:
		}
	}
}

// prepare gives the elector the instances and groups of a configuration to hold ready, and returns the generation to
// commit.
func (e *elector) prepare(ctx context.Context, cfg *config.Config) (uint64, error) {
	e.generation++
	p := &link.Prepare{Generation: e.generation, Hash: hashOf(cfg), Instances: cfg.Instances, Groups: cfg.Groups}
	return e.generation, e.ask(ctx, link.Message{Prepare: p}, e.generation)
}

// commit puts a prepared generation in force.
func (e *elector) commit(ctx context.Context, generation uint64) error {
	return e.ask(ctx, link.Message{Commit: &link.Commit{Generation: generation}}, generation)
}

// ask sends m until it is answered: the elector may die at any point of it. Both steps are idempotent. A commit whose
// generation was prepared by an elector that is gone, and not committed, is refused by its successor.
func (e *elector) ask(ctx context.Context, m link.Message, generation uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errNoElector)
	defer cancel()
	resend := time.NewTicker(resendAfter)
	defer resend.Stop()
	for {
		if err := e.conn.Send(m); err != nil && !errors.Is(err, link.ErrFull) {
			return err
		}
		for waiting := true; waiting; {
			select {
			case a := <-e.answers:
				// A question that was asked twice has two answers: those to the former step are not for this one.
				if o := outcomeOf(a, m.Commit != nil); o != nil && o.Generation == generation {
					if o.Error != "" {
						return errors.New(o.Error)
					}
					return nil
				}
			case <-resend.C:
				waiting = false
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// outcomeOf is what an answer says of a commit, or of a prepare; nil: nothing.
func outcomeOf(a link.Message, commit bool) *link.Outcome {
	if commit {
		return a.Committed
	}
	return a.Prepared
}

// hashOf identifies what the elector has to know of a configuration.
func hashOf(cfg *config.Config) string {
	data, err := json.Marshal([]any{cfg.Instances, cfg.Groups})
	if err != nil {
		panic(fmt.Sprintf("director: a configuration is not JSON: %v", err)) // their types are ours
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
