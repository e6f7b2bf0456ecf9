package rehearse

import (
	"errors"
	"testing"

	"github.com/lbha/lbha/integration/internal/script"
)

// A daemon beside lbha is there in the lab alone.
func TestOnlyTheLabHasOthers(t *testing.T) {
	remote := new(SSH)
	remote.Really = true
	for _, daemon := range []string{"keepalived", "frr"} {
		s := parse(t, "director d1 "+daemon+"\nlength 9s\nat 1s stop d2\nat 3s start d2 "+daemon+"\nexpect holder is d1 at end")
		if errs := Possible(&Lab{}, s); len(errs) > 0 {
			t.Errorf("%s in the lab: %v", daemon, errs)
		}
		if errs := Possible(remote, s); len(errs) != 2 {
			t.Errorf("%s over ssh: %v, want the director and its start to be refused", daemon, errs)
		}
	}
}

// What concerns everything that runs on a kernel is done only where the lab has one for itself.
func TestASharedKernelIsLeftAlone(t *testing.T) {
	for line, shared := range map[string]bool{"ipvs down": true, "clock back 365 days": true, "disk d1 full": false, "pause d1 elector 1s": false} {
		s := parse(t, "length 4s\nat 1s "+line+"\nexpect holder is d1 at end")
		if got := s.NeedsOwnKernel(); got != shared {
			t.Errorf("%s needs a kernel of its own: %v", line, got)
		}
		errs := Possible(&Lab{}, s)
		if shared != (len(errs) > 0) {
			t.Errorf("%s on a shared kernel: %v", line, errs)
		}
		if errs := Possible(&Lab{alone: true}, s); len(errs) > 0 {
			t.Errorf("%s on a kernel of its own: %v", line, errs)
		}
	}
	if err := (&Lab{}).Can(script.Clause{Form: script.IPVS}); !errors.Is(err, ErrShared) {
		t.Error(err)
	}
}
