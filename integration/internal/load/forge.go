package load

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"golang.org/x/sys/unix"
)

// Forger sends bad VRRPv3 advertisements to the group: each of priority 255, so that whoever believes one yields.
type Forger struct {
	Interface string
	MAC       net.HardwareAddr // Ethernet source
	Source    netip.Addr       // IP source: nobody's
	VRID      byte
	VIP       netip.Addr
}

// forgeries names what is wrong with each kind of packet, in the words of lbha's own counters, in the order in which they are sent.
var forgeries = [...]string{"bad-checksum", "bad-ttl", "zero-interval", "bad-length", "short", "bad-type", "bad-version", "zero-count", "bad-auth-type"}

// Forgeries returns the kinds of bad packets.
func Forgeries() []string { return forgeries[:] }

// Run sends packets at a rate for a time and returns how many the kernel took. Packets that could not be sent in time are made up
// for in bursts of a millisecond: what counts is the number.
func (f Forger) Run(rate int, duration time.Duration) (sent int, err error) {
	frames := f.frames()
	return f.send(frames[:], rate, duration)
}

// Claim sends gratuitous ARPs for the virtual address instead, each a request and then a reply, as some who want an address do.
func (f Forger) Claim(rate int, duration time.Duration) (sent int, err error) {
	return f.send([][]byte{f.arp(1), f.arp(2)}, rate, duration)
}

func (f Forger) send(frames [][]byte, rate int, duration time.Duration) (sent int, err error) {
	// The sender is no part of what is measured: it takes only the processor time that nobody else wants, even if it reaches its rate late or never.
	runtime.LockOSThread()
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return 0, fmt.Errorf("yield to everybody: %w", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("packet socket: %w", err)
	}
	defer unix.Close(fd)
	iface, err := net.InterfaceByName(f.Interface)
	if err != nil {
		return 0, err
	}
	to := &unix.SockaddrLinklayer{Protocol: 0, Ifindex: iface.Index, Halen: 6}
	begin := mono.Now()
	for elapsed := time.Duration(0); elapsed < duration; elapsed = mono.Now().Sub(begin) {
		for due := int(elapsed.Seconds()*float64(rate)) + 1; sent < due; sent++ {
			err := unix.Sendto(fd, frames[sent%len(frames)], 0, to)
			if err == unix.ENOBUFS {
				break // the kernel takes no more just now
			}
			if err != nil {
				return sent, fmt.Errorf("send: %w", err)
			}
		}
		time.Sleep(time.Millisecond)
	}
	return sent, nil
}

// frames builds one packet of each kind.
func (f Forger) frames() (frames [len(forgeries)][]byte) {
	for i, what := range forgeries {
		frames[i] = f.frame(what)
	}
	return frames
}

// frame builds one advertisement with one thing wrong, and all else right.
func (f Forger) frame(what string) []byte {
	group := netip.AddrFrom4([4]byte{224, 0, 0, 18})
	ttl := byte(255)
	v := []byte{0x31, f.VRID, 255, 1, 0, 100, 0, 0} // version 3: an interval of 100 centiseconds
	v = append(v, f.VIP.AsSlice()...)
	switch what {
	case "bad-ttl":
		ttl = 64
	case "zero-interval":
		v[5] = 0
	case "bad-length":
		v[3] = 255 // addresses, of which there is one
	case "short":
		v = v[:4]
	case "bad-type":
		v[0] = 0x32
	case "bad-version":
		v[0] = 0x41
	case "zero-count":
		v[3], v = 0, v[:8]
	case "bad-auth-type": // of version 2, with its data; there are none and password
		v[0], v[4], v[5] = 0x21, 9, 1
		v = append(v, make([]byte, 8)...)
	}
	if len(v) >= 8 {
		sum := checksum(v)
		if v[0]>>4 == 3 {
			pseudo := append(f.Source.AsSlice(), group.AsSlice()...)
			pseudo = append(pseudo, 0, 112, 0, byte(len(v)))
			sum = checksum(append(pseudo, v...))
		}
		if what == "bad-checksum" {
			sum += 0x0101
		}
		binary.BigEndian.PutUint16(v[6:], sum)
	}

	ip := []byte{0x45, 0xc0, 0, byte(20 + len(v)), 0, 1, 0, 0, ttl, 112, 0, 0}
	ip = append(append(ip, f.Source.AsSlice()...), group.AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))

	frame := append([]byte{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12}, f.MAC...)
	frame = append(frame, 0x08, 0x00)
	return append(append(frame, ip...), v...)
}

// arp builds one gratuitous ARP of an operation: RFC 826.
func (f Forger) arp(operation byte) []byte {
	frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, f.MAC...)
	frame = append(frame, 0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, operation)
	frame = append(append(frame, f.MAC...), f.VIP.AsSlice()...)
	return append(append(frame, 0, 0, 0, 0, 0, 0), f.VIP.AsSlice()...)
}

// checksum is RFC 1071's.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
