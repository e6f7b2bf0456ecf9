package track

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxContent = 64 // bytes of a file that holds a weight
	maxWeight  = 254

	// watchedPoll is how often a file is read that inotify watches: a link on the way to it may lead to where we do
	// not look. Where its directory cannot be watched, because it is not there, it is read more often.
	watchedPoll   = 5 * time.Second
	unwatchedPoll = time.Second
	// settle is how long after an event a file is read: a directory where much happens costs no more than this.
	settle = 10 * time.Millisecond
)

// watchFile reads a file whenever something happens in its directory, until ctx ends.
func watchFile(ctx context.Context, path string, directories *directories, show func(Reading)) {
	poke := make(chan struct{}, 1)
	defer directories.forget(poke)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last Reading
	for {
		// First watch, then read: what happens in between is an event.
		poll := unwatchedPoll
		if directories.watch(filepath.Dir(path), poke) {
			poll = watchedPoll
		}
		last = readWeight(path, last)
		show(last)
		timer.Reset(poll)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			continue
		case <-poke:
		}
		timer.Reset(settle)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// readWeight reads a file that holds a weight. No file is the weight 0: who deletes it takes his word back. What cannot
// be read or understood leaves the last word in force.
func readWeight(path string, last Reading) Reading {
	weight, reason, err := 0, "there is no such file", error(nil)
	switch content, readErr := readBounded(path); {
	case errors.Is(readErr, fs.ErrNotExist):
	case readErr != nil:
		err = readErr
	default:
		weight, err = parseWeight(content)
		reason = fmt.Sprintf("the content is %d", weight)
	}
	if err != nil {
		if last.State == Good {
			last.Trouble = err.Error()
			return last
		}
		return Reading{State: Unknown, Since: time.Now(), Reason: err.Error()}
	}
	return Reading{State: Good, Weight: weight, Since: time.Now(), Reason: reason}
}

// parseWeight reads a whole number from -254 to 254, in white space or not.
func parseWeight(content []byte) (int, error) {
	text := strings.TrimSpace(string(content))
	n, err := strconv.Atoi(text)
	if err != nil || n < -maxWeight || n > maxWeight {
		return 0, fmt.Errorf("the content is not a whole number from %d to %d: %.20q", -maxWeight, maxWeight, text)
	}
	return n, nil
}

// readBounded reads a small regular file. To open anything else could be to wait for somebody.
func readBounded(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, bare(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	content, err := io.ReadAll(io.LimitReader(f, maxContent+1))
	switch {
	case err != nil:
		return nil, bare(err)
	case len(content) > maxContent:
		return nil, fmt.Errorf("it has more than %d bytes", maxContent)
	}
	return content, nil
}

// bare is an error without the path, which the reader knows.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
