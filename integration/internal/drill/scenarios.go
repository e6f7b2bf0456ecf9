package drill

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/stage"
)

// begin is when a scenario acts: some quiet comes first.
const begin = time.Second

// Scenarios are the drill, in the order in which they run. d1 is master when each begins.
func Scenarios() []Scenario {
	out := time.Duration(stage.Check.Fall)*stage.Check.Interval + stage.Check.Timeout + tableTolerance
	back := time.Duration(stage.Check.Rise)*stage.Check.Interval + tableTolerance
	rs1, rs3 := "10.9.0.3", "10.9.0.5"
	return []Scenario{
		{
			Name: "kill-all", Title: "all of the master's processes killed", Length: 7 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "kill", signalAll(syscall.SIGKILL))},
			Expect:  []Expectation{leaseEnds, neverTwice("ARP never answered twice once d2 has advertised", takenOver), cachesRight},
			Figures: []Expectation{servesInTime, announcedBy("d2", "kill")},
			Restore: startD1,
		},
		{
			Name: "kill-elector", Title: "only its elector killed", Length: 5 * time.Second,
			Steps:  []stage.Step{stage.At(begin, "kill", signal(drive.Elector, syscall.SIGKILL))},
			Expect: []Expectation{noTransition, noRequestLost, tableUntouched, partsBack(drive.Elector)},
		},
		{
			Name: "kill-director", Title: "only its director killed", Length: 5 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "kill", signal(drive.Services, syscall.SIGKILL))},
			Expect:  []Expectation{noTransition, noRequestLost, tableUntouched, partsBack(drive.Services)},
			Figures: []Expectation{advertsOnTime},
		},
		{
			Name: "stop", Title: "master stopped (SIGTERM)", Length: 7 * time.Second,
			Steps:  []stage.Step{stage.At(begin, "stop", stop), stage.At(begin, "ended", waitEnd)},
			Expect: []Expectation{noConnectionLost, ended("stop", 5*time.Second), cachesRight},
			// Make before break: for less than a millisecond both have the address, which one request in a hundred plays may meet.
			Figures: []Expectation{gapAsQuiet, announcedBy("d2", "stop"), neverTwice("ARP never answered twice", always)},
			Restore: startD1,
		},
		{
			Name: "bad-adverts", Title: "bad adverts, 2 a second for 20 s", Length: 21 * time.Second,
			Steps: []stage.Step{stage.At(500*time.Millisecond, "trickle", forge(2, 20*time.Second))},
			Expect: []Expectation{noTransition, noRequestLost,
				droppedByReason("trickle", 40/uint64(len(load.Forgeries()))-1), logBounded},
			Figures: []Expectation{advertsOnTime},
		},
		{
			// Carrying the flood takes a slow lab's whole processor: what clients lose then is not the directors' doing, and adverts may be
			// late by a tenth of the interval.
			Name: "flood", Title: "bad adverts, 20,000 a second for 3 s", Length: 5 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "flood", forge(20000, 3*time.Second))},
			Expect:  []Expectation{noTransition, droppedByReason("flood", 1), logBounded},
			Figures: []Expectation{advertsWithin(time.Second / 10)},
		},
		{
			Name: "link", Title: "master's link down, then up", Length: 12 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "down", port(false)), stage.At(6*time.Second, "up", port(true))},
			Expect:  []Expectation{neverTwice("one master at every moment that a third host's ARP can see", always), cachesRight},
			Figures: []Expectation{servesInTime, announcedBy("d2", "down"), announcedBy("d1", "up"), oneHolderFrom("up", time.Second)},
		},
		{
			Name: "pause", Title: "master paused (SIGSTOP) for 6 s", Length: 13 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "pause", signalAll(syscall.SIGSTOP)), stage.At(7*time.Second, "continue", signalAll(syscall.SIGCONT))},
			Expect:  []Expectation{leaseEnds, neverTwice("ARP never answered twice once d2 has advertised", takenOver), cachesRight},
			Figures: []Expectation{servesInTime, oneHolderFrom("continue", time.Second)},
		},
		{
			Name: "real-server", Title: "a real server stopped, then started", Length: 9 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "stop", stopWeb), stage.At(5*time.Second, "start", startWeb)},
			Expect:  []Expectation{noRequestTo(rs1, "start"), nothingElseTouched(rs1), noTransition},
			Figures: []Expectation{serverGoes(rs1, "stop", out), serverComes(rs1, "start", back)},
		},
		{
			Name: "reload-add", Title: "reload that adds a server", Length: 6 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "reload", reloadAdd)},
			Expect:  []Expectation{succeeded("reload"), noTransition, neverSmaller, nothingElseTouched(rs3), noRequestLost},
			Figures: []Expectation{serverComes(rs3, "reload", back, "d1"), advertsOnTime},
			Restore: reloadGood,
		},
		{
			Name: "reload-same", Title: "reload that changes nothing", Length: 4 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "reload", func(s *stage.Stage) (string, error) { return s.D1.Reload() })},
			Expect:  []Expectation{succeeded("reload"), tableUntouched, noTransition, noRequestLost},
			Figures: []Expectation{advertsOnTime},
		},
		{
			Name: "reload-broken", Title: "reload of a broken file", Length: 4 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "reload", reloadBroken)},
			Expect:  []Expectation{refusedWithPosition("reload"), statusTellsOfRefusal, tableUntouched, noTransition, noRequestLost},
			Figures: []Expectation{advertsOnTime},
			Restore: reloadGood,
		},
		{
			Name: "cleared", Title: "ipvsadm -C behind its back", Length: 12 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "clear", clearTable)},
			Expect:  []Expectation{noTransition},
			Figures: []Expectation{repaired("clear", stage.Drift+tableTolerance), advertsOnTime},
		},
		{
			Name: "vip-removed", Title: "the VIP removed by hand", Length: 4 * time.Second,
			Steps:   []stage.Step{stage.At(begin, "remove", func(s *stage.Stage) (string, error) { return "", s.Net.D1.DeleteAddress(netlab.VIP) })},
			Expect:  []Expectation{d2Silent, cachesRight},
			Figures: []Expectation{backWithin("remove", 100*time.Millisecond), advertsOnTime},
		},
		{
			Name: "restart", Title: "daemon restarted while master", Length: 11 * time.Second,
			Steps:  []stage.Step{stage.At(begin, "stop", stop), stage.At(begin, "ended", waitEnd), stage.At(begin, "start", func(s *stage.Stage) (string, error) { return "", s.D1.Start() })},
			Expect: []Expectation{ended("stop", 5*time.Second), succeeded("start"), neverSmaller, noConnectionLost, neverTwice("ARP never answered twice", always), cachesRight},
		},
	}
}

