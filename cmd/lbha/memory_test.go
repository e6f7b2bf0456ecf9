package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// madvPageout is MADV_PAGEOUT of Linux: give the pages of a range back now, as under pressure.
const madvPageout = 21

// resident is how much memory of a process is there, and how many faults had to wait for a disk.
func resident(t *testing.T, pid int) (kilobytes int, major uint64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fmt.Sscanf(line, "VmRSS: %d kB", &kilobytes)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may have blanks
	fmt.Sscan(strings.Fields(rest)[9], &major)
	return kilobytes, major
}

// reclaim makes the kernel take from a process whatever it may take, and returns from which of its mappings it may:
// those that are locked it leaves alone.
func reclaim(t *testing.T, pid int) (taken []string) {
	t.Helper()
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n != 2 || strings.Contains(line, "[v") { // what else is told of one; vdso and such, the kernel's own
			continue
		}
		iov := [2]uintptr{from, to - from}
		_, _, errno := unix.Syscall6(unix.SYS_PROCESS_MADVISE, uintptr(pidfd), uintptr(unsafe.Pointer(&iov)), 1, madvPageout, 0, 0)
		switch {
		case errno == 0:
			taken = append(taken, line)
		case errors.Is(errno, unix.ENOSYS):
			t.Skip("this kernel cannot take memory from another process: process_madvise is of Linux 5.10")
		case !errors.Is(errno, unix.EINVAL) && !errors.Is(errno, unix.ENOMEM): // locked, or gone by now
			t.Fatalf("reclaim %s: %v", strings.TrimSpace(line), errno)
		}
	}
	return taken
}

// TestPressureTakesNothingFromTheElector: it has all of its memory locked, and an advert waits for no disk. The
// director has not.
func TestPressureTakesNothingFromTheElector(t *testing.T) {
	l := newLAN(t)
	a := l.director(0, 200, "100ms")
	a.start()
	a.until("master")
	elector, director := a.child("lbha: vrrp"), a.child("lbha: director")
	before, faults := resident(t, elector)
	sent := a.until("master").Sent
	for range 5 {
		if taken := reclaim(t, director); len(taken) == 0 {
			t.Error("nothing can be taken from the director: this was no pressure")
		}
		if taken := reclaim(t, elector); len(taken) > 0 {
			t.Errorf("not locked in the elector: %s", taken)
		}
	}
	after, _ := resident(t, elector)
	if after < before*98/100 {
		t.Errorf("the elector had %d kB and has %d", before, after)
	}
	for deadline := time.Now().Add(10 * time.Second); a.until("master").Sent < sent+10; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no adverts any more")
		}
	}
	if _, later := resident(t, elector); later != faults {
		t.Errorf("the elector waited for the disk %d times", later-faults)
	}
}
