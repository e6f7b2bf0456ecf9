package director

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
)

// memory is what the next process of this daemon finds.
type memory struct {
	state  *keep.Region // what is saved: again with every verdict
	config *keep.Region // what is in force, its secrets included: it goes onto no disk.
}

func newMemory(r *keep.Region) (m memory) {
	m.state, m.config = r.Halves()
	return m
}

// inForce is a configuration, and what there is to know if it is on trial, or came back after one. One record holds all of
// it: whatever happens to this process, its successor never has the one without the other.
type inForce struct {
	Config   *config.Config  `json:"config"`
	Former   *former         `json:"former,omitempty"`
	Reverted *observe.Reload `json:"reverted,omitempty"` // the reload that put it in force, if that was the end of a trial

	read bool // from its file: the daemon was started
}

// frozen is what is in force as memory keeps it. To write down a large configuration takes a while.
func frozen(now inForce) []byte {
	cfg := *now.Config
	cfg.Warnings = nil // were told
	now.Config = &cfg
	text, err := json.Marshal(now)
	if err != nil {
		panic(fmt.Sprintf("director: a configuration is not JSON: %v", err)) // its types are ours
	}
	return text
}

// inForce is what a former process of this daemon had in force; without a configuration: there was none, or it cannot be read.
func (m memory) inForce() (had inForce) {
	if ok, err := m.config.Load(&had); !ok || err != nil {
		return inForce{}
	}
	return had
}

// freeze keeps what has just come in force for a successor of this process, and what drains since then: that first, for who
// begins with the former configuration does not need it, and who begins with the new one would end those connections. The
// verdicts are saved when they always are. It runs beside the loop, which has better to do than to write down a large
// configuration while the first verdicts on new servers come in; nobody is told that the configuration is in force, or stays
// so, before it has returned. Its caller is the only one: see director.reloads. The error is that of do.
func (d *director) freeze(ctx context.Context) error {
	var now inForce
	if err := d.do(ctx, func() {
		if now.Config, now.Former = d.cfg, d.former; d.lastReload != nil && d.lastReload.Reverted != "" {
			now.Reverted = d.lastReload
		}
	}); err != nil {
		return err
	}
	text := frozen(now)
	if err := d.do(ctx, func() {
		if d.unsaved = true; len(d.drains) > 0 {
			d.save()
		}
		if err := d.memory.config.SaveText(text); err != nil {
			d.cannotSave(err)
		}
	}); err != nil {
		return err
	}
	if err := d.keepTrial(ctx, now); err != nil {
		d.record(observe.Event{Kind: "reload", Object: "reload", Reason: "trial-not-kept", Message: fmt.Sprintf("a restart of lbha would be a confirmation: the former configuration cannot be kept for it: %v", err), Warn: true})
	}
	return nil
}

func (d *director) cannotSave(err error) {
	d.record(observe.Event{Kind: "process", Object: "director", Reason: "state-not-saved", Message: err.Error(), Warn: true})
}

// trialFile, in the state directory, is there while a configuration is on trial, for a daemon that is started anew. It holds
// the former configuration with its secrets: it is made in memory only.
const trialFile = "trial.json"

// trialLimit bounds the making of that file, and its removal.
const trialLimit = 2 * time.Second

// keepTrial is the function of that name, for a disk that may hang.
func (d *director) keepTrial(ctx context.Context, now inForce) error {
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	var failed error
	if hang := d.trialKept.Do(ctx, func() { failed = keepTrial(now.Config.Global.StateDir, now.Former) }); hang != nil {
		return hang
	}
	return failed
}

// keepTrial makes the trial's file what it is to be, or removes it when there is no trial.
func keepTrial(dir string, f *former) error {
	path := filepath.Join(dir, trialFile)
	if f == nil {
		// Even to remove what is not there waits for a disk to which nothing can be written.
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return os.Remove(path)
	}
	if err := keep.InMemory(dir); err != nil {
		return err
	}
	text, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("director: a trial is not JSON: %v", err)) // its types are ours
	}
	return writeFile(path, text)
}

// trialIn reads what a daemon that ended left of a trial; nil: there was none.
func trialIn(dir string) (*former, error) {
	path := filepath.Join(dir, trialFile)
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fi, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxStateFile {
		return nil, fmt.Errorf("%s is not a trial of ours", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxStateFile))
	if err != nil {
		return nil, err
	}
	f, err := parseTrial(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// parseTrial reads a trial. Of one that is not whole nothing is taken.
func parseTrial(text []byte) (*former, error) {
	f := new(former)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, err
	}
	if f.Config == nil || f.Config.Hash == "" || f.Trial == "" || f.Boot == "" {
		return nil, errors.New("not a whole trial")
	}
	return f, nil
}
