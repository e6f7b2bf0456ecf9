package director

import (
	"context"
	"maps"

	"github.com/lbha/lbha/cmd/internal/herald"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// teller has transitions told to whoever the configuration names. It is there from the moment on when it is known what a
// former process told last: what happens before shows in the first state after it.
type teller struct {
	chronicle *herald.Chronicle // of the loop
	herald    *herald.Herald
	saved     map[string]vrrp.State // as a successor would find it; of the loop
}

// beginToTell continues what a former process told.
func (d *director) beginToTell(before saved) {
	report := func(e herald.Event) {
		d.record(observe.Event{Kind: "notify", Object: e.Instance, Reason: e.Reason, Message: e.Message, Warn: true})
	}
	d.teller = &teller{chronicle: herald.NewChronicle(before.Told), herald: herald.New(before.Told, report), saved: before.Told}
	d.teller.herald.Update(d.cfg.Instances)
}

// unsaved reports whether something was told that is not saved. A command is told when it has ended: one that a crash
// ended is started again.
func (t *teller) unsaved() bool { return t != nil && !maps.Equal(t.saved, t.herald.Told()) }

// told is what is to be saved.
func (t *teller) told() map[string]vrrp.State {
	if t == nil {
		return nil
	}
	t.saved = t.herald.Told()
	return t.saved
}

// hear takes what the elector says into the story, and has told what is new in it.
func (t *teller) hear(m *link.Message) {
	var news []herald.Transition
	switch {
	case t == nil:
	case m.Happened != nil:
		news = t.chronicle.Happened(m.Happened, wall)
	case m.State != nil:
		news = t.chronicle.State(m.State, wall)
	}
	for _, n := range news {
		t.herald.Tell(n)
	}
}

// finishTelling waits for the end of the loop, which hears the last words of the elector, and has them told.
func (d *director) finishTelling(ctx context.Context) error {
	<-ctx.Done()
	<-d.ended
	if d.teller == nil {
		return nil
	}
	d.teller.herald.Finish()
	d.save()
	return nil
}

// notifyStatus is how the telling of an instance goes; nil: it is not told of.
func notifyStatus(t *teller, c *config.Instance) *observe.Notify {
	if t == nil {
		return nil
	}
	st, ok := t.herald.Status(c.Name)
	if !ok {
		return nil
	}
	return &observe.Notify{
		Command: c.Notify != nil && len(c.Notify.Command) > 0, Stream: c.Notify != nil && c.Notify.Stream != "",
		Waiting: st.Waiting, Running: st.Running, Ran: st.Ran, Failed: st.Failed, NotRun: st.NotRun, Dropped: st.Dropped, Last: st.Last,
		Lines: st.Lines, Lost: st.Lost, Unread: st.Unread, Trouble: st.LastLine,
	}
}
