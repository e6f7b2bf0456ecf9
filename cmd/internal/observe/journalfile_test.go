package observe

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// scribe keeps a journal and its file in a directory, as a process does, and notes what it reports.
type scribe struct {
	*JournalFile
	reports []string
}

func newScribe(t *testing.T, dir string) *scribe {
	t.Helper()
	s := new(scribe)
	j := NewJournal(4096)
	events, _ := ReadJournal(dir, 4096) // some have nothing that can be read
	j.Restore(events)
	s.JournalFile = NewJournalFile(dir, j, func(e Event) { s.reports = append(s.reports, e.Reason+": "+e.Message) })
	return s
}

// note has the events of these numbers happen, and written.
func (s *scribe) note(seqs ...int) {
	for _, seq := range seqs {
		s.happen(seq)
	}
	s.finish()
}

// finish writes all there is, as Finish does, but on the thread of the test.
func (s *scribe) finish() {
	for s.write() {
	}
}

func (s *scribe) happen(seq int) {
	if e := s.journal.Add(numbered(seq)); e.Seq != uint64(seq) {
		panic(fmt.Sprintf("event %d has the number %d", seq, e.Seq))
	}
	s.Wake()
}

func numbered(seq int) Event {
	return Event{Seq: uint64(seq), Time: time.Unix(int64(seq), 5), Kind: "server", Object: "www/10.9.0.3:80", Message: fmt.Sprint("event ", seq), Reason: "timeout", Warn: seq%2 == 0}
}

// seqs are the numbers of what is read back.
func seqs(t *testing.T, dir string) string {
	t.Helper()
	events, err := ReadJournal(dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprint(e.Seq))
	}
	return strings.Join(all, " ")
}

func TestAJournalIsReadBack(t *testing.T) {
	dir := t.TempDir()
	newScribe(t, dir).note(1, 2, 3)
	s := newScribe(t, dir)
	s.note(4)
	got, err := ReadJournal(dir, 3)
	if diff := cmp.Diff([]Event{numbered(2), numbered(3), numbered(4)}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if fi, err := os.Stat(s.path); err != nil || fi.Mode().Perm()&^0o640 != 0 {
		t.Errorf("%v, %v; want a file that not everybody reads", fi, err)
	}
	if st := s.Status(); st != (JournalStatus{Written: 1}) || s.reports != nil {
		t.Errorf("status %+v, reports %q", st, s.reports)
	}
	if got := seqs(t, t.TempDir()); got != "" {
		t.Errorf("no file holds %q", got)
	}
}

func TestAJournalTakesNoMoreThanTwoFiles(t *testing.T) {
	dir := t.TempDir()
	s := newScribe(t, dir)
	const events = 24000 // about four files
	for seq := 1; seq <= events; seq++ {
		s.happen(seq)
		if seq%500 == 0 {
			s.finish()
		}
	}
	s.finish()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v; want two files", entries, err)
	}
	for _, e := range entries {
		if fi, err := e.Info(); err != nil || fi.Size() > maxJournalFile {
			t.Errorf("%s: %d bytes, %v", e.Name(), fi.Size(), err)
		}
	}
	got, err := ReadJournal(dir, 1<<20)
	if err != nil || len(got) < 4096 || st(s) != "written 24000, lost 0" {
		t.Fatalf("%d events are left, %v; %s", len(got), err, st(s))
	}
	for i, e := range got {
		if want := uint64(events - len(got) + 1 + i); e.Seq != want {
			t.Fatalf("event %d of %d has the number %d, want %d", i, len(got), e.Seq, want)
		}
	}
}

func st(s *scribe) string {
	return fmt.Sprintf("written %d, lost %d", s.Status().Written, s.Status().Lost)
}

func TestATornLineIsLostAlone(t *testing.T) {
	dir := t.TempDir()
	s := newScribe(t, dir)
	s.note(1, 2)
	fi, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.path, fi.Size()-7); err != nil {
		t.Fatal(err)
	}
	if got := seqs(t, dir); got != "1" {
		t.Errorf("read %q", got)
	}
	s.note(3)
	if got := seqs(t, dir); got != "1 3" {
		t.Errorf("read %q", got)
	}
}

func TestAJournalThatIsMovedAwayBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	s := newScribe(t, dir)
	s.note(1)
	if err := os.Rename(s.path, filepath.Join(dir, "kept")); err != nil {
		t.Fatal(err)
	}
	s.note(2)
	if got := seqs(t, dir); got != "2" {
		t.Errorf("read %q", got)
	}
}

