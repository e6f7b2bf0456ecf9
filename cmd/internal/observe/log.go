package observe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"
)

// NewLogger makes the logger of a process. format is text, json or auto: fields for journald where standard error is
// connected to it, text otherwise. Logging never blocks; flush, before the process ends, writes what still waits.
func NewLogger(format string, level slog.Leveler) (log *slog.Logger, flush func(), err error) {
	h, err := newHandler(format, level, os.Stderr)
	if err != nil {
		return nil, nil, err
	}
	a := newAsync(h)
	return slog.New(a), func() { a.queue.flush(time.Second) }, nil
}

func newHandler(format string, level slog.Leveler, w io.Writer) (slog.Handler, error) {
	opts := &slog.HandlerOptions{Level: level}
	switch format {
	case "json":
		return slog.NewJSONHandler(w, opts), nil
	case "text":
		return slog.NewTextHandler(w, opts), nil
	case "auto", "":
		if connected, err := journal.StderrIsJournalStream(); err == nil && connected {
			return &journalHandler{level: level}, nil
		}
		return slog.NewTextHandler(w, opts), nil
	}
	return nil, fmt.Errorf("log format %q: want auto, text or json", format)
}

// journalHandler sends records to journald with their attributes as fields: `journalctl LBHA_INSTANCE=web`.
type journalHandler struct {
	level  slog.Leveler
	fields []slog.Attr
	prefix string
}

func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.fields = append(c.fields[:len(c.fields):len(c.fields)], attrs...)
	return &c
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.prefix += name + "_"
	return &c
}

func (h *journalHandler) Handle(_ context.Context, r slog.Record) error {
	vars := map[string]string{"SYSLOG_IDENTIFIER": "lbha"}
	text := r.Message
	add := func(a slog.Attr) bool {
		value := a.Value.Resolve().String()
		vars["LBHA_"+fieldName(h.prefix+a.Key)] = value
		text += " " + a.Key + "=" + value // what `journalctl` shows without options
		return true
	}
	for _, a := range h.fields {
		add(a)
	}
	r.Attrs(add)
	return journal.Send(text, priority(r.Level), vars)
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// fieldName turns an attribute's key into what journald accepts: upper case letters, digits and underscores.
func fieldName(key string) string {
	return strings.Map(func(r rune) rune {
		r = unicode.ToUpper(r)
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}
