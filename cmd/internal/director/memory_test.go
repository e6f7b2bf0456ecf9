package director

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/config"
)

// inMemory has the host keep everything on a tmpfs, as /run is.
func (h *host) inMemory() {
	h.t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "lbha-test-")
	if err != nil {
		h.t.Skipf("no directory can be made on the tmpfs /dev/shm: %v", err)
	}
	h.t.Cleanup(func() { os.RemoveAll(dir) })
	h.dir = dir
	h.client = admin.NewClient(h.control())
}

func TestAStartIsNoConfirmation(t *testing.T) {
	h := newHost(t)
	h.inMemory()
	a, b := h.server(), h.server()
	former := h.onFile(a)
	h.start()
	tried := h.onFile(a, b)
	h.try(endless)
	path := filepath.Join(h.dir, trialFile)
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
		t.Errorf("%s: %v, %v; want a file of mode 0600", path, fi, err)
	}
	h.stop()
	h.forget() // as if the whole daemon had ended
	h.start()
	if st := h.status(); st.Config.Hash != tried || st.Config.Trial == nil || st.Config.Trial.Former != former {
		t.Fatalf("after a start: %+v, trial %+v", st.Config, st.Config.Trial)
	}
	if r, err := h.client.Confirm(t.Context(), admin.ConfirmRequest{Revert: true}); err != nil || !r.OK || r.Hash != former {
		t.Fatalf("reverted: %+v, %v", r, err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", path, err)
	}

	// With another file somebody has decided otherwise.
	h.try(endless)
	h.stop()
	h.forget()
	h.write(a)
	h.start()
	if st := h.status(); st.Config.Hash != former || st.Config.Trial != nil {
		t.Errorf("after a start with another file: %+v", st.Config)
	}
	if got := h.reloads(); !slices.Contains(got, "trial-void") {
		t.Errorf("the journal has %q", got)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", path, err)
	}

	// What is not a trial of this boot stops nobody.
	for name, spoil := range map[string]func() error{
		"garbage":      func() error { return os.WriteFile(path, []byte("garbage"), 0o600) },
		"a link":       func() error { return os.Symlink(h.path(), path) },
		"a directory":  func() error { return os.Mkdir(path, 0o700) },
		"another boot": func() error { return keepTrial(h.dir, &former0) },
	} {
		h.stop()
		h.forget()
		os.RemoveAll(path)
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		h.start()
		if st := h.status(); st.Config.Hash != former || st.Config.Trial != nil {
			t.Errorf("%s: %+v", name, st.Config)
		}
	}
}

// former0 is of no boot that was.
var former0 = former{Config: &config.Config{Hash: "abc"}, Trial: "def", Boot: "0a0b0c0d"}

func FuzzTrialFile(f *testing.F) {
	whole, err := json.Marshal(&former0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"config":null,"trial":"x","boot":"y"}`))
	f.Add([]byte(`{"config":{"hash":"x","services":[{}]},"trial":"x","boot":"y","deadline":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tr, err := parseTrial(text)
		if err != nil {
			return
		}
		if tr.Config == nil || tr.Config.Hash == "" || tr.Trial == "" {
			t.Errorf("taken for a trial: %+v", tr)
		}
		frozen(inForce{Config: tr.Config, Former: tr}) // panics if it cannot be written down again
	})
}
