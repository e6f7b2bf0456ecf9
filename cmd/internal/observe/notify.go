package observe

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Notifier speaks the vocabulary of sd_notify(3) to the supervisor, over an inherited SOCK_SEQPACKET socket. A
// message that does not fit at once is dropped: the next one says as much. The zero Notifier is silent.
type Notifier struct {
	fd   int
	open bool
}

// NewNotifier takes the inherited descriptor.
func NewNotifier(fd int) *Notifier { return &Notifier{fd: fd, open: true} }

// Ready says that start, or a reload, has ended and status is what the process does now.
func (n *Notifier) Ready(status string) { n.send("READY=1", "STATUS="+oneLine(status)) }

// Status replaces the line that `systemctl status` shows.
func (n *Notifier) Status(status string) { n.send("STATUS=" + oneLine(status)) }

// Pet says that the loop of the process goes round. It must be called by that loop itself.
func (n *Notifier) Pet() { n.send("WATCHDOG=1") }

// Reloading begins a reload; Ready ends it.
func (n *Notifier) Reloading() {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return
	}
	n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", ts.Nano()/1000))
}

func (n *Notifier) send(lines ...string) {
	if n.open {
		_ = unix.Sendto(n.fd, []byte(strings.Join(lines, "\n")), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
	}
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "; ") }
