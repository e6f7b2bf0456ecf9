package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/wire"
)

// playFlood in the environment makes the test binary a flood: so many packets of garbage a second.
const playFlood = "LBHA_TEST_FLOOD"

const floodTime = 4 * time.Second

// A quiet machine sends 100,000, and more than that.
var floodRate = flag.Int("flood", 20000, "how many packets of garbage a second the flood of TestAFloodMovesNothing has")

// mostOfACore is what the elector may take of a processor at the rate of the flag: it is of the machine's own time, whatever else runs.
const mostOfACore = 0.2

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
		packet(255, func(m []byte) { m[3] = 255 }),  // addresses, of which there is one
		packet(255, func(m []byte) { m[3] = 0 }),    // addresses
		packet(255, func(m []byte) { m[0] = 0x32 }), // no advertisement
		packet(255, func(m []byte) { m[0] = 0x41 }), // of no version
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
	rate, err := strconv.ParseFloat(os.Getenv(playFlood), 64)
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Addr: wire.Group4().As4()}
	sent, start := 0, time.Now()
	for {
		elapsed := time.Since(start)
		if elapsed >= floodTime {
			break
		}
		for ; sent < int(elapsed.Seconds()*rate); sent++ {
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
	cmd.Env = append(os.Environ(), playFlood+"="+strconv.Itoa(*floodRate))
	busy, begin := used(t, a.child("lbha: vrrp")), time.Now()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("flood: %v", err)
	}
	var sent uint64
	fmt.Sscan(string(out), &sent)
	share := (used(t, a.child("lbha: vrrp")) - busy).Seconds() / time.Since(begin).Seconds()
	time.Sleep(1500 * time.Millisecond) // the last audit and report

	st := a.status()
	after := st.Instances[0]
	t.Logf("%d packets of garbage in %v; %.1f %% of a processor; the master's worst lateness %v; dropped %v, unexamined %d", sent, floodTime, 100*share, after.MaxLate, after.Dropped, st.Interfaces["eth0"]["unexamined"])
	if sent < uint64(float64(*floodRate)*floodTime.Seconds()*9/10) {
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
	for _, reason := range []string{"bad-checksum", "bad-ttl", "zero-interval", "bad-length", "zero-count", "bad-type", "bad-version"} {
		if after.Dropped[reason] == 0 {
			t.Errorf("nothing was counted as %s: %v", reason, after.Dropped)
		}
	}
	// What the socket filter keeps away is examined in samples, and the rest counted.
	counted := st.Interfaces["eth0"]["unexamined"]
	for _, n := range after.Dropped {
		counted += n
	}
	if counted < sent-sent/30 {
		t.Errorf("of %d packets only %d were counted", sent, counted)
	}
	if share > mostOfACore {
		t.Errorf("the elector took %.1f %% of a processor, want %v %% at most", 100*share, 100*mostOfACore)
	}
	if told, limit := a.logLines()-lines, int(floodTime.Seconds())+3; told > limit {
		t.Errorf("%d log lines, want at most one a second", told)
	}
}

// used is the processor time that a process has taken.
func used(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	var user, system int64 // in hundredths of a second
	fmt.Sscan(strings.Join(strings.Fields(rest)[11:13], " "), &user, &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// logLines counts what the daemon has logged.
func (d *daemon) logLines() int {
	text, err := os.ReadFile(d.log.Name())
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}
