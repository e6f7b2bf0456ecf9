package realserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stateFile    = "realserver.json"
	maxStateFile = 1 << 20
	lockRetry    = 50 * time.Millisecond
)

// saved is what a later call needs to undo the earlier ones.
type saved struct {
	Boot      string     `json:"boot"`      // of the kernel: nothing survives it
	Namespace string     `json:"namespace"` // of the network
	Wanted    []Wanted   `json:"wanted"`    // in the order of VIPs
	Originals []original `json:"originals"` // in the order in which they were changed
	// Listing is our filter as nft listed it when it was installed.
	Listing string `json:"listing,omitempty"`
}

// original is a setting that was changed.
type original struct {
	Setting
	Was string `json:"was"`
	Set string `json:"set"` // to what it was changed
}

func (s saved) find(t Setting) int {
	return slices.IndexFunc(s.Originals, func(o original) bool { return o.Setting == t })
}

func (s saved) clone() saved {
	s.Wanted, s.Originals = slices.Clone(s.Wanted), slices.Clone(s.Originals)
	return s
}

// record notes what the steps are about to change. What was there before our
// first change stays noted.
func (s *saved) record(steps []Step) {
	for _, st := range steps {
		if i := s.find(st.Setting); i >= 0 {
			// A step back to what was there before is no change of ours.
			if st.To != s.Originals[i].before() {
				s.Originals[i].Set = st.To
			}
			continue
		}
		o := original{st.Setting, st.From, st.To}
		if st.Kind == Filter {
			o.Was = "" // the table is ours by its name
		}
		s.Originals = append(s.Originals, o)
	}
}

// forget drops the originals that nothing wanted depends on.
func (s *saved) forget(h Host) {
	needs := requirementsOf(s.Wanted, h)
	s.Originals = slices.DeleteFunc(s.Originals, func(o original) bool {
		return !slices.ContainsFunc(needs, func(r requirement) bool { return r.Setting == o.Setting })
	})
}

// state is the file of the saved state, and its directory if that is locked.
type state struct {
	path string
	dir  *os.File
}

func stateIn(dir string) *state { return &state{path: filepath.Join(dir, stateFile)} }

// lockState locks the directory, which it makes if need be, against other
// processes, for which it waits until the context ends.
func lockState(ctx context.Context, dir string) (*state, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			st := stateIn(dir)
			st.dir = f
			return st, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("another process prepares real servers in %s: %w", dir, ctx.Err())
		case <-time.After(lockRetry):
		}
	}
}

func (st *state) unlock() { st.dir.Close() }

// load returns what was saved. What is of another boot is nothing; what is of
// another network namespace is not ours to overwrite.
func (st *state) load() (saved, error) {
	fresh := saved{Boot: bootID(), Namespace: namespace()}
	fi, err := os.Lstat(st.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fresh, nil
	case err != nil:
		return saved{}, err
	case !fi.Mode().IsRegular() || fi.Size() > maxStateFile:
		return saved{}, fmt.Errorf("%s is not a state file of ours", st.path)
	}
	data, err := os.ReadFile(st.path)
	if err != nil {
		return saved{}, err
	}
	s, err := decode(data)
	switch {
	case err != nil:
		return saved{}, fmt.Errorf("%s: %w", st.path, err)
	case s.Boot != fresh.Boot:
		return fresh, nil
	case s.Namespace != fresh.Namespace:
		return saved{}, fmt.Errorf("%s belongs to another network namespace, %s: give this one a directory of its own (--state-dir), or remove the file if that namespace is gone",
			st.path, s.Namespace)
	}
	return s, nil
}

// decode reads a state and refuses what cannot be one.
func decode(data []byte) (saved, error) {
	var s saved
	if err := json.Unmarshal(data, &s); err != nil {
		return saved{}, err
	}
	for _, w := range s.Wanted {
		if err := w.Validate(); err != nil {
			return saved{}, err
		}
	}
	for _, o := range s.Originals {
		switch o.Kind {
		case Sysctl:
			if !strings.HasPrefix(o.Name, "net/") || filepath.Clean(o.Name) != o.Name {
				return saved{}, fmt.Errorf("%q is no sysctl of the network", o.Name)
			}
		case Address:
			if _, _, err := o.parts(); err != nil {
				return saved{}, err
			}
		case Listener:
			if _, _, err := o.listener(); err != nil {
				return saved{}, err
			}
		case LinkSet, Filter, TunnelMode:
		default:
			return saved{}, fmt.Errorf("unknown kind of setting %q", o.Kind)
		}
	}
	return s, nil
}

// store replaces the file as a whole, or removes it if there is nothing to keep.
func (st *state) store(s saved) error {
	if len(s.Wanted) == 0 && len(s.Originals) == 0 {
		if err := os.Remove(st.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(st.path), "."+stateFile+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), st.path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// namespace names the network namespace of the calling thread.
func namespace() string {
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return ""
	}
	return name
}
