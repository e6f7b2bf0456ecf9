package director

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// saved is what survives this process: in the supervisor's memory file always, and in a file under the state
// directory for the time when the supervisor goes too.
type saved struct {
	Boot     string                       `json:"boot"` // of the kernel; a table does not survive it
	Owned    []ipvs.Key                   `json:"owned"`
	Verdicts map[string]healthcheck.Saved `json:"verdicts"`
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
	return s, err
}

// writeFile replaces a file as a whole, or not at all.
func writeFile(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
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