func startD1(s *stage.Stage) error { return s.D1.Start() }

func signalAll(sig syscall.Signal) func(*stage.Stage) (string, error) {
	return func(s *stage.Stage) (string, error) { return "", s.D1.SignalAll(sig) }
}

func signal(part drive.Part, sig syscall.Signal) func(*stage.Stage) (string, error) {
	return func(s *stage.Stage) (string, error) { return "", s.D1.Signal(part, sig) }
}

func stop(s *stage.Stage) (string, error) { return "", s.D1.Stop() }

func waitEnd(s *stage.Stage) (string, error) { return "", s.D1.Wait(10 * time.Second) }

func port(up bool) func(*stage.Stage) (string, error) {
	return func(s *stage.Stage) (string, error) { return "", s.Net.Port(s.Net.D1, up) }
}

func stopWeb(s *stage.Stage) (string, error)  { return "", s.StopWeb(0) }
func startWeb(s *stage.Stage) (string, error) { return "", s.StartWeb(0) }

// forge sends bad adverts from the observer's host, in a process of its own, and returns when all are sent.
func forge(rate int, duration time.Duration) func(*stage.Stage) (string, error) {
	return func(s *stage.Stage) (string, error) {
		return s.Net.Observer.Output(s.Self, stage.PartyCommand, "forge", strconv.Itoa(rate), duration.String(), s.Net.Observer.MAC.String())
	}
}

func reloadAdd(s *stage.Stage) (string, error) {
	more := s.D1.Settings
	more.Servers = append(append(more.Servers[:0:0], more.Servers...), s.Net.Real[2].Addr)
	if err := s.D1.Configure(more); err != nil {
		return "", err
	}
	return s.D1.Reload()
}

// reloadGood applies the pair's own configuration again.
func reloadGood(s *stage.Stage) error {
	if err := s.D1.Configure(stage.SettingsOf(s.Net, "d1", s.D1.Settings.Priority, s.D1.Settings.Interval)); err != nil {
		return err
	}
	if _, err := s.D1.Reload(); err != nil {
		return fmt.Errorf("reload the good configuration: %w", err)
	}
	return nil
}

// reloadBroken appends what no configuration language takes.
func reloadBroken(s *stage.Stage) (string, error) {
	if err := s.D1.ConfigureText(s.D1.Text(s.D1.Settings) + "\n[[vrrp]\nname = = \"broken\n"); err != nil {
		return "", err
	}
	return s.D1.Reload()
}

func clearTable(s *stage.Stage) (string, error) {
	cmd := exec.Command("ipvsadm", "-C")
	if err := s.Net.D1.Start(cmd); err != nil {
		return "", err
	}
	return "", cmd.Wait()
}
