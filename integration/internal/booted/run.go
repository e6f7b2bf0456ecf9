package booted

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/suite"
)

// Options are what the trials need.
type Options struct {
	Binary   string `json:"binary"`   // of lbha, for the peer
	Package  string `json:"package"`  // the Debian package
	Upgraded string `json:"upgraded"` // a later version of it
}

const (
	priority     = 200
	peerPriority = 100
	interval     = time.Second
	// patience is how long something may take that has no promise of its own.
	patience = 10 * time.Second
)

// bench is the pair.
type bench struct {
	*Machine
	peer *drive.Director
	trial
}

// Run boots the machine, starts the peer, and tries everything in order: each trial leaves the daemon running, as master.
func Run(ctx context.Context, o Options, say func(string, ...any)) (*Report, error) {
	n, err := netlab.Pair("sd", false)
	if err != nil {
		return nil, err
	}
	peer, err := drive.New(drive.LBHA, n.D2, o.Binary, drive.Settings{Name: n.D2.Name, Priority: peerPriority, Interval: interval})
	if err != nil {
		return nil, err
	}
	started := time.Now()
	say("booting systemd")
	m, err := Boot(ctx, n.D1, "/run/booted")
	if err != nil {
		return nil, err
	}
	defer m.Close()
	r := &Report{Boot: time.Since(started).Round(100 * time.Millisecond).String()}
	version, err := m.Command(ctx, "systemctl", "--version")
	if err != nil {
		return nil, err
	}
	r.Systemd, _, _ = strings.Cut(version, " (")
	for to, from := range map[string]string{"lbha.deb": o.Package, "upgraded.deb": o.Upgraded} {
		if err := copyFile(from, filepath.Join(m.Root, "root", to)); err != nil {
			return nil, err
		}
	}
	defer peer.Kill()
	b := &bench{Machine: m, peer: peer}
	for _, t := range []struct {
		name  string
		do    func(context.Context) error
		times bool // it hangs on the daemon's times, which a machine that stands still makes it miss, and can be done again
	}{
		{"the package is installed, and nothing starts", b.install, false},
		{"start", b.start, false},
		{"what the process cannot do", b.hardening, false},
		{"the journal's fields", b.journal, false},
		{"a reload that is refused", b.badReload, false},
		{"a reload", b.reload, false},
		{"restart while master", b.restart, true},
		{"upgrade of the package while master", b.upgrade, true},
		{"kill -9 of every process", b.crash, true},
		{"the VRRP process is stuck", b.stuckElector, true},
		{"the supervisor is stuck", b.stuckSupervisor, true},
		{"stop", b.stop, true},
		{"the package is removed", b.remove, false},
	} {
		say("%s", t.name)
		tried, err := b.try(ctx, t.name, t.do, t.times)
		r.Trials = append(r.Trials, tried)
		if err != nil {
			break // what follows would fail for this reason
		}
	}
	return r, nil
}

// try tries something until it is certain what comes of it: see [suite.Repeat]. What fails has the daemon's journal beside it. An error: the rest
// would fail for that reason.
func (b *bench) try(ctx context.Context, name string, do func(context.Context) error, times bool) (*Trial, error) {
	var err error
	var again []string
	suite.Repeat(func() suite.Play {
		b.trial = trial{Trial: &Trial{Name: name, Again: slices.Clone(again)}}
		if err = do(ctx); err != nil {
			b.Not = append(b.Not, err.Error())
		}
		var failures []suite.Failure
		for _, not := range b.Not {
			failures = append(failures, suite.Failure{What: not, Figure: times && err == nil})
		}
		became, why := suite.Weigh(failures)
		again = append(again, why)
		return became
	})
	if len(b.Not) > 0 {
		if log, err := b.Command(ctx, "journalctl", "--no-pager", "-o", "short-monotonic", "-n", "150", "-u", "lbha"); err == nil {
			b.Not = append(b.Not, log)
		}
	}
	return b.Trial, err
}

// trial collects what is seen.
type trial struct{ *Trial }

