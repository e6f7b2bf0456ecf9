package director

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

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
