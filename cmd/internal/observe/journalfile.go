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
	// journalQueue is how many events may wait for a slow disk.
	journalQueue = 1024
)

// JournalFile keeps the events of a journal in a file, a line of JSON each, so that what led here is known after a restart.
// It writes beside those who record: a full disk or a stuck one delays nobody and loses lines, which are counted. Two files
// bound what it takes.
type JournalFile struct {
	path    string
	events  chan Event
	report  func(Event)
	written atomic.Uint64
	lost    atomic.Uint64
	trouble atomic.Pointer[string] // why the last write failed; nil: it did not
	untold  uint64                 // lines lost since the last write that did not fail; of the writer
}

// NewJournalFile makes the file of a directory, which need not be there yet. When writing becomes impossible, and when it is
// possible again, report is given an event that says so. Nothing is written before Run.
func NewJournalFile(dir string, report func(Event)) *JournalFile {
	return &JournalFile{path: filepath.Join(dir, journalName), events: make(chan Event, journalQueue), report: report}
}

// Put has an event written. It never waits.
func (f *JournalFile) Put(e Event) {
	select {
	case f.events <- e:
	default:
		f.lost.Add(1)
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
	for {
		select {
		case e := <-f.events:
			f.write(e)
		case <-ctx.Done():
			return nil
		}
	}
}

// Finish writes what is left when Run has returned.
func (f *JournalFile) Finish() {
	select {
	case e := <-f.events:
		f.write(e)
	default:
	}
}

// write writes an event, and all that wait behind it.
func (f *JournalFile) write(e Event) {
	var text bytes.Buffer
	lines := uint64(0)
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false) // it is for grep, too
	for more := true; more; {
		if err := out.Encode(e); err != nil {
			panic(fmt.Sprintf("observe: an event is not JSON: %v", err)) // its fields are
		}
		if lines++; text.Len() > maxJournalBatch {
			break
		}
		select {
		case e = <-f.events:
		default:
			more = false
		}
	}
	err := f.append(text.Bytes())
	was := f.trouble.Load()
	if err != nil {
		f.lost.Add(lines)
		why := err.Error()
		f.trouble.Store(&why)
		if was == nil {
			f.untold = 0
			f.report(Event{Kind: "process", Object: "journal", Reason: "not-written", Warn: true, Message: "the journal is not written: " + why})
		}
		f.untold += lines
		return
	}
	f.written.Add(lines)
	f.trouble.Store(nil)
	if was != nil {
		f.report(Event{Kind: "process", Object: "journal", Reason: "written", Message: fmt.Sprintf("the journal is written again; at least %d events are not in its file", f.untold)})
	}
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
