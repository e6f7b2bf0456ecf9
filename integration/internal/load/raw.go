package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls that block are made raw, behind the back of Go's scheduler. Told of a call, the scheduler watches over it at its shortest
// interval, takes the processor away and wakes another thread, a thousand times a second: in a user-mode kernel that costs more than all the rest of
// a client. A thread that blocks raw can stop a collection for ever; these processes have nothing to collect and nothing else to run.

// epollWait is epoll_wait(2) without a timeout.
func epollWait(epoll int, events []unix.EpollEvent) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// receive is recvfrom(2), which blocks, for IPv4.
func receive(fd int, buf []byte, from *unix.RawSockaddrInet4) (int, error) {
	size := uint32(unsafe.Sizeof(*from))
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0,
		uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// answerTo is sendto(2) for IPv4.
func answerTo(fd int, buf []byte, to *unix.RawSockaddrInet4) {
	// A datagram that cannot be sent is lost, and the client sees it.
	_, _, _ = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0,
		uintptr(unsafe.Pointer(to)), unsafe.Sizeof(*to))
}
