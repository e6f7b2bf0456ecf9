package director

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

// What led here is known after a restart of everything, and who follows the journal goes on where it was.
func TestTheJournalOutlivesTheDaemon(t *testing.T) {
	h, a, b := newPair(t)
	h.start()
	h.untilIn(a, b)
	b.Close()
	h.untilOut(b)
	before := h.events()
	h.stop()
	h.forget()
	h.start()
	after := h.events()
	gone := func(e observe.Event) bool {
		return e.Kind == "server" && e.Reason == "refused" && e.Object == "www/"+b.Addr().String()
	}
	was, is := slices.IndexFunc(before, gone), slices.IndexFunc(after, gone)
	if was < 0 || is < 0 || before[was].Seq != after[is].Seq || !before[was].Time.Equal(after[is].Time) || before[was].Message != after[is].Message {
		t.Fatalf("why b went is event %d before, and %d after:\n%+v\n%+v", was, is, before, after)
	}
	for i, e := range after {
		if e.Seq != after[0].Seq+uint64(i) {
			t.Fatalf("event %d has the number %d: %+v", i, e.Seq, after)
		}
	}
	if st := h.status().Journal; st.Lost != 0 || st.Error != "" {
		t.Errorf("journal: %+v", st)
	}
}

// A director lives without the file, and says so.
func TestAJournalThatIsNotWrittenIsShown(t *testing.T) {
	h, a, _ := newPair(t)
	path := filepath.Join(h.dir, "journal.jsonl")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.untilIn(a)
	h.until("shown", func() bool {
		return slices.ContainsFunc(h.status().Findings, func(f observe.Finding) bool {
			return f.Object == "journal" && f.Reason == "not-written" && strings.Contains(f.Message, "is a directory")
		})
	})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	a.Close() // something happens
	h.until("written again", func() bool { st := h.status().Journal; return st.Error == "" && st.Written > 1 && st.Lost == 0 })
}

// No file of the state directory can even be opened: servers come and go as ever, orders are carried out, and it is shown.
func TestADiskThatHangsKeepsNoServer(t *testing.T) {
	h, a, b := newPair(t)
	h.start()
	h.untilIn(a, b)
	// Who opens a file there waits for our leave.
	guard, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC, unix.O_RDONLY)
	if err == nil {
		err = unix.FanotifyMark(guard, unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM|unix.FAN_EVENT_ON_CHILD, unix.AT_FDCWD, h.dir)
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("only root can make a directory hang, where the kernel has fanotify: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	open := sync.OnceFunc(func() { unix.Close(guard) })
	defer open()
	hangs := func() bool { return strings.Contains(h.status().Journal.Error, "has not answered") }

	b.Close()
	h.untilOut(b)
	h.until("shown", hangs)
	c := h.listen(b.Addr().String())
	h.untilIn(c)
	if err := h.client.Server(t.Context(), admin.ServerRequest{Service: "www", Server: a.Addr().String(), Action: admin.Drain}); err != nil {
		t.Error(err)
	}
	h.untilOut(a)
	open()
	h.until("written", func() bool { st := h.status().Journal; return st.Error == "" && st.Lost == 0 })
}
