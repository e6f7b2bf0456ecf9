package director

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/vrrp"
)

// writeNotify makes the configuration of write, with a command that logs what it is told.
func (h *host) writeNotify(command string) {
	h.t.Helper()
	h.write(h.server())
	h.extendRouter(fmt.Sprintf(`notify = { command = ["/bin/sh", "-c", %q, "sh"], user = "root" }`, command))
}

func (h *host) untilTold(log, want string) {
	h.t.Helper()
	told := func() string {
		text, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			h.t.Fatal(err)
		}
		return string(text)
	}
	defer func() {
		if h.t.Failed() {
			h.t.Logf("told:\n%s", told())
		}
	}()
	h.until("told\n"+want, func() bool { return told() == want })
}

func transition(from, to vrrp.State, reason vrrp.Reason) link.Message {
	return link.Message{Happened: &link.Happened{
		At: monotonic(), Instance: "web", Kind: "transition", Reason: string(reason), Message: "…",
		Transition: &link.Transition{From: from, To: to, Priority: 90},
	}}
}

// TestEveryTransitionIsToldOnce follows an instance through lost messages, a restart of the director, and its end.
func TestEveryTransitionIsToldOnce(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(h.dir, "log")
	h.writeNotify(`echo "$*" >>` + log)
	h.start()
	// No event told of it: the elector was faster.
	story := "web initialize master no-master 0\n"
	h.untilTold(log, story)
	h.say <- transition(vrrp.Master, vrrp.Fault, vrrp.ReasonLinkDown)
	h.say <- transition(vrrp.Fault, vrrp.Backup, vrrp.ReasonRecovered)
	h.say <- transition(vrrp.Backup, vrrp.Master, vrrp.ReasonNoMaster)
	story += "web master fault link-down 90\nweb fault backup recovered 90\nweb backup master no-master 90\n"
	h.untilTold(log, story)
	h.until("the status counts them", func() bool { // the last command has told, and may run still
		n := h.status().Instances[0].Notify
		return n != nil && n.Ran == 4 && n.Failed == 0 && n.Command && !n.Stream
	})
	h.stop()

	// While the director is away the instance moves, which only its state tells; and it is not told again that it was
	// master.
	h.start()
	h.backup.Store(true)
	story += "web master backup no-master 0\n"
	h.untilTold(log, story)
	h.backup.Store(false)

	// The elector's last words, said before the director was told to stop.
	h.say <- transition(vrrp.Backup, vrrp.Initialize, vrrp.ReasonStopped)
	h.until("said", func() bool { return len(h.say) == 0 })
	h.stop()
	h.untilTold(log, story+"web backup initialize stopped 90\n")
}

// TestAFailedCommandIsInTheJournal holds that the operator hears of it.
func TestAFailedCommandIsInTheJournal(t *testing.T) {
	h := newHost(t)
	h.writeNotify("echo no such thing >&2; exit 7")
	h.start()
	h.until("reported", func() bool {
		for _, e := range h.events() {
			if e.Kind == "notify" && e.Object == "web" && e.Reason == "failed" && e.Warn && strings.HasPrefix(e.Message, "/bin/sh for initialize → master: exit status 7 after ") {
				return true
			}
		}
		return false
	})
}

// TestAReloadTellsByTheNewCommand holds that what was told stays told, and that what comes is told anew.
func TestAReloadTellsByTheNewCommand(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(h.dir, "log")
	h.writeNotify(`echo "first $*" >>` + log)
	h.start()
	h.untilTold(log, "first web initialize master no-master 0\n")
	h.writeNotify(`echo "second $*" >>` + log)
	if r := h.reload(); !r.OK {
		t.Fatal(r.Error)
	}
	h.say <- transition(vrrp.Master, vrrp.Fault, vrrp.ReasonLinkDown)
	h.untilTold(log, "first web initialize master no-master 0\nsecond web master fault link-down 90\n")
}

// TestADirectorWithoutServicesIsRemembered holds that a host that only moves addresses has a memory, too.
func TestADirectorWithoutServicesIsRemembered(t *testing.T) {
	h := newHost(t)
	log := filepath.Join(h.dir, "log")
	h.writeNotify(`echo "$*" >>` + log)
	before, _, _ := strings.Cut(h.text(), "[[service]]")
	h.writeText(before)
	h.start()
	h.untilTold(log, "web initialize master no-master 0\n")
	h.stop()
	h.writeText("somebody is editing")
	h.start() // with the configuration that was in force
	h.say <- transition(vrrp.Master, vrrp.Backup, vrrp.ReasonHigherPriority)
	h.untilTold(log, "web initialize master no-master 0\nweb master backup higher-priority 90\n")
}