// see records a demand and whether it is met.
func (t *trial) see(met bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if met {
		t.Seen = append(t.Seen, text)
	} else {
		t.Not = append(t.Not, text)
	}
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// configuration is the machine's: like the peer's, at the places of the package.
func configuration(more string) string {
	return fmt.Sprintf(`[global]
name = "d1"
[[vrrp]]
name = "web"
interface = %q
id = 51
priority = %d
interval = %q
addresses = ["%s/32"]
%s`, netlab.Interface, priority, interval, netlab.VIP, more)
}

func (b *bench) configure(text string) error {
	return os.WriteFile(filepath.Join(b.Root, "etc/lbha/lbha.toml"), []byte(text), 0o640)
}

// unit returns a property of the unit.
func (b *bench) unit(ctx context.Context, property string) string {
	out, err := b.Command(ctx, "systemctl", "show", "--value", "-p", property, "lbha")
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}

// mainPID is the supervisor, as the machine counts processes.
func (b *bench) mainPID(ctx context.Context) int {
	pid, _ := strconv.Atoi(b.unit(ctx, "MainPID"))
	return pid
}

// status is the daemon's own view of the virtual router on the machine.
func (b *bench) status(ctx context.Context) (drive.Instance, error) {
	out, err := b.Command(ctx, "lbha", "status", "--json")
	if err != nil {
		return drive.Instance{}, err
	}
	var s drive.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return drive.Instance{}, fmt.Errorf("decode the status: %w", err)
	}
	if len(s.Instances) != 1 {
		return drive.Instance{}, fmt.Errorf("%d virtual routers", len(s.Instances))
	}
	return s.Instances[0], nil
}

// peerStatus is the same of the peer.
func (b *bench) peerStatus() (drive.Instance, error) {
	s, err := b.peer.Status()
	if err != nil {
		return drive.Instance{}, err
	}
	if len(s.Instances) != 1 {
		return drive.Instance{}, fmt.Errorf("%d virtual routers on the peer", len(s.Instances))
	}
	return s.Instances[0], nil
}

// holds reports whether a host has the virtual address.
func holds(h *netlab.Host) bool {
	list, err := h.Addresses()
	return err == nil && slices.Contains(list, netlab.VIP)
}

// until waits for a condition.
func until(ctx context.Context, limit time.Duration, what string, is func() bool) error {
	for deadline := time.Now().Add(limit); !is(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %v", what, limit)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// master waits until the machine is master, and the peer backup.
func (b *bench) master(ctx context.Context, limit time.Duration) error {
	var now string
	err := until(ctx, limit, "the machine is master and its peer backup", func() bool {
		in, err := b.status(ctx)
		peer, peerErr := b.peerStatus()
		now = fmt.Sprintf("the machine is %s (%v), its peer %s (%v), address held: %v", in.State, err, peer.State, peerErr, holds(b.Host))
		return err == nil && peerErr == nil && in.State == "master" && peer.State == "backup" && holds(b.Host)
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, now)
	}
	return nil
}

// undisturbed does something to the master, watches for a master-down interval and more, and demands that nobody on the
// network noticed.
func (b *bench) undisturbed(ctx context.Context, do func() error) error {
	before, err := b.peerStatus()
	if err != nil {
		return err
	}
	type seen struct{ without, blind time.Duration } // blind: the longest time between two looks, as when the machine stands still
	watched := make(chan seen, 1)
	watch, cancel := context.WithCancel(ctx)
	go func() {
		var s seen
		for last := time.Now(); watch.Err() == nil; {
			time.Sleep(10 * time.Millisecond)
			now := time.Now()
			if !holds(b.Host) {
				s.without += now.Sub(last)
			}
			s.blind = max(s.blind, now.Sub(last))
			last = now
		}
		watched <- s
	}()
	err = do()
	if err == nil {
		err = b.master(ctx, patience)
	}
	time.Sleep(4 * interval)
	cancel()
	s := <-watched
	if err != nil {
		return err
	}
	after, err := b.peerStatus()
	if err != nil {
		return err
	}
	b.see(after.Transitions == before.Transitions, "the peer made %d transitions", after.Transitions-before.Transitions)
	b.see(s.without == 0, "the master was without its address for %v, seen every %v at least", s.without, s.blind.Round(time.Millisecond))
	in, err := b.status(ctx)
	if err != nil {
		return err
	}
	b.see(in.Reason == "resumed", "it is master because: %s", in.Reason)
	return nil
}
