package observe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/disk"
)

const (
	// journalName is the file of the newest events; beside it, with .1 at its end, is the one before it.
	journalName = "journal.jsonl"
	// maxJournalFile is how long each of the two gets, in bytes: some thousand events, as many as the journal keeps.
	maxJournalFile = 1 << 20
	// maxJournalLine bounds a line that is read; events are shorter by far.
	maxJournalLine = 64 << 10
	// maxJournalBatch is about how much is written at once, in bytes: less than a file holds.
	maxJournalBatch = maxJournalFile / 4
	// journalRetry is the pause before a write that failed is tried again, if nothing happens meanwhile.
	journalRetry = 10 * time.Second
	// journalHang is how long a write may take before it is told that the disk hangs.
	journalHang = 2 * time.Second
)

// JournalFile keeps the events of a journal in a file, a line of JSON each, so that what led here is known after a restart.
// It writes beside those who record: a full disk or a stuck one delays nobody, and nothing is lost for as long as the journal
// itself keeps it. What is lost is counted, and told. Two files bound what it takes.
type JournalFile struct {
	path    string
	journal *Journal
	report  func(Event)
	wake    chan struct{}
	disk    *disk.Worker
	next    uint64 // number of the first event that is not written; of the writer
	written atomic.Uint64
	lost    atomic.Uint64
	trouble atomic.Pointer[string] // why the last write failed, or does not end; nil: it did not
}

// NewJournalFile makes the file of what happens from now on in a directory, which need not be there yet. When writing becomes
// impossible, when it is possible again, and when events were lost, report is given an event that says so. Nothing is written
// before Run.
func NewJournalFile(dir string, journal *Journal, report func(Event)) *JournalFile {
	return &JournalFile{path: filepath.Join(dir, journalName), journal: journal, report: report, wake: make(chan struct{}, 1), disk: disk.NewWorker(), next: journal.Next()}
}

// Wake says that there is a new event. It never waits.
func (f *JournalFile) Wake() {
	select {
	case f.wake <- struct{}{}:
	default: // it is awake
	}
}

// Status is how writing goes. Any goroutine may ask.
func (f *JournalFile) Status() JournalStatus {
	st := JournalStatus{Written: f.written.Load(), Lost: f.lost.Load()}
	if why := f.trouble.Load(); why != nil {
		st.Error = *why
	}
	return st
}

// Run writes until ctx ends.
func (f *JournalFile) Run(ctx context.Context) error {
	again := time.NewTicker(journalRetry)
	defer again.Stop()
	for {
		select {
		case <-f.wake:
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
		if f.Finish(ctx) != nil {
			return nil
		}
	}
}

// Finish writes what there is to write. It is for the end, when Run has returned. The error says that the disk hung until ctx
// ended.
func (f *JournalFile) Finish(ctx context.Context) error {
	for more := true; more; {
		var again bool
		hang := time.AfterFunc(journalHang, f.hangs)
		err := f.disk.Do(ctx, func() { again = f.write() })
		hang.Stop()
		if err != nil {
			return err // and again is not ours
		}
		more = again
	}
	return nil
}

// hangs tells of a write that does not end. The write that ends some day tells the rest.
func (f *JournalFile) hangs() {
	why := fmt.Sprintf("its disk has not answered since %s", time.Now().Add(-journalHang).Format(time.TimeOnly))
	if f.trouble.CompareAndSwap(nil, &why) {
		f.report(Event{Kind: "process", Object: "journal", Reason: "not-written", Warn: true, Message: "the journal is not written: " + why})
	}
}

// write writes a part of what is not written yet, and reports whether there may be more that can be.
func (f *JournalFile) write() bool {
	events := f.journal.Since(f.next-1, 0)
	if len(events) == 0 {
		return false
	}
	if gone := events[0].Seq - f.next; gone > 0 {
		f.next = events[0].Seq
		f.lost.Add(gone)
		f.report(Event{Kind: "process", Object: "journal", Reason: "lost", Warn: true, Message: fmt.Sprintf("%d events are not in the journal's file: too many came before it could be written", gone)})
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false) // it is for grep, too
	next := f.next
	for _, e := range events {
		if err := out.Encode(e); err != nil {
			panic(fmt.Sprintf("observe: an event is not JSON: %v", err)) // its fields are
		}
		if next++; text.Len() > maxJournalBatch {
			break
		}
	}
	err := f.append(text.Bytes())
	was := f.trouble.Load()
	if err != nil {
		why := err.Error()
		if f.trouble.Store(&why); was == nil {
			f.report(Event{Kind: "process", Object: "journal", Reason: "not-written", Warn: true, Message: "the journal is not written: " + why})
		}
		return false
	}
	f.written.Add(next - f.next)
	f.next = next
	if f.trouble.Store(nil); was != nil {
		f.report(Event{Kind: "process", Object: "journal", Reason: "written", Message: "the journal is written again"})
	}
	return true
}

// append adds text to the file, whole or not at all. The file is opened anew each time: somebody may have moved it away.
func (f *JournalFile) append(text []byte) error {
	file, size, err := f.open()
	if err != nil {
		return err
	}
	if size > 0 && size+int64(len(text)) > maxJournalFile {
		file.Close()
		if err := os.Rename(f.path, f.path+".1"); err != nil {
			return err
		}
		if file, size, err = f.open(); err != nil {
			return err
		}
	}
	defer file.Close()
	if size > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' { // a line that a death, or a full disk, left torn is nobody's but its own
			text = append([]byte("\n"), text...)
		}
	}
	if _, err := file.WriteAt(text, size); err != nil {
		return errors.Join(err, file.Truncate(size))
	}
	return nil
}

func (f *JournalFile) open() (*os.File, int64, error) {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o640)
	if err != nil {
		return nil, 0, err
	}
	fi, err := file.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a file", f.path)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, fi.Size(), nil
}

// ReadJournal reads back what is in the files of a directory, oldest first, at most limit of the newest events. What is not an
// event, such as a line that was torn, is passed over. With an error come the events that could be read.
func ReadJournal(dir string, limit int) ([]Event, error) {
	var all []Event
	var failed error
	for _, name := range []string{journalName + ".1", journalName} {
		events, err := readJournal(filepath.Join(dir, name))
		if !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
		all = append(all, events...)
	}
	return all[max(0, len(all)-limit):], failed
}

func readJournal(path string) ([]Event, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return nil, err
	}
	// Ours is never longer; of a longer one the end is not ours to guess.
	if !fi.Mode().IsRegular() || fi.Size() > 2*maxJournalFile {
		return nil, fmt.Errorf("%s is not a journal of ours", path)
	}
	return parseJournal(file)
}

// parseJournal reads lines as long as there are any.
func parseJournal(in io.Reader) ([]Event, error) {
	var events []Event
	lines := bufio.NewReaderSize(in, maxJournalLine)
	for {
		line, err := lines.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // too long: pass over all of it
			line = nil
			_, err = lines.ReadSlice('\n')
		}
		var e Event
		if json.Unmarshal(line, &e) == nil && e.Kind != "" && !e.Time.IsZero() {
			e.Time = e.Time.Round(0).In(time.Local)
			events = append(events, e)
		}
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
	}
}