func TestNobodyWaitsForAJournal(t *testing.T) {
	s := newScribe(t, t.TempDir())
	for seq := range 4096 + 500 {
		s.happen(seq + 1)
	}
	s.finish()
	if got := st(s); got != "written 4096, lost 500" {
		t.Errorf("%s", got)
	}
	if want := []string{"lost: 500 events are not in the journal's file: too many came before it could be written"}; !cmp.Equal(s.reports, want) {
		t.Errorf("reports %q, want %q", s.reports, want)
	}
}

func TestAJournalThatCannotBeWrittenIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	s := newScribe(t, dir)
	s.note(1, 2)
	s.note(3)
	if st := s.Status(); st.Written != 0 || !strings.Contains(st.Error, "no such file") {
		t.Errorf("status %+v", st)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.note(4)
	want := []string{
		"not-written: the journal is not written: open " + s.path + ": no such file or directory",
		"written: the journal is written again",
	}
	if diff := cmp.Diff(want, s.reports); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if st := s.Status(); st != (JournalStatus{Written: 4}) || seqs(t, dir) != "1 2 3 4" {
		t.Errorf("status %+v, read %q", st, seqs(t, dir))
	}
}

// Nor is anything else written to, or read, than a file of ours.
func TestAJournalIsAFile(t *testing.T) {
	for name, place := range map[string]func(path, other string) error{
		"link":      func(path, other string) error { return os.Symlink(other, path) },
		"pipe":      func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
		"directory": func(path, _ string) error { return os.Mkdir(path, 0o700) },
	} {
		dir := t.TempDir()
		s := newScribe(t, dir)
		other := filepath.Join(dir, "precious")
		line := `{"seq":1,"time":"2026-01-02T03:04:05Z","kind":"server"}` + "\n"
		if err := errors.Join(os.WriteFile(other, []byte(line), 0o600), place(s.path, other)); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadJournal(dir, 10); err == nil || got != nil {
			t.Errorf("%s: read %v, %v", name, got, err)
		}
		s.note(1)
		if text, _ := os.ReadFile(other); string(text) != line || s.Status().Error == "" {
			t.Errorf("%s: status %+v; behind it is %q now", name, s.Status(), text)
		}
	}
}

// A disk that is full in the middle of a line leaves none torn, and loses nothing that can wait.
func TestAFullDiskTearsNoLine(t *testing.T) {
	dir := t.TempDir()
	runtime.LockOSThread() // and never unlocked: the thread's mounts are its own
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); errors.Is(err, unix.EPERM) {
		t.Skipf("a mount namespace needs root: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16384")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := newScribe(t, dir)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	last := 0
	for s.Status().Error == "" {
		if last++; last > 1000 {
			t.Fatal("the disk is never full")
		}
		s.note(last)
	}
	text, err := os.ReadFile(s.path)
	if err != nil || !bytes.HasSuffix(text, []byte("}\n")) || !strings.Contains(s.Status().Error, "no space left") {
		t.Errorf("status %+v; the file ends with %q, %v", s.Status(), text[max(0, len(text)-20):], err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.finish() // as after a while
	if got, err := ReadJournal(dir, 1<<20); err != nil || len(got) != last || got[last-1].Seq != uint64(last) || s.Status() != (JournalStatus{Written: uint64(last)}) {
		t.Errorf("%d of %d events are there, %v; status %+v, reports %q", len(got), last, err, s.Status(), s.reports)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"seq":1,"time":"2026-01-02T03:04:05Z","kind":"server","object":"www","message":"m","reason":"r","warn":true}` + "\n" + `{"seq":2,"ti`))
	f.Add([]byte("\n\n{}\nnull\n[]\n{\"kind\":1}\n"))
	f.Add([]byte(`{"seq":18446744073709551615,"time":"2026-01-02T03:04:05.000000001+23:59","kind":"x"}`))
	f.Add([]byte(strings.Repeat("x", maxJournalLine+1) + "\n" + `{"seq":3,"time":"2026-01-02T03:04:05Z","kind":"y"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		events, err := parseJournal(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		// What was taken can be written down, and is an event again; and a journal can begin with it.
		j := NewJournal(4)
		j.Restore(events)
		kept := j.Since(0, 0)
		if len(kept) != min(4, len(events)) {
			t.Fatalf("%d of %d events are kept", len(kept), len(events))
		}
		next := j.Add(Event{Kind: "z"}).Seq
		for i, e := range kept {
			if e.Kind == "" || e.Seq != next-uint64(len(kept)-i) {
				t.Errorf("event %d of %d before %d: %+v", i, len(kept), next, e)
			}
		}
	})
}
