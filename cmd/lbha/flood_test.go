package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/wire"
)

// playFlood in the environment makes the test binary a flood: so many packets of garbage, at 20,000 a second.
const playFlood = "LBHA_TEST_FLOOD"

const (
	floodRate = 20000 // packets a second
	floodTime = 4 * time.Second
)

// garbage is one packet of each kind that must not move a virtual router: an IPv4 header and an advertisement of
// VRID 51 with the highest priority.
func garbage() ([][]byte, error) {
	src, dst := netip.MustParseAddr("10.9.0.2"), wire.Group4()
	good := wire.Advert{Version: 3, VRID: 51, Priority: 255, Interval: time.Second, Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.100")}}
	message, err := wire.Append(nil, &good, src, dst, wire.FormMessage)
	if err != nil {
		return nil, err
	}
	packet := func(ttl byte, change func(m []byte)) []byte {
		m := append([]byte(nil), message...)
		change(m)
		p := []byte{0x45, 0xc0, 0, 0, 0, 1, 0, 0, ttl, wire.Protocol, 0, 0} // the kernel adds length and checksum
		p = append(p, src.AsSlice()...)
		p = append(p, dst.AsSlice()...)
		p = append(p, m...)
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		return p
	}
	return [][]byte{
		packet(255, func(m []byte) { m[6] ^= 0x55 }),
		packet(64, func([]byte) {}),
		packet(255, func(m []byte) { // interval 0, the checksum made good again (RFC 1624)
			was := binary.BigEndian.Uint16(m[4:])
			m[4], m[5] = 0, 0
			sum := uint32(^binary.BigEndian.Uint16(m[6:])) + uint32(^was)
			sum = sum>>16 + sum&0xffff
			binary.BigEndian.PutUint16(m[6:], ^uint16(sum+sum>>16))
		}),
	}, nil
}

// flood sends garbage and prints how much.
func flood() error {
	packets, err := garbage()
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "eth0"); err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Addr: wire.Group4().As4()}
	sent, start := 0, time.Now()
	for {
		elapsed := time.Since(start)
		if elapsed >= floodTime {
			break
		}
		for ; sent < int(elapsed.Seconds()*floodRate); sent++ {
			if err := unix.Sendto(fd, packets[sent%len(packets)], 0, to); err != nil && err != unix.ENOBUFS {
				return err
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	fmt.Println(sent)
	return nil
}

// TestAFloodMovesNothing is not run beside the other pairs: it is about punctuality.
func TestAFloodMovesNothing(t *testing.T) {
	l := newQuietLAN(t)
	a, b := l.pair("1s")
	before := a.status().Instances[0]
	lines := a.logLines()

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", b.host, exe)
	cmd.Env = append(os.Environ(), playFlood+"=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("flood: %v", err)
	}
	var sent uint64
	fmt.Sscan(string(out), &sent)
	time.Sleep(1500 * time.Millisecond) // the last audit and report

	st := a.status()
	after := st.Instances[0]
	t.Logf("%d packets of garbage in %v; the master's worst lateness %v; dropped %v, unexamined %d", sent, floodTime, after.MaxLate, after.Dropped, st.Interfaces["eth0"]["unexamined"])
	if sent < uint64(floodRate*floodTime.Seconds()*9/10) {
		t.Errorf("only %d packets were sent: this was no flood", sent)
	}
	if after.Transition != before.Transition || after.State != "master" {
		t.Errorf("the master made %d transitions", after.Transition-before.Transition)
	}
	if got := b.until("backup"); got.Transition != 1 {
		t.Errorf("the backup made transitions: %+v", got)
	}
	if after.Late != before.Late {
		t.Errorf("%d adverts were late, the worst by %v", after.Late-before.Late, after.MaxLate)
	}
	for _, reason := range []string{"bad-checksum", "bad-ttl", "zero-interval"} {
		if after.Dropped[reason] == 0 {
			t.Errorf("nothing was counted as %s: %v", reason, after.Dropped)
		}
	}
	// What the socket filter keeps away is examined in samples, and the rest counted.
	if counted := after.Dropped["bad-ttl"] + st.Interfaces["eth0"]["unexamined"]; counted < sent/3-sent/30 {
		t.Errorf("of %d packets with a bad TTL only %d were counted", sent/3, counted)
	}
	if told, limit := a.logLines()-lines, int(floodTime.Seconds())+3; told > limit {
		t.Errorf("%d log lines, want at most one a second", told)
	}
}

// logLines counts what the daemon has logged.
func (d *daemon) logLines() int {
	text, err := os.ReadFile(d.log.Name())
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}
