package observe

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// stuck is a log reader that reads nothing until it is released.
type stuck struct {
	release chan struct{}
	mu      sync.Mutex
	text    bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func TestAStuckLogDelaysNobodyAndTellsWhatItLost(t *testing.T) {
	w := &stuck{release: make(chan struct{})}
	h, err := newHandler("text", slog.LevelInfo, w)
	if err != nil {
		t.Fatal(err)
	}
	a := newAsync(h)
	log := slog.New(a)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 3 * logQueue {
			log.Info("line", "n", i)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("logging waits for the reader")
	}
	close(w.release)
	log.Info("last") // may be dropped: the queue is full
	a.queue.flush(5 * time.Second)
	log.Info("after")
	a.queue.flush(5 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := w.text.String(); !strings.Contains(got, "log records were dropped") || !strings.Contains(got, "msg=after") {
		t.Errorf("the log does not tell of its loss: …%s", got[max(0, len(got)-400):])
	}
}

func TestLogFormats(t *testing.T) {
	var b bytes.Buffer
	h, err := newHandler("json", slog.LevelWarn, &b)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	log.Info("hidden")
	log.Warn("shown", "object", "www/10.9.0.3:80")
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["object"] != "www/10.9.0.3:80" {
		t.Errorf("json log is %q, %v", b.String(), err)
	}
	if _, err := newHandler("yaml", slog.LevelInfo, &b); err == nil {
		t.Error("an unknown format was accepted")
	}
	if got := fieldName("instance.state-2"); got != "INSTANCE_STATE_2" {
		t.Errorf("field name %q", got)
	}
}
