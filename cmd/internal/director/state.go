package director

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// saved is what survives this process: in the supervisor's memory file always, and in a file under the state
// directory for the time when the supervisor goes too.
type saved struct {
	Boot     string                       `json:"boot"` // of the kernel; a table does not survive it
	Owned    []ipvs.Key                   `json:"owned"`
	Verdicts map[string]healthcheck.Saved `json:"verdicts"`
	Orders   orders                       `json:"orders,omitempty"`
	Drains   drains                       `json:"drains,omitempty"`
	Told     map[string]vrrp.State        `json:"told,omitempty"` // the states of instances that were told of last

	old bool // from the file: of a daemon that ended, who knows when
}

// memory is what the next process of this daemon finds.
type memory struct {
	state  *keep.Region // what is saved: again with every verdict
	config *keep.Region // the configuration in force, its secrets included: it goes into no file.
}

func newMemory(r *keep.Region) (m memory) {
	m.state, m.config = r.Halves()
	return m
}

// frozen is a configuration as memory keeps it. To write down a large one takes a while.
func frozen(cfg config.Config) []byte {
	cfg.Warnings = nil // were told
	text, err := json.Marshal(&cfg)
	if err != nil {
		panic(fmt.Sprintf("director: a configuration is not JSON: %v", err)) // its types are ours
	}
	return text
}

// inForce is the configuration that a former process of this daemon had in force; nil: there was none, or it cannot be
// read.
func (m memory) inForce() *config.Config {
	cfg := new(config.Config)
	if ok, err := m.config.Load(cfg); !ok || err != nil {
		return nil
	}
	return cfg
}

// freeze keeps a configuration that has just come in force for a successor of this process, and what drains since then: that
// first, for who begins with the former configuration does not need it, and who begins with the new one would end those
// connections. The verdicts are saved when they always are. It runs beside the loop, which has better to do than to write
// down a large configuration while the first verdicts on new servers come in; nobody is told that the configuration is in
// force before it has returned. The error is that of do.
func (d *director) freeze(ctx context.Context, cfg *config.Config) error {
	text := frozen(*cfg)
	return d.do(ctx, func() {
		if d.unsaved = true; len(d.drains) > 0 {
			d.save()
		}
		if err := d.memory.config.SaveText(text); err != nil {
			d.cannotSave(err)
		}
	})
}

func (d *director) cannotSave(err error) {
	d.record(observe.Event{Kind: "process", Object: "director", Reason: "state-not-saved", Message: err.Error(), Warn: true})
}

const (
	stateFile    = "director.json"
	maxStateFile = 64 << 20
)

// bootID names the boot of this kernel.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// recall returns what a former process saved, from memory or else from the file. What is of another boot is nothing.
func (d *director) recall() (saved, error) {
	var s saved
	ok, err := d.memory.state.Load(&s)
	if err == nil && ok {
		return s, nil
	}
	s = saved{}
	path := filepath.Join(d.cfg.Global.StateDir, stateFile)
	fi, statErr := os.Lstat(path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		return saved{}, err
	case statErr != nil:
		return saved{}, errors.Join(err, statErr)
	case !fi.Mode().IsRegular() || fi.Size() > maxStateFile:
		return saved{}, errors.Join(err, fmt.Errorf("%s is not a state file of ours", path))
	}
	data, readErr := os.ReadFile(path)
	if readErr != nil {
		return saved{}, errors.Join(err, readErr)
	}
	if jsonErr := json.Unmarshal(data, &s); jsonErr != nil {
		return saved{}, errors.Join(err, fmt.Errorf("%s: %w", path, jsonErr))
	}
	if s.Boot != bootID() {
		return saved{}, err
	}
	s.old = true
	return s, err
}

// writeFile replaces a file as a whole, or not at all.
func writeFile(path string, data []byte) error {
	// Always the same name: a process that is killed in the middle leaves no litter.
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
