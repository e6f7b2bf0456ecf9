package director

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/keep"
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

// record is the memory file: what the next process of this daemon finds.
type record struct {
	saved
	Config json.RawMessage `json:"config,omitempty"` // in force, its secrets included: it goes into no file
}

// recordText is the record as JSON. The configuration, which may be megabytes and is saved again with every verdict, goes
// in as it is: package json would look at each of its letters.
func recordText(s saved, cfg json.RawMessage) ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil || len(cfg) == 0 {
		return text, err
	}
	text = slices.Grow(text[:len(text)-1], len(cfg)+len(`,"config":}`)) // an object, and not an empty one
	return append(append(append(text, `,"config":`...), cfg...), '}'), nil
}

// freeze makes the configuration in force the one with which a successor of this process begins.
func (d *director) freeze() {
	d.frozen = d.freezeText()
	d.save()
}

func (d *director) freezeText() json.RawMessage {
	cfg := *d.cfg
	cfg.Warnings = nil // were told
	text, err := json.Marshal(cfg)
	if err != nil {
		panic(fmt.Sprintf("director: a configuration is not JSON: %v", err)) // its types are ours
	}
	return text
}

// inForce is the configuration that a former process of this daemon had in force; nil: there was none, or it cannot be
// read, which recall will tell.
func inForce(region *keep.Region) *config.Config {
	text := frozen(region)
	cfg := new(config.Config)
	if text == nil || json.Unmarshal(text, cfg) != nil {
		return nil
	}
	return cfg
}

func frozen(region *keep.Region) json.RawMessage {
	var r record
	if ok, err := region.Load(&r); err != nil || !ok {
		return nil
	}
	return r.Config
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
	ok, err := d.region.Load(&s)
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
func writeFile(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
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
