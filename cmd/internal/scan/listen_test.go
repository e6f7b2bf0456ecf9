//go:build linux

package scan

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestListenInNamespace: an interface that is down is refused, every one of many is a member of the groups, and an advert on a
// VLAN is of the VLAN alone.
func TestListenInNamespace(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("a network namespace can be made by root only")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		done <- inNamespace(t)
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func inNamespace(t *testing.T) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	run := func(line string) (string, error) {
		out, err := exec.Command("sh", "-ec", line).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%s: %w\n%s", line, err, out)
		}
		return string(out), err
	}
	const many = 24 // more than a socket may have memberships
	if _, err := run(fmt.Sprintf(`ip link add low type veth peer name lower
for i in $(seq %d); do ip link add m$i type veth peer name f$i; ip link set m$i up; done
ip link set f1 up
ip addr add 10.9.0.1/24 dev m1
`, many)); err != nil {
		return err
	}
	if l, err := Listen("low"); err == nil || !strings.Contains(err.Error(), "is not up") {
		if err == nil {
			l.Close()
		}
		t.Errorf("an interface that is down: %v", err)
	}
	l, err := Listen("")
	if err != nil {
		return err
	}
	defer l.Close()
	groups, err := run("ip maddr show")
	if err != nil {
		return err
	}
	for i := 1; i <= many; i++ {
		_, after, _ := strings.Cut(groups, fmt.Sprintf("\tm%d\n", i))
		mine, _, _ := strings.Cut(after, ":\t")
		if !strings.Contains(mine, "224.0.0.18") {
			t.Errorf("m%d is no member of the group", i)
		}
	}
	// From m1, and, tagged and not, from f1 to it. The tag is in the frame: who sends it does not see it as one.
	if err := errors.Join(speak("m1", ""), speak("f1", ""), speak("f1", "\x81\x00\x00\x07")); err != nil {
		return err
	}
	var log Log
	if err := l.Run(&log, time.Now().Add(300*time.Millisecond)); err != nil {
		return err
	}
	var heard []string
	for _, s := range log.Speakers() {
		heard = append(heard, fmt.Sprintf("%s %d", s.Interface, s.Adverts))
	}
	if got, want := strings.Join(heard, ", "), "f1 3, m1 2"; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	return nil
}

// speak sends an advert out of an interface as a frame, with a tag before its type if there is one.
func speak(name, tag string) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	frame := "\x01\x00\x5e\x00\x00\x12\x02\x00\x00\x00\x00\x01" + tag + "\x08\x00" +
		"\x45\xc0\x00\x1c\x00\x00\x40\x00\xff\x70\x00\x00\x0a\x09\x00\x01\xe0\x00\x00\x12" + "\x31\x33\x64\x00\x00\x64\x00\x00"
	return unix.Sendto(fd, []byte(frame), 0, &unix.SockaddrLinklayer{Ifindex: i.Index})
}
